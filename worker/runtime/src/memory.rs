//! How much memory there is.

use std::fs;

/// The limit of the control group, version 2, in which a container runs.
const CGROUP: &str = "/sys/fs/cgroup/memory.max";

/// The memory that this process can have, in bytes: the machine's, or less in a container that is given less. `None`
/// where neither can be read.
#[must_use]
pub fn of_this_machine() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let container = fs::read_to_string(CGROUP).ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min()
}

/// `MemTotal` of proc(5).
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16 << 20));
        for other in ["", "MemTotal: x kB", "MemTotal: 5 MB", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(total(other), None);
        }
    }
}
