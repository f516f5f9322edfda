//! `Upload-Metadata`: what a form says in its fields, as keys with values in base 64.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;
use crate::options::TranscribeOptions;

/// What a client says of its upload. Unknown keys are ignored, as unknown fields of a form are.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) options: TranscribeOptions,
    pub(crate) file_name: Option<String>,
}

impl Description {
    /// Reads the header's value.
    pub(crate) fn read(header: &str) -> Result<Self, ApiError> {
        let mut description = Self::default();
        let mut seen = HashSet::new();
        for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
            if !seen.insert(key) {
                return Err(ApiError::field(format!("Upload-Metadata has the key {key:?} twice")));
            }
            let value = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let value = value.ok_or_else(|| {
                ApiError::field(format!(
                    "the value of {key:?} in Upload-Metadata must be UTF-8 text in base 64"
                ))
            })?;
            match key {
                "filename" => description.file_name = printable(&value),
                // What some clients call it.
                "name" => description.file_name = description.file_name.or_else(|| printable(&value)),
                "url" | "dry_run" => {
                    let message = format!("{key} is not for an upload; POST /v1/jobs takes it");
                    return Err(ApiError::field(message));
                }
                key if TranscribeOptions::knows(key) => description.options.set(key, &value)?,
                _ => {}
            }
        }
        description.options.check()?;
        Ok(description)
    }
}

fn printable(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pairs: &[(&str, &str)]) -> String {
        let pair = |(key, value): &(&str, &str)| format!("{key} {}", STANDARD.encode(value));
        pairs.iter().map(pair).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn keys_are_the_fields_of_a_form() {
        let header = encoded(&[
            ("name", "other.wav"),
            ("filename", "día.wav"),
            ("diarize", "no"),
            ("speakers", "3"),
            ("max_speakers", "4"),
            ("filetype", "audio/wav"),
        ]);
        let description = Description::read(&format!("{header},is_confidential, empty ,")).unwrap();
        assert_eq!(description.file_name.as_deref(), Some("día.wav"));
        assert!(!description.options.diarize);
        assert_eq!((description.options.speakers, description.options.max_speakers), (3, 4));
        assert_eq!(Description::read("").unwrap().file_name, None);
        let name = Description::read(&encoded(&[("name", "a\0\n.wav")])).unwrap().file_name;
        assert_eq!(name.as_deref(), Some("a.wav"));
    }

    #[test]
    fn other_headers_are_refused() {
        for header in [
            "filename !!!",
            "filename YQ==,filename YQ==",
            "filename //79",
            "filename YQ== YQ==",
            &encoded(&[("speakers", "many")]),
            &encoded(&[("speakers", "5"), ("max_speakers", "4")]),
            &encoded(&[("language", "xx")]),
            "diarize",
            &encoded(&[("url", "https://example.org/a.mp3")]),
            &encoded(&[("dry_run", "true")]),
        ] {
            assert!(Description::read(header).is_err(), "{header:?}");
        }
    }
}
