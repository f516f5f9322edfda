//! What a client wishes of its session: the fields of the first frame, or of the query.

use serde_json::{Map, Value};
use steno_shared::id::JobId;
use steno_shared::language::Language;
use steno_shared::live::{ENDPOINT_MS, ENDPOINTS_MS};
use steno_shared::time::SAMPLE_RATE;

use super::pcm::{Encoding, RATES};
use crate::error::ApiError;
use crate::options;

/// The wishes, each with its default.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// As the client names it; empty for the server's default.
    pub(super) model: String,
    /// None has it detected.
    pub(super) language: Option<Language>,
    /// Samples a second.
    pub(super) rate: u32,
    /// The form of a sample.
    pub(super) encoding: Encoding,
    /// What `text` is.
    pub(super) text_mode: TextMode,
    /// Whether the session becomes a job.
    pub(super) store: bool,
    /// Whether the session waits for its client to come back.
    pub(super) resume: bool,
    /// Silence that ends an utterance, in milliseconds.
    pub(super) endpoint_ms: u32,
    /// Whether texts are wanted that may change.
    pub(super) partials: bool,
    /// What was said before.
    pub(super) prompt: Option<String>,
    /// The session that the client comes back to.
    pub(super) session: Option<JobId>,
    /// The last message that it has of that.
    pub(super) last_seq: u64,
    /// A key, of a client that could not send it before.
    pub(super) key: Option<String>,
}

/// What `text` is in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextMode {
    /// What is new.
    Segment,
    /// All that was said so far.
    Cumulative,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: String::new(),
            language: None,
            rate: SAMPLE_RATE,
            encoding: Encoding::S16le,
            text_mode: TextMode::Segment,
            store: false,
            resume: false,
            endpoint_ms: ENDPOINT_MS,
            partials: true,
            prompt: None,
            session: None,
            last_seq: 0,
            key: None,
        }
    }
}

impl Config {
    /// Of the parameters of a query. Unknown ones are ignored.
    ///
    /// # Errors
    /// With a sentence that names the parameter.
    pub(super) fn of_query(query: &[(String, String)]) -> Result<Self, ApiError> {
        let mut config = Self::default();
        for (name, value) in query.iter().filter(|(name, _)| !is_for_frames(name)) {
            config.set(name, value)?;
        }
        Ok(config)
    }

    /// With the fields of the first frame. Unknown ones are ignored.
    ///
    /// # Errors
    /// With a sentence that names the field.
    pub(super) fn with(mut self, fields: &Map<String, Value>) -> Result<Self, ApiError> {
        for (name, value) in fields.iter().filter(|(name, _)| is_known(name)) {
            match value {
                Value::Null => {}
                Value::String(text) => self.set(name, text)?,
                Value::Bool(_) | Value::Number(_) => self.set(name, &value.to_string())?,
                Value::Array(_) | Value::Object(_) => {
                    return Err(ApiError::field(format!("{name} must not be a list or an object")));
                }
            }
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        match name {
            "model" => value.trim().clone_into(&mut self.model),
            "language" => self.language = options::language(value)?,
            "sample_rate" => self.rate = number(name, value, RATES)?,
            "encoding" => {
                self.encoding = value.parse().map_err(|_| {
                    let shown: String = value.chars().take(40).collect();
                    ApiError::field(format!("encoding must be s16le, f32le or mulaw, not {shown:?}"))
                })?;
            }
            "text_mode" => {
                self.text_mode = match value.to_ascii_lowercase().as_str() {
                    "segment" => TextMode::Segment,
                    "cumulative" => TextMode::Cumulative,
                    _ => return Err(ApiError::field("text_mode must be segment or cumulative")),
                }
            }
            "store" => self.store = options::boolean(name, value)?,
            "resume" => self.resume = options::boolean(name, value)?,
            "endpointing" => {
                self.endpoint_ms = number(name, value, ENDPOINTS_MS.0..=ENDPOINTS_MS.1)?;
            }
            "partials" | "interim_results" => self.partials = options::boolean(name, value)?,
            "prompt" => self.prompt = options::prompt(value)?,
            "session_id" => {
                let id = value.parse();
                self.session = Some(id.map_err(|_| ApiError::field("session_id must be that of a session"))?);
            }
            "last_seq" => {
                let number = value.parse();
                self.last_seq =
                    number.map_err(|_| ApiError::field("last_seq must be the seq of a message, or 0"))?;
            }
            "key" => self.key = Some(value.to_owned()).filter(|key| !key.is_empty()),
            _ => {}
        }
        Ok(())
    }
}

fn is_known(name: &str) -> bool {
    is_for_frames(name)
        || matches!(
            name,
            "model"
                | "language"
                | "sample_rate"
                | "encoding"
                | "text_mode"
                | "store"
                | "resume"
                | "endpointing"
                | "partials"
                | "interim_results"
                | "prompt"
        )
}

/// What a query does not say: who comes back says so in its first frame, and a key has parameters of its own.
fn is_for_frames(name: &str) -> bool {
    matches!(name, "session_id" | "last_seq" | "key")
}

fn number(name: &str, value: &str, within: std::ops::RangeInclusive<u32>) -> Result<u32, ApiError> {
    let number = value.parse().ok().filter(|number| within.contains(number));
    number.ok_or_else(|| {
        let shown: String = value.chars().take(40).collect();
        let (least, most) = (within.start(), within.end());
        ApiError::field(format!("{name} must be a whole number from {least} to {most}, not {shown:?}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(fields: &Value) -> Result<Config, ApiError> {
        Config::default().with(fields.as_object().unwrap())
    }

    #[test]
    fn fields_are_read_in_every_form_that_clients_send() {
        let config = of(&json!({"language": "en-US", "model": " mini ", "sample_rate": 48000, "encoding": "mu-law",
            "text_mode": "Cumulative", "store": "yes", "resume": 1, "endpointing": "300", "interim_results": false,
            "prompt": "names", "key": "k", "last_seq": 7, "unknown": {"a": 1}, "punctuate": true}))
        .unwrap();
        assert_eq!(
            (config.model.as_str(), config.language.unwrap().code(), config.rate),
            ("mini", "en", 48_000)
        );
        assert_eq!(config.encoding, Encoding::Mulaw);
        assert_eq!(config.text_mode, TextMode::Cumulative);
        assert!(config.store && config.resume && !config.partials);
        assert_eq!((config.endpoint_ms, config.last_seq), (300, 7));
        assert_eq!((config.prompt.as_deref(), config.key.as_deref()), (Some("names"), Some("k")));
    }

    #[test]
    fn without_fields_and_with_null_all_is_as_the_contract_has_it() {
        for fields in [json!({}), json!({"language": null, "sample_rate": null}), json!({"language": "auto"})]
        {
            let config = of(&fields).unwrap();
            assert_eq!((config.rate, config.encoding), (16_000, Encoding::S16le));
            assert!(config.language.is_none() && config.partials && !config.store && !config.resume);
            assert_eq!((config.text_mode, config.endpoint_ms), (TextMode::Segment, 450));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_name_of_the_field() {
        let long = "x".repeat(1001);
        for (name, values) in [
            ("language", vec![json!("xx"), json!(7)]),
            (
                "sample_rate",
                vec![json!(7999), json!(48001), json!("fast"), json!(-1), json!(16000.5), json!([])],
            ),
            ("encoding", vec![json!("mp3"), json!(true)]),
            ("text_mode", vec![json!("all")]),
            ("store", vec![json!("perhaps"), json!({})]),
            ("resume", vec![json!(2)]),
            ("endpointing", vec![json!(199), json!(3001), json!(false)]),
            ("partials", vec![json!("")]),
            ("prompt", vec![json!(long)]),
            ("session_id", vec![json!("job_x"), json!(1)]),
            ("last_seq", vec![json!(-1), json!("x")]),
        ] {
            for value in values {
                let error = of(&json!({name: value})).unwrap_err().to_string();
                assert!(error.contains(name), "{name} {value}: {error}");
            }
        }
    }

    #[test]
    fn a_query_says_the_same_but_for_what_frames_alone_say() {
        let query = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let config = Config::of_query(&query(&[
            ("language", "de"),
            ("token", "k"),
            ("key", "k"),
            ("session_id", "x"),
        ]));
        let config = config.unwrap();
        assert_eq!(config.language.unwrap().code(), "de");
        assert!(config.key.is_none() && config.session.is_none());
        assert!(Config::of_query(&query(&[("sample_rate", "1")])).is_err());
    }
}
