//! What whisper.cpp computes on.
#![expect(unsafe_code, reason = "ggml's registry of devices is C")]

use std::ffi::CStr;

use steno_shared::store::workers::Device;
use whisper_rs::whisper_rs_sys as sys;

/// The first GPU that ggml sees; nothing in a build without `cuda`. Unverified: written without a GPU at hand.
#[must_use]
pub fn device() -> Device {
    crate::log::install();
    // SAFETY: the registry is filled on first use and never shrinks; indices stay below its count; names belong
    // to the devices and end in NUL.
    unsafe {
        for index in 0..sys::ggml_backend_dev_count() {
            let device = sys::ggml_backend_dev_get(index);
            if sys::ggml_backend_dev_type(device) != sys::ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_GPU {
                continue;
            }
            let name = CStr::from_ptr(sys::ggml_backend_dev_description(device)).to_string_lossy();
            let (mut free, mut total) = (0, 0);
            sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
            return Device { gpu_name: Some(name.into_owned()), gpu_memory_mb: (total >> 20) as u64 };
        }
    }
    Device::default()
}
