//! What the model is told was said before each chunk: the caller's keywords and prompt; and how it is noticed that
//! it repeats them instead of listening.

use steno_runtime::engine::{ChunkText, DEAF, Prompt};
use steno_shared::job::TextOptions;
use steno_shared::transcript::{Warning, WarningCode};

/// A text is the prompt's own if it has this many letters in common with it, or all of a shorter prompt.
const ECHO: usize = 8;

/// What is cut to pieces is left out, unless it is longer than words are, in bytes.
const LONGEST_WORD: usize = 60;

/// What the model is told, and what the caller should know about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The prompt, if there is any.
    pub prompt: Option<Prompt>,
    /// If the model does not hear all that was asked for.
    pub warning: Option<Warning>,
}

/// As much of the keywords and the prompt as the model hears. The prompt goes first: of one that is too long its
/// end is kept, which is nearest to the text. Then as many keywords as there is room for, in their order.
pub fn told(options: &TextOptions, hears_all_of: impl Fn(&Prompt) -> bool) -> Told {
    let (keywords, prompt) = (&options.keywords, options.prompt.as_deref().unwrap_or_default());
    if keywords.is_empty() && prompt.is_empty() {
        return Told::default();
    }
    if options.temperature.is_some_and(|temperature| temperature.as_f32() >= DEAF) {
        let message =
            format!("at a temperature of {DEAF} and above the model hears no prompt and no keywords");
        return Told { prompt: None, warning: Some(Warning::new(WarningCode::PromptShortened, message)) };
    }
    let kept = end_of(prompt, &hears_all_of);
    let counts: Vec<usize> = (1..=keywords.len()).collect();
    let count = counts.partition_point(|count| hears_all_of(&joined(&keywords[..*count], kept)));
    let mut lacking = Vec::new();
    if kept.len() < prompt.len() {
        lacking.push("the beginning of the prompt".to_owned());
    }
    if let Some(first) = keywords.get(count) {
        lacking.push(format!(
            "the keywords from {first:?} on ({} of {})",
            keywords.len() - count,
            keywords.len()
        ));
    }
    let message = format!("the model cannot take in all of it; left out: {}", lacking.join(" and "));
    let warning = (!lacking.is_empty()).then(|| Warning::new(WarningCode::PromptShortened, message));
    let prompt = (count > 0 || !kept.is_empty()).then(|| joined(&keywords[..count], kept));
    Told { prompt, warning }
}

/// The longest end of a prompt that the model hears, from the beginning of a word if there are spaces.
fn end_of(prompt: &str, hears_all_of: impl Fn(&Prompt) -> bool) -> &str {
    let starts: Vec<usize> = prompt.char_indices().map(|(at, _)| at).collect();
    let first = starts.partition_point(|at| !hears_all_of(&Prompt::of(&prompt[*at..])));
    match starts.get(first) {
        Some(0) => prompt,
        Some(at) => {
            let rest = &prompt[*at..];
            let is_whole = prompt[..*at].ends_with(char::is_whitespace);
            // What is written without spaces has words that cannot be seen.
            let space = rest.find(char::is_whitespace).filter(|space| !is_whole && *space <= LONGEST_WORD);
            space.map_or(rest, |space| &rest[space..]).trim_start()
        }
        None => "",
    }
}

fn joined(keywords: &[String], prompt: &str) -> Prompt {
    match keywords {
        [] => Prompt::of(prompt),
        keywords => Prompt::of(format!("Glossary: {}. {prompt}", keywords.join(", ")).trim_end()),
    }
}

/// Whether a text is nothing but a part of the prompt, or has all of it.
#[must_use]
pub fn is_echo(text: &ChunkText, prompt: &Prompt) -> bool {
    let words = text.segments.iter().flat_map(|segment| &segment.words);
    let said: String = words.flat_map(|word| letters(&word.text)).collect();
    let told: String = letters(prompt.text()).collect();
    let long = said.chars().count() >= ECHO.min(told.chars().count());
    !said.is_empty() && !told.is_empty() && long && (told.contains(&said) || said.contains(&told))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use steno_runtime::engine::{TextSegment, TextWord};
    use steno_shared::job::Temperature;
    use steno_shared::time::Millis;

    use super::*;

    fn options(prompt: &str, keywords: &[&str]) -> TextOptions {
        TextOptions {
            prompt: Some(prompt.to_owned()).filter(|prompt| !prompt.is_empty()),
            keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
            ..TextOptions::default()
        }
    }

    /// What a model with room for so many bytes is told, and what the caller.
    fn told_in(room: usize, options: &TextOptions) -> (String, String) {
        let told = told(options, |prompt| prompt.text().len() <= room);
        let text = told.prompt.map(|prompt| prompt.text().to_owned()).unwrap_or_default();
        (text, told.warning.map(|warning| warning.message).unwrap_or_default())
    }

    #[test]
    fn keywords_stand_before_the_prompt() {
        let own = |text: &str| (text.to_owned(), String::new());
        assert_eq!(told_in(99, &options("", &[])), own(""));
        assert_eq!(told_in(99, &options("Dear all.", &[])), own("Dear all."));
        assert_eq!(told_in(99, &options("", &["Ana", "steno"])), own("Glossary: Ana, steno."));
        assert_eq!(told_in(99, &options("Dear all.", &["Ana"])), own("Glossary: Ana. Dear all."));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let (text, warning) = told_in(23, &options("Dear all.", &["Ana", "steno", "Bo"]));
        assert_eq!(text, "Dear all.");
        assert!(warning.contains("\"Ana\"") && warning.contains("3 of 3"), "{warning}");
        let (text, warning) = told_in(32, &options("Dear all.", &["Ana", "steno", "Bo"]));
        assert_eq!(text, "Glossary: Ana, steno. Dear all.");
        assert!(warning.contains("\"Bo\"") && warning.contains("1 of 3"), "{warning}");
        let (text, warning) = told_in(20, &options("first words, then the last ones", &["Ana"]));
        assert_eq!(text, "then the last ones");
        assert!(warning.contains("beginning of the prompt") && warning.contains("\"Ana\""), "{warning}");
        assert_eq!(told_in(6, &options("\u{4ECA}\u{65E5}\u{306F}", &[])).0, "\u{65E5}\u{306F}");
        let (text, warning) = told_in(0, &options("word", &["Ana"]));
        assert_eq!((text.as_str(), warning.is_empty()), ("", false));
    }

    #[test]
    fn a_warm_model_hears_no_prompt_and_the_caller_is_told() {
        let warm =
            |temperature| TextOptions { temperature: Temperature::of(temperature), ..options("Hi.", &[]) };
        assert_eq!(told_in(99, &warm(0.49)), ("Hi.".to_owned(), String::new()));
        let (text, warning) = told_in(99, &warm(0.5));
        assert_eq!(text, "");
        assert!(warning.contains("temperature"), "{warning}");
        assert_eq!(told_in(99, &TextOptions { prompt: None, ..warm(1.0) }).1, "");
    }

    fn said(text: &str) -> ChunkText {
        let word = |text: &str| TextWord {
            text: text.to_owned(),
            spaced: true,
            start: Millis(0),
            end: Millis(1),
            log_probability: 0.0,
            tokens: 1,
        };
        let words = text.split_whitespace().map(word).collect();
        ChunkText {
            segments: vec![TextSegment { start: Millis(0), end: Millis(1), words }],
            no_speech_probability: 0.0,
        }
    }

    #[test]
    fn an_echo_is_a_part_of_the_prompt_or_has_all_of_it() {
        let prompt = Prompt::of("Glossary: Ana Silva, Kubernetes. Dear all.");
        for echo in
            ["Ana Silva, Kubernetes.", "kubernetes dear ALL", "So: glossary Ana Silva Kubernetes, dear all."]
        {
            assert!(is_echo(&said(echo), &prompt), "{echo}");
        }
        for own in ["", "Ana.", "Ana Silva said that Kubernetes is down.", "Dear friends of Kubernetes"] {
            assert!(!is_echo(&said(own), &prompt), "{own}");
        }
        assert!(is_echo(&said("Okay."), &Prompt::of("Okay.")));
    }
}
