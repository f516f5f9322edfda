//! Who gives way when the processors are busy: files can wait, those who speak now cannot.

/// How much less of a processor those get that give way: about a third of what others get, and all that is left over.
pub const WAY: i32 = 5;

/// Has the calling thread, and those that it starts, give way to live sessions.
pub(crate) fn give_way() {
    // On Linux it is a property of the thread. To ask for less is always allowed.
    if let Err(error) = rustix::process::nice(WAY) {
        tracing::warn!(error = %error, "cannot lower a thread's priority; live sessions may become slow");
    }
}
