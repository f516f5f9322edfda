//! What a client is still to be told, and, for one that may come back, what it was told.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

/// What is kept for a client that comes back, in bytes.
const KEPT: usize = 1 << 20;
/// With so many messages untold nothing more is read from the client: it does not listen.
const FULL: usize = 256;

/// The messages of a session, each with its number.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    untold: VecDeque<Message>,
    /// Everything but partials, if the client may come back.
    told: Option<Told>,
    last_seq: u64,
}

#[derive(Debug, Default)]
struct Told {
    messages: VecDeque<(u64, String)>,
    bytes: usize,
    partial: Option<(u64, String)>,
}

#[derive(Debug, Clone)]
struct Message {
    kind: Kind,
    seq: u64,
    text: String,
}

/// What becomes of a message that cannot be sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The next one of its kind replaces it.
    Partial,
    /// It is sent.
    Kept,
}

impl Outbox {
    /// From here on all that is told is kept, for a client that comes back.
    pub(super) fn keep(&mut self) {
        self.told.get_or_insert_default();
    }

    /// A message with a number.
    pub(super) fn push(&mut self, kind: Kind, mut fields: Map<String, Value>) {
        let replaced = self.untold.pop_back_if(|last| kind == Kind::Partial && last.kind == kind);
        let seq = replaced.map_or(self.last_seq + 1, |replaced| replaced.seq);
        self.last_seq = seq;
        fields.insert("seq".to_owned(), json!(seq));
        let text = Value::Object(fields).to_string();
        if let Some(told) = &mut self.told {
            told.keep(kind, seq, &text);
        }
        self.untold.push_back(Message { kind, seq, text });
    }

    /// A message without a number, which is not told again.
    pub(super) fn tell(&mut self, fields: Map<String, Value>) {
        let text = Value::Object(fields).to_string();
        self.untold.push_back(Message { kind: Kind::Kept, seq: 0, text });
    }

    /// Whether the client is told nothing just now.
    pub(super) fn is_empty(&self) -> bool {
        self.untold.is_empty()
    }

    /// Whether the client does not listen.
    pub(super) fn is_full(&self) -> bool {
        self.untold.len() >= FULL
    }

    /// The next message to send.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.untold.pop_front().map(|message| message.text)
    }

    /// The client is gone: what it was not told, it is told again when it comes back, if it may.
    pub(super) fn forget_untold(&mut self) {
        self.untold.clear();
    }

    /// The client is back, and has the messages up to `last_seq`: it gets `first`, and then those after it.
    pub(super) fn tell_again(&mut self, first: Map<String, Value>, last_seq: u64) {
        self.untold.clear();
        self.tell(first);
        let Some(told) = &self.told else { return };
        let messages = told.messages.iter().map(|message| (Kind::Kept, message));
        let partial = told.partial.iter().map(|message| (Kind::Partial, message));
        let again = messages.chain(partial).filter(|(_, (seq, _))| *seq > last_seq);
        self.untold.extend(again.map(|(kind, (seq, text))| Message { kind, seq: *seq, text: text.clone() }));
    }
}

impl Told {
    fn keep(&mut self, kind: Kind, seq: u64, text: &str) {
        self.partial = None;
        if kind == Kind::Partial {
            self.partial = Some((seq, text.to_owned()));
            return;
        }
        self.bytes += text.len();
        self.messages.push_back((seq, text.to_owned()));
        // The newest stays, however long it is.
        while self.bytes > KEPT
            && self.messages.len() > 1
            && let Some((_, oldest)) = self.messages.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Map<String, Value> {
        Map::from_iter([("text".to_owned(), json!(text))])
    }

    fn all(outbox: &mut Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop()).collect()
    }

    #[test]
    fn of_partials_that_wait_the_last_is_sent_and_no_number_is_left_out() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(Kind::Partial, message(text));
        }
        outbox.push(Kind::Kept, message("d"));
        outbox.push(Kind::Partial, message("e"));
        let expected = [r#"{"text":"c","seq":1}"#, r#"{"text":"d","seq":2}"#, r#"{"text":"e","seq":3}"#];
        assert_eq!(all(&mut outbox), expected);
        outbox.push(Kind::Partial, message("f"));
        outbox.tell(message("g"));
        assert_eq!(all(&mut outbox), [r#"{"text":"f","seq":4}"#, r#"{"text":"g"}"#]);
    }

    #[test]
    fn who_comes_back_is_told_what_it_has_not() {
        let mut outbox = Outbox::default();
        outbox.keep();
        for (kind, text) in [(Kind::Partial, "a"), (Kind::Kept, "b"), (Kind::Kept, "c"), (Kind::Partial, "d")]
        {
            outbox.push(kind, message(text));
            outbox.pop();
        }
        outbox.push(Kind::Partial, message("e"));
        outbox.tell_again(Map::new(), 2);
        assert_eq!(all(&mut outbox), ["{}", r#"{"text":"c","seq":3}"#, r#"{"text":"e","seq":5}"#]);
        outbox.tell_again(Map::new(), 5);
        assert_eq!(all(&mut outbox), ["{}"]);
        outbox.push(Kind::Kept, message("f"));
        outbox.tell_again(Map::new(), 0);
        assert_eq!(all(&mut outbox).len(), 4, "a final text takes the partial back");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut outbox = Outbox::default();
        outbox.keep();
        for _ in 0..50 {
            outbox.push(Kind::Kept, message(&"x".repeat(100_000)));
            outbox.pop();
        }
        outbox.tell_again(Map::new(), 0);
        assert!(all(&mut outbox).iter().map(String::len).sum::<usize>() <= KEPT);
    }
}
