//! What a worker's models may take, as its operator says.

use steno_shared::settings::{Bytes, Span};
use steno_shared::store::workers::Device;

use super::Limits;
use crate::memory;

/// The settings of workers with models.
#[derive(Debug, Clone, clap::Args)]
pub struct ModelSettings {
    /// Memory for models: when another needs room, those that are not in use are unloaded, the least recently used
    /// first [default: half of the machine's memory, or 80% of the GPU's]
    #[arg(long, env = "STENO_MODEL_MEMORY", value_name = "SIZE")]
    pub model_memory: Option<Bytes>,

    /// A model that was not in use for this long is unloaded; `0s` keeps it in memory
    #[arg(long, env = "STENO_MODEL_IDLE", value_name = "TIME", default_value = "10m")]
    pub model_idle: Span,
}

impl ModelSettings {
    /// What models may take of the memory of this machine, or of its GPU, with so many decoding states each.
    #[must_use]
    pub fn limits(&self, device: &Device, states: usize) -> Limits {
        let default = || match device.gpu_memory_mb {
            0 => memory::of_this_machine().map_or(u64::MAX, |bytes| bytes / 2),
            mebibytes => (mebibytes << 20) / 5 * 4,
        };
        Limits {
            memory: self.model_memory.map_or_else(default, |size| size.0),
            idle: Some(self.model_idle.0).filter(|idle| !idle.is_zero()),
            states,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Worker {
        #[command(flatten)]
        models: ModelSettings,
    }

    fn parsed(arguments: &[&str]) -> Result<ModelSettings, clap::Error> {
        let worker = Worker::try_parse_from(["worker"].iter().chain(arguments));
        worker.map(|worker| worker.models)
    }

    #[test]
    fn models_may_take_what_is_set_or_a_part_of_what_there_is() {
        let limits = |arguments: &[&str], gpu_memory_mb| {
            let device = Device { gpu_name: (gpu_memory_mb > 0).then(|| "GPU".to_owned()), gpu_memory_mb };
            parsed(arguments).unwrap().limits(&device, 5)
        };
        let set = limits(&["--model-memory", "3GiB", "--model-idle", "0s"], 8192);
        assert_eq!(set, Limits { memory: 3 << 30, idle: None, states: 5 });
        assert_eq!(limits(&[], 10_000).memory, 8000 << 20);
        let unset = limits(&[], 0);
        assert_eq!(unset.idle, Some(Duration::from_secs(600)));
        assert!((256 << 20..u64::MAX).contains(&unset.memory), "{}", unset.memory);
    }

    #[test]
    fn what_is_no_size_and_no_time_is_refused() {
        for wrong in [&["--model-memory", "much"], &["--model-memory", "-1"], &["--model-idle", "soon"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
