//! The text frames of a client, once its session has begun.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// The longest text frame.
pub(super) const LONGEST: usize = 64 << 10;
/// More text frames in a second are too many.
const PER_SECOND: u32 = 100;

/// What a client wishes in mid-session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// No more audio comes.
    Stop,
    /// What was said so far shall be final.
    Flush,
    /// The client is there.
    KeepAlive,
}

impl Control {
    /// Of a frame's fields, by either of the names in use; none if it is none of ours.
    pub(super) fn of(fields: &Map<String, Value>) -> Option<Self> {
        let named = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_ascii_lowercase);
        match named("action").or_else(|| named("type"))?.as_str() {
            "stop" | "closestream" => Some(Self::Stop),
            "flush" | "finalize" => Some(Self::Flush),
            "keepalive" | "keep_alive" => Some(Self::KeepAlive),
            _ => None,
        }
    }
}

/// The fields of a text frame; none if it is no JSON object.
pub(super) fn fields(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Counts text frames.
#[derive(Debug)]
pub(super) struct Flood {
    since: Instant,
    count: u32,
}

impl Default for Flood {
    fn default() -> Self {
        Self { since: Instant::now(), count: 0 }
    }
}

impl Flood {
    /// Another frame. Whether these are too many.
    pub(super) fn count(&mut self) -> bool {
        if self.since.elapsed() > Duration::from_secs(1) {
            *self = Self::default();
        }
        self.count += 1;
        self.count > PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_have_the_names_of_several_services() {
        for (text, expected) in [
            (r#"{"action":"stop"}"#, Some(Control::Stop)),
            (r#"{"type":"CloseStream"}"#, Some(Control::Stop)),
            (r#"{"action":"flush"}"#, Some(Control::Flush)),
            (r#"{"type":"Finalize"}"#, Some(Control::Flush)),
            (r#"{"action":"keepalive"}"#, Some(Control::KeepAlive)),
            (r#"{"type":"KeepAlive","more":1}"#, Some(Control::KeepAlive)),
            (r#"{"action":"dance"}"#, None),
            (r#"{"action":7}"#, None),
            ("{}", None),
        ] {
            assert_eq!(Control::of(&fields(text).unwrap()), expected, "{text}");
        }
        for text in ["", "[]", "7", "stop", "{", "null"] {
            assert!(fields(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_hundred_frames_in_a_second_are_not_too_many() {
        let mut flood = Flood::default();
        assert!((0..100).all(|_| !flood.count()));
        assert!(flood.count());
    }
}
