//! The languages of the Whisper family, and every way in which a client may name one.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One of Whisper's languages. On the wire: its ISO 639 code (`jv` for Javanese, which Whisper calls `jw`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(u8);

/// The text names none of the languages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language {0:?}")]
pub struct UnknownLanguage(pub String);

/// ISO code and English name, in Whisper's order (multilingual vocabulary, openai-whisper `tokenizer.py`).
#[rustfmt::skip]
const TABLE: [(&str, &str); 100] = [
    ("en", "english"), ("zh", "chinese"), ("de", "german"), ("es", "spanish"), ("ru", "russian"),
    ("ko", "korean"), ("fr", "french"), ("ja", "japanese"), ("pt", "portuguese"), ("tr", "turkish"),
    ("pl", "polish"), ("ca", "catalan"), ("nl", "dutch"), ("ar", "arabic"), ("sv", "swedish"),
    ("it", "italian"), ("id", "indonesian"), ("hi", "hindi"), ("fi", "finnish"), ("vi", "vietnamese"),
    ("he", "hebrew"), ("uk", "ukrainian"), ("el", "greek"), ("ms", "malay"), ("cs", "czech"),
    ("ro", "romanian"), ("da", "danish"), ("hu", "hungarian"), ("ta", "tamil"), ("no", "norwegian"),
    ("th", "thai"), ("ur", "urdu"), ("hr", "croatian"), ("bg", "bulgarian"), ("lt", "lithuanian"),
    ("la", "latin"), ("mi", "maori"), ("ml", "malayalam"), ("cy", "welsh"), ("sk", "slovak"),
    ("te", "telugu"), ("fa", "persian"), ("lv", "latvian"), ("bn", "bengali"), ("sr", "serbian"),
    ("az", "azerbaijani"), ("sl", "slovenian"), ("kn", "kannada"), ("et", "estonian"), ("mk", "macedonian"),
    ("br", "breton"), ("eu", "basque"), ("is", "icelandic"), ("hy", "armenian"), ("ne", "nepali"),
    ("mn", "mongolian"), ("bs", "bosnian"), ("kk", "kazakh"), ("sq", "albanian"), ("sw", "swahili"),
    ("gl", "galician"), ("mr", "marathi"), ("pa", "punjabi"), ("si", "sinhala"), ("km", "khmer"),
    ("sn", "shona"), ("yo", "yoruba"), ("so", "somali"), ("af", "afrikaans"), ("oc", "occitan"),
    ("ka", "georgian"), ("be", "belarusian"), ("tg", "tajik"), ("sd", "sindhi"), ("gu", "gujarati"),
    ("am", "amharic"), ("yi", "yiddish"), ("lo", "lao"), ("uz", "uzbek"), ("fo", "faroese"),
    ("ht", "haitian creole"), ("ps", "pashto"), ("tk", "turkmen"), ("nn", "nynorsk"), ("mt", "maltese"),
    ("sa", "sanskrit"), ("lb", "luxembourgish"), ("my", "myanmar"), ("bo", "tibetan"), ("tl", "tagalog"),
    ("mg", "malagasy"), ("as", "assamese"), ("tt", "tatar"), ("haw", "hawaiian"), ("ln", "lingala"),
    ("ha", "hausa"), ("ba", "bashkir"), ("jv", "javanese"), ("su", "sundanese"), ("yue", "cantonese"),
];

/// Other names in use, with the code of the table.
#[rustfmt::skip]
const ALIASES: &[(&str, &str)] = &[
    ("burmese", "my"), ("castilian", "es"), ("farsi", "fa"), ("filipino", "tl"), ("flemish", "nl"),
    ("haitian", "ht"), ("iw", "he"), ("jw", "jv"), ("letzeburgesch", "lb"), ("mandarin", "zh"),
    ("moldavian", "ro"), ("moldovan", "ro"), ("nb", "no"), ("panjabi", "pa"), ("pushto", "ps"),
    ("sinhalese", "si"), ("valencian", "ca"),
];

/// Written without spaces between words.
const UNSPACED: &[&str] = &["bo", "ja", "km", "lo", "my", "th", "yue", "zh"];

/// Written from right to left: in Arabic or Hebrew letters.
const RIGHT_TO_LEFT: &[&str] = &["ar", "fa", "he", "ps", "sd", "ur", "yi"];

impl Language {
    /// Every language, in Whisper's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).map(|index| Self(index as u8))
    }

    /// From anything a client may send: a code or an English name in any case, with or without a region
    /// (`en`, `EN`, `en-US`, `en_GB`, `English`, `jw`). Not `auto`, which is no language.
    ///
    /// # Errors
    /// [`UnknownLanguage`] with the text given.
    pub fn parse(text: &str) -> Result<Self, UnknownLanguage> {
        let lower = text.trim().to_lowercase();
        let primary = lower.split(['-', '_']).next().unwrap_or_default();
        Self::find(&lower).or_else(|| Self::find(primary)).ok_or_else(|| UnknownLanguage(text.to_owned()))
    }

    fn find(name: &str) -> Option<Self> {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, code)| code);
        let index = TABLE.iter().position(|(code, english)| *code == name || *english == name)?;
        Some(Self(index as u8))
    }

    /// The ISO 639 code: what answers carry.
    #[must_use]
    pub fn code(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// The code that Whisper models know it by.
    #[must_use]
    pub fn whisper_code(self) -> &'static str {
        match self.code() {
            "jv" => "jw",
            code => code,
        }
    }

    /// The English name, lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE[usize::from(self.0)].1
    }

    /// True for those that are written from right to left.
    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        RIGHT_TO_LEFT.contains(&self.code())
    }

    /// False for scripts written without spaces between words.
    #[must_use]
    pub fn separates_words(self) -> bool {
        !UNSPACED.contains(&self.code())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_may_name_a_language_in_many_ways() {
        for (text, code) in [
            ("en", "en"),
            ("EN", "en"),
            ("en-US", "en"),
            ("en_GB", "en"),
            (" English ", "en"),
            ("jw", "jv"),
            ("jv", "jv"),
            ("yue", "yue"),
            ("haw", "haw"),
            ("Haitian Creole", "ht"),
            ("zh-Hant-TW", "zh"),
            ("Mandarin", "zh"),
            ("pt-BR", "pt"),
        ] {
            assert_eq!(Language::parse(text).map(Language::code), Ok(code), "{text}");
        }
        for text in ["", "auto", "xx", "klingon", "e", "-", "en glish"] {
            assert!(Language::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn codes_and_names_are_unique_and_aliases_lead_somewhere() {
        for language in Language::all() {
            assert_eq!(Language::parse(language.code()), Ok(language));
            assert_eq!(Language::parse(language.name()), Ok(language));
            assert_eq!(Language::parse(language.whisper_code()), Ok(language));
        }
        for (alias, code) in ALIASES {
            assert_eq!(Language::parse(alias).map(Language::code), Ok(*code));
        }
    }
}
