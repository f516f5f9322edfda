//! whisper.cpp's own messages, to the log at debug level. It calls many things errors that are none here, such as
//! a decoding that was told to stop.
#![expect(unsafe_code, reason = "a callback from C")]

use std::ffi::{CStr, c_char, c_void};
use std::sync::Once;

use whisper_rs::whisper_rs_sys as sys;

static INSTALL: Once = Once::new();

/// Sends the messages to the log instead of standard error. Only the first call does anything.
pub(crate) fn install() {
    // SAFETY: the callback needs no user data, lives for ever and does not unwind.
    INSTALL.call_once(|| unsafe { sys::whisper_log_set(Some(write), std::ptr::null_mut()) });
}

/// # Safety
/// `text` is null or ends in NUL.
unsafe extern "C" fn write(_: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: see above.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();
    // Lines arrive in parts, some of which are only a line's end or a dot of progress.
    if text.len() > 1 {
        tracing::debug!(target: "whisper_cpp", "{text}");
    }
}
