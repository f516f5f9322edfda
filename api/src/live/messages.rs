//! What a client is told, in the form that it expects.
//!
//! A client that sends its wishes first gets the documented form; one that begins with audio is an official SDK, which
//! dispatches on `type` and reads `text` of every message.

use serde_json::{Map, Value, json};
use steno_shared::id::JobId;
use steno_shared::language::Language;
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Word};

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As documented: wishes, `ready`, audio.
    Documented,
    /// As the official SDKs: audio at once.
    Sdk,
}

/// A stretch of text that is final, as it is told.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// What is new.
    pub(super) segment: &'a Segment,
    /// All that was said, for a client that wants `text` to be that.
    pub(super) whole: Option<&'a str>,
    /// What it is spoken in, as far as that is known.
    pub(super) language: Option<Language>,
}

/// The end of a session, as it is told.
#[derive(Debug)]
pub(super) struct End<'a> {
    /// The session.
    pub(super) session: JobId,
    /// What no message before has told.
    pub(super) tail: &'a str,
    /// All that was said.
    pub(super) transcript: &'a str,
    /// The words of the tail.
    pub(super) words: Vec<&'a Word>,
    /// How much audio came.
    pub(super) duration: Millis,
    /// What was spoken, as far as that is known.
    pub(super) language: Option<Language>,
    /// What it cost and what is left, if that is known.
    pub(super) usage: Option<(u64, Option<u64>)>,
    /// Whether there is a job of it now.
    pub(super) is_kept: bool,
}

/// The session has begun, or goes on.
pub(super) fn ready(session: JobId, model: &str, language: Option<Language>) -> Map<String, Value> {
    object(json!({"status": "ready", "session_id": session, "model": model, "language": language}))
}

impl Dialect {
    /// A text that may change; an empty one takes back what there was.
    pub(super) fn partial(self, text: &str, start: Millis, end: Millis) -> Map<String, Value> {
        let said = object(json!({"partial": text, "start": start, "end": end}));
        match self {
            Self::Documented => said,
            Self::Sdk => after(json!({"type": "partial", "text": text}), said),
        }
    }

    /// A text that stays.
    pub(super) fn said(self, told: &Told<'_>) -> Map<String, Value> {
        let Segment { start, end, text, confidence, words, .. } = told.segment;
        let mut said = object(json!({"text": told.whole.unwrap_or(text)}));
        if told.whole.is_some() {
            said.insert("segment".to_owned(), json!(text));
        }
        let more = json!({"partial": "", "start": start, "end": end, "confidence": confidence,
            "words": words.iter().map(word).collect::<Vec<_>>(), "language": told.language});
        said.extend(object(more));
        match self {
            Self::Documented => said,
            Self::Sdk => after(json!({"type": "transcript"}), said),
        }
    }

    /// The speaker has paused. The SDKs know no such message.
    pub(super) fn utterance_end(self, start: Millis, end: Millis) -> Option<Map<String, Value>> {
        let event = json!({"event": "utterance_end", "start": start, "end": end});
        (self == Self::Documented).then(|| object(event))
    }

    /// The language is known. The SDKs know no such message.
    pub(super) fn language(self, language: Language, probability: f64) -> Option<Map<String, Value>> {
        let probability = (probability * 1000.0).round() / 1000.0;
        let event = json!({"event": "language", "language": language, "probability": probability});
        (self == Self::Documented).then(|| object(event))
    }

    /// The last message.
    pub(super) fn last(self, end: &End<'_>) -> Map<String, Value> {
        let text = if self == Self::Sdk { end.transcript } else { end.tail };
        let mut last = object(json!({"text": text, "partial": "", "is_final": true, "final": true,
            "transcript": end.transcript, "duration": end.duration, "language": end.language,
            "words": end.words.iter().map(|each| word(each)).collect::<Vec<_>>(), "session_id": end.session}));
        if let Some((used, remaining)) = end.usage {
            let mut usage = object(json!({"credits_used": used}));
            usage.extend(remaining.map(|remaining| ("credits_remaining".to_owned(), json!(remaining))));
            last.insert("usage".to_owned(), Value::Object(usage));
        }
        if end.is_kept {
            last.insert("job_id".to_owned(), json!(end.session));
        }
        match self {
            Self::Documented => last,
            Self::Sdk => after(json!({"type": "transcript"}), last),
        }
    }

    /// Something went wrong.
    pub(super) fn error(self, sentence: &str, code: &str) -> Map<String, Value> {
        let error = object(json!({"error": sentence, "code": code}));
        match self {
            Self::Documented => error,
            Self::Sdk => after(json!({"type": "error", "text": ""}), error),
        }
    }
}

fn word(word: &Word) -> Value {
    json!({"word": word.word, "punctuated_word": word.punctuated_word, "start": word.start, "end": word.end,
        "confidence": word.confidence})
}

fn after(first: Value, then: Map<String, Value>) -> Map<String, Value> {
    let mut all = object(first);
    all.extend(then);
    all
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Segment {
        let word = Word {
            word: "one".to_owned(),
            punctuated_word: "One.".to_owned(),
            start: Millis(100),
            end: Millis(400),
            confidence: 0.9,
            speaker: None,
            overlap: false,
        };
        Segment {
            start: Millis(100),
            end: Millis(400),
            text: "One.".to_owned(),
            speaker: None,
            channel: None,
            language: None,
            confidence: 0.9,
            words: vec![word],
        }
    }

    fn text(fields: Map<String, Value>) -> String {
        Value::Object(fields).to_string()
    }

    #[test]
    fn the_documented_form_has_text_in_what_is_final_alone() {
        let dialect = Dialect::Documented;
        let partial = text(dialect.partial("on", Millis(100), Millis(200)));
        assert_eq!(partial, r#"{"partial":"on","start":0.1,"end":0.2}"#);
        let language = Language::parse("en").ok();
        let (one, words) = (
            segment(),
            r#"[{"word":"one","punctuated_word":"One.","start":0.1,"end":0.4,"confidence":0.9}]"#,
        );
        let said = text(dialect.said(&Told { segment: &one, whole: None, language }));
        let expected = format!(
            r#"{{"text":"One.","partial":"","start":0.1,"end":0.4,"confidence":0.9,"words":{words},"language":"en"}}"#
        );
        assert_eq!(said, expected);
        let cumulative = dialect.said(&Told { segment: &one, whole: Some("Zero. One."), language });
        assert_eq!((&cumulative["text"], &cumulative["segment"]), (&json!("Zero. One."), &json!("One.")));
        assert_eq!(text(dialect.error("no", "x")), r#"{"error":"no","code":"x"}"#);
    }

    #[test]
    fn every_message_to_an_sdk_has_a_type_and_a_text() {
        let dialect = Dialect::Sdk;
        let one = segment();
        let end = End {
            session: JobId::random(),
            tail: "",
            transcript: "One.",
            words: Vec::new(),
            duration: Millis(500),
            language: None,
            usage: Some((1, None)),
            is_kept: true,
        };
        let last = dialect.last(&end);
        assert_eq!(
            (&last["text"], &last["final"], &last["is_final"]),
            (&json!("One."), &json!(true), &json!(true))
        );
        assert_eq!(last["usage"], json!({"credits_used": 1}));
        assert_eq!(last["job_id"], last["session_id"]);
        let said = dialect.said(&Told { segment: &one, whole: None, language: None });
        let all = [
            (dialect.partial("on", Millis(0), Millis(1)), "partial"),
            (said, "transcript"),
            (last, "transcript"),
            (dialect.error("no", "x"), "error"),
        ];
        for (message, kind) in all {
            assert_eq!(message["type"], kind);
            assert!(message["text"].is_string(), "{message:?}");
        }
        assert!(dialect.utterance_end(Millis(0), Millis(1)).is_none());
        assert!(dialect.language(Language::parse("en").unwrap(), 0.5).is_none());
    }
}
