//! What a caller may ask of a job's speakers, and every way to write it.

use std::borrow::Cow;
use std::collections::HashMap;

use poem_openapi::Object;
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, ParseResult, Type};
use serde_json::{Map, Value};
use steno_shared::diarization::{SpeakerChange, SpeakerCount};
use steno_shared::job::JobOptions;

use crate::error::{ApiError, Cause};
use crate::options::TranscribeOptions;

/// What shall become of a job's speakers. Each is meant by label or by name. All fields are optional; what is not
/// named stays as it is.
#[derive(Debug, Object)]
#[oai(rename = "SpeakersRequest")]
struct SpeakersSchema {
    /// Speakers, each with a name of 1 to 100 characters; null takes the name away. Two of the same name are one.
    names: Option<HashMap<String, Option<String>>>,
    /// Lists of speakers, each of which is one person, who has the first one's label.
    merge: Option<Vec<Vec<String>>>,
    /// Speakers that are taken apart again from whomever they were merged with.
    split: Option<Vec<String>>,
    /// Tell the voices apart anew, into so many speakers, at most 32; 0 = find out. Merges are undone, and a name goes
    /// to the speaker who has most of its owner's time.
    speakers: Option<u8>,
    /// The same, into at least so many.
    min_speakers: Option<u8>,
    /// The same, into at most so many.
    max_speakers: Option<u8>,
}

/// The body as it came.
#[derive(Debug)]
pub(crate) struct SpeakersBody(Value);

/// What shall become of a job's speakers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpeakersRequest {
    /// How many there shall be, if the voices are to be told apart anew.
    pub(super) count: Option<SpeakerCount>,
    /// What is done then.
    pub(super) change: SpeakerChange,
}

impl Type for SpeakersBody {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        <SpeakersSchema as Type>::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        <SpeakersSchema as Type>::schema_ref()
    }

    fn register(registry: &mut Registry) {
        <SpeakersSchema as Type>::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for SpeakersBody {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(value.unwrap_or_default()))
    }
}

impl SpeakersBody {
    /// Reads it. Names in `speakers` are taken as those in `names`, numbers in texts as numbers, and one list of
    /// speakers to merge as a list of such lists.
    ///
    /// # Errors
    /// With a sentence that says how it must be written.
    pub(crate) fn read(self) -> Result<SpeakersRequest, ApiError> {
        let Value::Object(mut fields) = self.0 else { return Err(nothing()) };
        fields.retain(|name, _| {
            ["names", "merge", "split", "speakers", "min_speakers", "max_speakers"].contains(&name.as_str())
        });
        if fields.is_empty() {
            return Err(nothing());
        }
        let mut named = names(fields.remove("names"), "names")?;
        if fields.get("speakers").is_some_and(Value::is_object) {
            named.extend(names(fields.remove("speakers"), "speakers")?);
        }
        let merge = lists(fields.remove("merge"))?;
        let split = match fields.remove("split") {
            Some(Value::String(one)) => vec![one],
            other => texts("split", other.unwrap_or_default())?,
        };
        Ok(SpeakersRequest { count: count(&fields)?, change: SpeakerChange { names: named, merge, split } })
    }
}

fn nothing() -> ApiError {
    let message = "the body names no change; send names, merge, split or speakers, such as \
                   {\"names\": {\"Speaker 1\": \"Anna\"}}";
    ApiError::new(Cause::InvalidBody, message)
}

fn names(value: Option<Value>, field: &str) -> Result<Vec<(String, Option<String>)>, ApiError> {
    let wrong = || {
        let message = format!("{field} must be names by labels, such as {{\"Speaker 1\": \"Anna\"}}");
        ApiError::field(message)
    };
    match value.unwrap_or_default() {
        Value::Null => Ok(Vec::new()),
        Value::Object(names) => names
            .into_iter()
            .map(|(speaker, name)| match name {
                Value::Null => Ok((speaker, None)),
                Value::String(name) => Ok((speaker, Some(name))),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

fn lists(value: Option<Value>) -> Result<Vec<Vec<String>>, ApiError> {
    match value.unwrap_or_default() {
        Value::Array(entries) if entries.iter().any(Value::is_array) => {
            entries.into_iter().map(|entry| texts("merge", entry)).collect()
        }
        Value::Null => Ok(Vec::new()),
        value => {
            let one = texts("merge", value)?;
            Ok(if one.is_empty() { Vec::new() } else { vec![one] })
        }
    }
}

fn texts(field: &str, value: Value) -> Result<Vec<String>, ApiError> {
    let wrong = || {
        let example = if field == "merge" { "[[\"Speaker 1\", \"Speaker 3\"]]" } else { "[\"Speaker 3\"]" };
        ApiError::field(format!("{field} must be a list of speakers, such as {example}"))
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(entries) => {
            entries.into_iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

/// The number asked for, by the rules of a request for a job.
fn count(fields: &Map<String, Value>) -> Result<Option<SpeakerCount>, ApiError> {
    let mut options = TranscribeOptions::default();
    let mut is_asked = false;
    for (name, value) in fields {
        match value {
            Value::Null => continue,
            Value::String(text) => options.set(name, text)?,
            other => options.set(name, &other.to_string())?,
        }
        is_asked = true;
    }
    options.check()?;
    let TranscribeOptions { speakers, min_speakers, max_speakers, .. } = options;
    let options = JobOptions { speakers, min_speakers, max_speakers, ..JobOptions::default() };
    Ok(is_asked.then(|| options.speaker_count()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<SpeakersRequest, String> {
        SpeakersBody(body).read().map_err(|error| error.to_string())
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_change_can_be_written_in_many_ways() {
        let anna = vec![("Speaker 1".to_owned(), Some("Anna".to_owned()))];
        for field in ["names", "speakers"] {
            let request = read(json!({field: {"Speaker 1": "Anna"}, "other": 7})).unwrap();
            assert_eq!((request.change.names, request.count), (anna.clone(), None));
        }
        let request = read(json!({"names": {"Anna": null}, "speakers": 3})).unwrap();
        assert_eq!(request.change.names, [("Anna".to_owned(), None)]);
        assert_eq!(request.count, Some(SpeakerCount::exactly(3)));
        let one = owned(&["Speaker 1", "Anna"]);
        for merge in [json!(["Speaker 1", "Anna"]), json!([["Speaker 1", "Anna"]])] {
            assert_eq!(read(json!({"merge": merge})).unwrap().change.merge, std::slice::from_ref(&one));
        }
        for split in [json!("Anna"), json!(["Anna"])] {
            assert_eq!(read(json!({"split": split})).unwrap().change.split, ["Anna"]);
        }
        for (count, expected) in [
            (json!({"speakers": 0}), SpeakerCount::AUTO),
            (json!({"speakers": "2"}), SpeakerCount::exactly(2)),
            (json!({"min_speakers": 2, "speakers": null}), SpeakerCount { min: 2, max: 32 }),
            (json!({"min_speakers": 2, "max_speakers": 4}), SpeakerCount { min: 2, max: 4 }),
        ] {
            assert_eq!(read(count.clone()).unwrap().count, Some(expected), "{count}");
        }
        let nothing = read(json!({"names": {}, "merge": [], "split": null, "speakers": null})).unwrap();
        assert_eq!(nothing, SpeakersRequest { count: None, change: SpeakerChange::default() });
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (body, says) in [
            (json!([]), "names no change"),
            (json!("Anna"), "names no change"),
            (json!({}), "names no change"),
            (json!({"name": {"Speaker 1": "Anna"}}), "names no change"),
            (json!({"names": ["Anna"]}), "names must be names by labels"),
            (json!({"names": {"Speaker 1": 7}}), "names must be names by labels"),
            (json!({"speakers": {"Speaker 1": ["Anna"]}}), "speakers must be names by labels"),
            (json!({"merge": "Speaker 1"}), "merge must be a list of speakers"),
            (json!({"merge": [1, 2]}), "merge must be a list of speakers"),
            (json!({"merge": [["Speaker 1", "Speaker 2"], "Speaker 3"]}), "merge must be a list of speakers"),
            (json!({"split": {"Speaker 1": true}}), "split must be a list of speakers"),
            (json!({"speakers": 33}), "speakers must be a whole number"),
            (json!({"speakers": 2.5}), "speakers must be a whole number"),
            (json!({"speakers": [2]}), "speakers must be a whole number"),
            (json!({"min_speakers": 4, "max_speakers": 3}), "min_speakers must not be greater"),
            (json!({"speakers": 5, "max_speakers": 3}), "speakers must lie between"),
        ] {
            let refused = read(body.clone()).unwrap_err();
            assert!(refused.contains(says), "{body}: {refused}");
        }
    }
}
