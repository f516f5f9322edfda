//! `GET /v1/languages`.

use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use steno_shared::language::Language;

use super::Tag;

#[derive(Debug)]
pub(crate) struct Routes;

/// The languages that can be asked for.
#[derive(Debug, Object)]
struct Languages {
    /// In Whisper's order.
    languages: Vec<LanguageEntry>,
}

/// A language.
#[derive(Debug, Object)]
#[oai(rename = "Language")]
struct LanguageEntry {
    /// ISO 639 code.
    code: String,
    /// English name, lower case.
    name: String,
}

#[OpenApi]
impl Routes {
    /// List the languages.
    #[oai(path = "/v1/languages", method = "get", operation_id = "list_languages", tag = "Tag::Catalogue")]
    async fn list(&self) -> Json<Languages> {
        let entry = |language: Language| LanguageEntry {
            code: language.code().to_owned(),
            name: language.name().to_owned(),
        };
        Json(Languages { languages: Language::all().map(entry).collect() })
    }
}
