//! Groups tokens into words.

use steno_runtime::engine::TextWord;
use steno_shared::language::Language;
use steno_shared::time::Millis;
use unicode_width::UnicodeWidthChar;

use crate::clock::TimedToken;
use crate::tokens::broken_end;

/// How a language is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// With spaces between words.
    Spaced,
    /// Without: what can be told apart are the characters.
    Unspaced,
}

impl From<Language> for Script {
    fn from(language: Language) -> Self {
        if language.separates_words() { Self::Spaced } else { Self::Unspaced }
    }
}

/// A word with its times in milliseconds, which need not make sense yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    pub(crate) bytes: Vec<u8>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) log_probability: f64,
    pub(crate) tokens: u32,
}

impl Unit {
    fn of(token: &TimedToken) -> Self {
        Self {
            bytes: token.bytes.clone(),
            start: token.start,
            end: token.end,
            log_probability: token.log_probability,
            tokens: 1,
        }
    }

    fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.end = other.end;
        self.log_probability += other.log_probability;
        self.tokens += other.tokens;
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The word. What is no character is replaced.
    pub(crate) fn into_word(self) -> TextWord {
        let text = self.text();
        TextWord {
            text: text.trim().to_owned(),
            spaced: text.starts_with(char::is_whitespace),
            start: Millis(self.start.max(0).unsigned_abs()),
            end: Millis(self.end.max(0).unsigned_abs()),
            log_probability: self.log_probability,
            tokens: self.tokens,
        }
    }
}

/// Groups the tokens of a stretch of text. Punctuation that stands alone goes to the word before it (to the one
/// after it at the beginning), and so does what continues a character. Spaces alone give nothing.
pub(crate) fn group(tokens: &[TimedToken], script: Script) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for token in tokens.iter().filter(|token| !token.bytes.is_empty()) {
        let next = Unit::of(token);
        match units.last_mut() {
            Some(last) if joins(last, &next, script) => last.append(&next),
            _ => units.push(next),
        }
    }
    attach_punctuation(units)
}

/// True if `next` goes on with the word `last`.
fn joins(last: &Unit, next: &Unit, script: Script) -> bool {
    if broken_end(&last.bytes) > 0 {
        return true;
    }
    let (last, next) = (last.text(), next.text());
    let Some(first) = next.chars().next() else { return true };
    if first.is_whitespace() {
        return false;
    }
    match script {
        Script::Spaced => true,
        Script::Unspaced => {
            let continues = first.width() == Some(0);
            let latin = |c: char| c.is_ascii_alphanumeric() || c == '\'';
            continues || (latin(first) && last.chars().next_back().is_some_and(latin))
        }
    }
}

/// What stands before the word that follows it.
const OPENING: &[char] = &['(', '[', '{', '"', '\u{201C}', '\u{2018}', '«', '「', '『', '（', '《', '¿', '¡'];

/// False for punctuation and spaces; letters, digits and pictures are words.
fn stands_alone(c: char) -> bool {
    let punctuation = c.is_whitespace()
        || c.is_ascii_punctuation()
        || matches!(c, '\u{A1}'..='\u{BF}' | '\u{2000}'..='\u{206F}' | '\u{3000}'..='\u{303F}')
        || matches!(c, '\u{FF00}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}' | '\u{FF3B}'..='\u{FF40}')
        || matches!(c, '\u{FF5B}'..='\u{FF65}' | '\u{964}' | '\u{965}' | '\u{60C}' | '\u{61B}' | '\u{61F}');
    !punctuation || c.is_alphanumeric()
}

fn attach_punctuation(units: Vec<Unit>) -> Vec<Unit> {
    let mut attached: Vec<Unit> = Vec::new();
    let mut opening: Option<Unit> = None;
    for unit in units {
        let text = unit.text();
        let unit = match opening.take() {
            Some(mut before) => {
                before.append(&unit);
                before
            }
            None => unit,
        };
        if text.contains(stands_alone) {
            attached.push(unit);
            continue;
        }
        match attached.last_mut() {
            Some(last) if !text.trim().starts_with(OPENING) => last.append(&unit),
            _ => opening = Some(unit),
        }
    }
    // Nothing follows: it closes after all, or is all there is.
    match (opening, attached.last_mut()) {
        (Some(rest), Some(last)) => last.append(&rest),
        (Some(rest), None) if !rest.text().trim().is_empty() => attached.push(rest),
        _ => {}
    }
    attached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(script: Script, tokens: &[&str]) -> Vec<String> {
        let tokens: Vec<_> = tokens
            .iter()
            .map(|text| TimedToken {
                bytes: text.as_bytes().to_vec(),
                start: 0,
                end: 0,
                log_probability: 0.0,
            })
            .collect();
        group(&tokens, script).into_iter().map(|unit| unit.into_word().text).collect()
    }

    #[test]
    fn words_begin_at_spaces() {
        let words =
            grouped(Script::Spaced, &["It", "'s", " twenty", "-", "two", ",", " I", " th", "ink", "."]);
        assert_eq!(words, ["It's", "twenty-two,", "I", "think."]);
    }

    #[test]
    fn punctuation_that_stands_alone_goes_to_its_neighbour() {
        assert_eq!(grouped(Script::Spaced, &[" well", " -", " yes", " ..."]), ["well -", "yes ..."]);
        assert_eq!(grouped(Script::Spaced, &[" \u{BF}", " Qu\u{E9}", "?"]), ["\u{BF} Qu\u{E9}?"]);
        assert_eq!(grouped(Script::Spaced, &[" said", " (", "no", ")"]), ["said", "(no)"]);
        assert_eq!(grouped(Script::Spaced, &[" ..."]), ["..."]);
        assert_eq!(grouped(Script::Spaced, &[" ", ""]), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_spaces_fall_apart_into_characters() {
        let words = grouped(Script::Unspaced, &["今日", "は", "、", "「", "良", "い", "」", "。"]);
        assert_eq!(words, ["今日", "は、", "「良", "い」。"]);
    }

    #[test]
    fn marks_stay_with_their_letter_and_foreign_words_whole() {
        // Thai: a tone mark and a vowel sign stand above the letter before them.
        assert_eq!(grouped(Script::Unspaced, &["ท", "\u{E35}", "\u{E48}", "น"]), ["ท\u{E35}\u{E48}", "น"]);
        assert_eq!(grouped(Script::Unspaced, &["使", "You", "T", "ube", "を"]), ["使", "YouTube", "を"]);
    }
}
