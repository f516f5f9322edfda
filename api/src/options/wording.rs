//! The fields that say how speech is written down.

use steno_shared::job::{Replacement, Temperature, TextOptions};

use super::{boolean, shown};
use crate::error::ApiError;

/// Whisper's models look at the last 224 tokens of a prompt, some 1,000 letters.
const MAX_PROMPT: usize = 1000;
const MAX_ENTRIES: usize = 100;
const MAX_ENTRY: usize = 100;

/// Whether a field of this name means something here.
pub(super) fn knows(name: &str) -> bool {
    matches!(
        name,
        "strict"
            | "multilingual"
            | "prompt"
            | "keywords"
            | "keywords[]"
            | "replace"
            | "replace[]"
            | "temperature"
    )
}

/// Takes the value of a field; those of a list add up.
///
/// # Errors
/// With a sentence that says which values there are.
pub(super) fn set(text: &mut TextOptions, name: &str, value: &str) -> Result<(), ApiError> {
    match name {
        "strict" => text.strict = boolean(name, value)?,
        "multilingual" => text.multilingual = boolean(name, value)?,
        "prompt" => text.prompt = prompt(value)?,
        "keywords" | "keywords[]" => keywords(&mut text.keywords, value)?,
        "replace" | "replace[]" => replace(&mut text.replace, value)?,
        "temperature" => text.temperature = temperature(value)?,
        _ => {}
    }
    Ok(())
}

pub(crate) fn prompt(value: &str) -> Result<Option<String>, ApiError> {
    if value.chars().count() > MAX_PROMPT {
        return Err(ApiError::field(format!("prompt is longer than {MAX_PROMPT} characters")));
    }
    Ok(Some(value.to_owned()).filter(|prompt| !prompt.is_empty()))
}

/// One word or phrase, or several between commas.
fn keywords(list: &mut Vec<String>, value: &str) -> Result<(), ApiError> {
    for keyword in value.split(',').map(str::trim).filter(|keyword| !keyword.is_empty()) {
        has_room("keywords", keyword, list.len())?;
        list.push(keyword.to_owned());
    }
    Ok(())
}

/// `find:replacement`, at the first colon.
fn replace(list: &mut Vec<Replacement>, value: &str) -> Result<(), ApiError> {
    if value.is_empty() {
        return Ok(());
    }
    has_room("replace", value, list.len())?;
    let pair = value.split_once(':').filter(|(find, _)| !find.trim().is_empty());
    let (find, with) = pair.ok_or_else(|| {
        ApiError::field(format!("replace must be of the form find:replacement, not {}", shown(value)))
    })?;
    list.push(Replacement { find: find.trim().to_owned(), with: with.trim().to_owned() });
    Ok(())
}

fn has_room(name: &str, entry: &str, taken: usize) -> Result<(), ApiError> {
    if taken == MAX_ENTRIES {
        return Err(ApiError::field(format!("{name} has more than {MAX_ENTRIES} entries")));
    }
    if entry.chars().count() > MAX_ENTRY {
        let message = format!("{name}: {} is longer than {MAX_ENTRY} characters", shown(entry));
        return Err(ApiError::field(message));
    }
    Ok(())
}

fn temperature(value: &str) -> Result<Option<Temperature>, ApiError> {
    if value.is_empty() {
        return Ok(None);
    }
    let temperature = value.parse().ok().and_then(Temperature::of);
    temperature.map(Some).ok_or_else(|| {
        ApiError::field(format!("temperature must be a number from 0 to 1, not {}", shown(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(fields: &[(&str, &str)]) -> Result<TextOptions, ApiError> {
        let mut text = TextOptions::default();
        fields.iter().try_for_each(|(name, value)| set(&mut text, name, value)).map(|()| text)
    }

    #[test]
    fn lists_add_up_over_fields_and_commas() {
        let text = all(&[("keywords", "Kubernetes, Ana Silva"), ("keywords[]", "steno"), ("keywords", "")]);
        assert_eq!(text.unwrap().keywords, ["Kubernetes", "Ana Silva", "steno"]);
        let text =
            all(&[("replace", "gonna: going to"), ("replace[]", "um:"), ("replace", "at:12:30")]).unwrap();
        let pairs: Vec<_> =
            text.replace.iter().map(|pair| (pair.find.as_str(), pair.with.as_str())).collect();
        assert_eq!(pairs, [("gonna", "going to"), ("um", ""), ("at", "12:30")]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_name_of_the_field() {
        let long = "x".repeat(1001);
        let many: Vec<_> = std::iter::repeat_n(("keywords", "a"), 101).collect();
        for fields in [
            &[("prompt", long.as_str())][..],
            &[("keywords", &long)],
            &many,
            &[("replace", "no colon")],
            &[("replace", ":x")],
            &[("temperature", "1.1")],
            &[("temperature", "warm")],
            &[("temperature", "-0.1")],
            &[("temperature", "NaN")],
            &[("strict", "perhaps")],
            &[("multilingual", "")],
        ] {
            let error = all(fields).unwrap_err();
            assert!(format!("{error:?}").contains(fields[0].0), "{error:?}");
        }
        assert_eq!(all(&[("temperature", ""), ("prompt", " ".trim())]).unwrap(), TextOptions::default());
    }
}
