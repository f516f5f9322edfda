//! Live sessions, from the client's side: the socket, and the audio that comes on it.

#[cfg_attr(not(test), expect(dead_code, reason = "sessions are not served yet"))]
pub(crate) mod pcm;
