//! What a process has used of the machine, for measuring: processor time and memory, as Linux tells them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(10);
/// A tick of proc(5) in seconds; Linux has no other on the machines that this runs on.
const TICK: f64 = 0.01;

/// What a stretch of work cost.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cost {
    /// Processor seconds of this process and of its children that have ended.
    pub cpu_s: f64,
    /// Seconds on the clock.
    pub wall_s: f64,
}

/// A measurement under way.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    cpu_s: f64,
    began: Instant,
}

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        Self { cpu_s: cpu_seconds(), began: Instant::now() }
    }

    /// What has been used since.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost { cpu_s: cpu_seconds() - self.cpu_s, wall_s: self.began.elapsed().as_secs_f64() }
    }
}

/// Processor seconds of this process, and of its children that have ended where somebody tells, so far.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program may hold spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // Fields 16 and 17: cutime and cstime.
    let children = fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * TICK;
    own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + children
}

/// Memory of this process that no file backs, in bytes; 0 where nobody tells.
#[must_use]
pub fn anonymous_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Watches [`anonymous_memory`] from a thread of its own.
#[derive(Debug)]
pub struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl MemoryWatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        let stop = Arc::<AtomicBool>::default();
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut peak = anonymous_memory();
            while !told.load(Ordering::Relaxed) {
                std::thread::sleep(EVERY);
                peak = peak.max(anonymous_memory());
            }
            peak
        });
        Self { stop, thread }
    }

    /// Ends it: the most that was seen, in bytes.
    #[must_use]
    pub fn peak(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_seen() {
        let (watch, watched) = (Stopwatch::start(), MemoryWatch::start());
        let before = anonymous_memory();
        let mut bytes = vec![0u8; 64 << 20];
        let mut number = 1u8;
        while watch.cost().cpu_s < 0.1 {
            for byte in &mut bytes {
                number = number.wrapping_mul(5).wrapping_add(1);
                *byte = number;
            }
        }
        let cost = watch.cost();
        assert!(cost.wall_s > 0.0 && before > 0, "{cost:?}");
        let peak = watched.peak();
        assert!(peak >= before + (60 << 20), "{peak} after {before} and {}", bytes[7]);
    }
}
