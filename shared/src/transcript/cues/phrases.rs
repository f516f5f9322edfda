//! How good a break is, by the words around it.
//!
//! Belongs here: what tells sentences, clauses and phrases from each other, language by language. Does not belong
//! here: where a break is possible at all ([`super::breaks`]), and what a break costs.

use super::super::render::blank;
use super::breaks::is_unspaced;
use crate::language::Language;

/// How good a place is to break at, the best first. The order is that of the style guides of Netflix (General
/// Requirements, Line Treatment) and of the BBC (Subtitle Guidelines, Line breaks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Break {
    /// After a sentence.
    Sentence,
    /// After a clause: a semicolon, a segment, a pause, a comma that a conjunction follows.
    Clause,
    /// After another comma.
    Comma,
    /// Before a conjunction.
    Phrase,
    /// Between two words, or two characters of a script without spaces.
    Word,
    /// Between an article or a preposition and what it goes with; where a word probably goes on.
    Close,
    /// Inside of a word.
    Inside,
}

/// Ends a sentence; so does a full stop, mostly.
const SENTENCE_END: &str = "!?…。！？｡．‼⁇⁈⁉؟۔।॥។៕။།";

/// Ends a clause.
const CLAUSE_END: &str = ";:—–；：؛៖";

/// Ends a clause, or stands between the parts of one.
const COMMAS: &str = ",、，､،၊";

/// May follow the mark that ends a sentence or clause.
const QUOTES: &str = "\"'”’»›)]}」』】）］｝〉》“";

/// A full stop after these is no end of a sentence; nor is one after a single letter.
const ABBREVIATIONS: [&str; 12] =
    ["mr", "mrs", "ms", "dr", "prof", "st", "vs", "bzw", "mme", "sra", "sr", "nr"];

/// The words before which a clause begins. In scripts without spaces: how such a place begins.
#[rustfmt::skip]
const CONJUNCTIONS: [(&str, &[&str]); 13] = [
    ("ar", &["لكن", "ولكن", "أو", "لأن", "ثم", "حتى", "الذي", "التي"]),
    ("de", &["und", "aber", "oder", "denn", "sondern", "weil", "dass", "wenn", "als", "ob", "obwohl", "damit"]),
    ("en", &["and", "but", "or", "nor", "so", "because", "that", "which", "who", "when", "where", "while", "if",
        "although", "though", "since", "unless", "until", "than", "whether"]),
    ("es", &["y", "e", "o", "u", "pero", "sino", "porque", "que", "cuando", "donde", "mientras", "si", "aunque"]),
    ("fr", &["et", "mais", "ou", "donc", "car", "parce", "que", "qui", "quand", "où", "lorsque", "si", "puisque"]),
    ("he", &["אבל", "או", "כי", "אלא", "אם", "כאשר", "למרות"]),
    ("it", &["e", "ed", "ma", "o", "oppure", "perché", "che", "quando", "dove", "mentre", "se", "quindi"]),
    ("nl", &["en", "maar", "of", "want", "omdat", "dat", "die", "als", "toen", "terwijl", "hoewel"]),
    ("pl", &["i", "a", "ale", "lub", "albo", "bo", "ponieważ", "że", "który", "gdy", "kiedy", "jeśli", "więc"]),
    ("pt", &["e", "mas", "ou", "porque", "que", "quando", "onde", "enquanto", "se", "embora"]),
    ("ru", &["и", "а", "но", "или", "потому", "что", "чтобы", "который", "когда", "где", "если", "хотя"]),
    ("th", &["และ", "แต่", "หรือ", "เพราะ", "ถ้า", "เมื่อ", "ดังนั้น"]),
    ("zh", &["但", "因为", "因為", "所以", "而且", "如果", "可是", "不过", "不過", "然后", "然後", "或者", "虽然", "雖然"]),
];

/// The articles, prepositions and the like that go with the next word.
#[rustfmt::skip]
const PROCLITICS: [(&str, &[&str]); 9] = [
    ("de", &["der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "eines", "in", "im",
        "an", "am", "auf", "aus", "bei", "für", "mit", "nach", "von", "vom", "zu", "zum", "zur"]),
    ("en", &["a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "with", "from", "my", "your", "his", "her",
        "its", "our", "their", "very"]),
    ("es", &["el", "la", "los", "las", "un", "una", "de", "del", "a", "al", "en", "con", "por", "para", "su", "no"]),
    ("fr", &["le", "la", "les", "un", "une", "des", "de", "du", "à", "au", "aux", "en", "dans", "par", "pour", "sur",
        "avec", "ce", "cette", "ne"]),
    ("it", &["il", "lo", "la", "i", "gli", "le", "un", "una", "di", "del", "della", "a", "al", "in", "con", "per",
        "non"]),
    ("nl", &["de", "het", "een", "van", "in", "op", "te", "voor", "met", "aan"]),
    ("pl", &["w", "z", "na", "do", "o", "za", "od", "po", "dla", "nie"]),
    ("pt", &["o", "a", "os", "as", "um", "uma", "de", "do", "da", "dos", "das", "em", "no", "na", "com", "por",
        "para", "não"]),
    ("ru", &["в", "на", "с", "к", "по", "из", "у", "за", "от", "до", "для", "о", "не"]),
];

/// Chinese particles that go with what comes before.
const ENCLITICS: &str = "的了吗嗎呢吧们們";

/// How good a break is between `before` and `after`, which `gap` separates.
pub(in crate::transcript) fn quality(
    before: &str,
    gap: Option<char>,
    after: &str,
    language: Option<Language>,
) -> Break {
    let ended = before.trim_end_matches(|c| QUOTES.contains(c));
    let Some(mark) = ended.chars().next_back() else { return Break::Word };
    let mark = if ended.ends_with("..") { '…' } else { mark };
    // Behind a quotation mark or a dash at most.
    let continues = after.chars().take(4).find(|c| c.is_alphanumeric()).is_some_and(char::is_lowercase);
    if mark == '.' && !continues {
        return if abbreviates(ended) { Break::Close } else { Break::Sentence };
    }
    if SENTENCE_END.contains(mark) && !continues {
        return Break::Sentence;
    }
    let words = match language {
        Some(language) if language.separates_words() => between_words(before, after, language),
        _ => between_characters(mark, after, language),
    };
    let first = after.chars().next().unwrap_or(' ');
    let spaced_out = gap.is_some() && is_unspaced(mark) && is_unspaced(first);
    if COMMAS.contains(mark) {
        if words == Break::Phrase { Break::Clause } else { Break::Comma }
    } else if CLAUSE_END.contains(mark) || SENTENCE_END.contains(mark) || spaced_out {
        Break::Clause
    } else if "([（［—–".contains(first) {
        Break::Comma
    } else {
        words
    }
}

fn abbreviates(ended: &str) -> bool {
    let word = bare(ended.rsplit(|c| blank(c).is_some()).next());
    let initial = word.chars().count() == 1 && word.contains(char::is_alphabetic);
    initial || ABBREVIATIONS.contains(&word.as_str())
}

/// A word in lower case, without the punctuation at its edges.
fn bare(token: Option<&str>) -> String {
    token.unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn of_language(table: &[(&str, &'static [&'static str])], language: Language) -> &'static [&'static str] {
    table.iter().find(|(code, _)| *code == language.code()).map_or(&[], |(_, words)| words)
}

fn between_words(before: &str, after: &str, language: Language) -> Break {
    let is_in = |table, word: String| of_language(table, language).contains(&word.as_str());
    if is_in(&PROCLITICS, bare(before.rsplit(|c| blank(c).is_some()).next())) {
        Break::Close
    } else if is_in(&CONJUNCTIONS, bare(after.split(|c| blank(c).is_some()).next())) {
        Break::Phrase
    } else {
        Break::Word
    }
}

fn between_characters(before: char, after: &str, language: Option<Language>) -> Break {
    let Some(first) = after.chars().next() else { return Break::Word };
    let begins = |language| of_language(&CONJUNCTIONS, language).iter().any(|begin| after.starts_with(begin));
    let hiragana = |c: char| matches!(c, '\u{3041}'..='\u{309f}');
    let katakana = |c: char| matches!(c, '\u{30a0}'..='\u{30ff}');
    if hiragana(before) && !hiragana(first) || language.is_some_and(begins) {
        // Japanese phrases end with particles and endings, in hiragana.
        return Break::Phrase;
    }
    let japanese = language.is_some_and(|language| language.code() == "ja");
    if katakana(before) && katakana(first)
        || japanese && !hiragana(before) && !katakana(first)
        || ENCLITICS.contains(first)
    {
        Break::Close
    } else {
        Break::Word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_better_than_clauses_and_these_than_words() {
        let of = |code, before, after| quality(before, Some(' '), after, Language::parse(code).ok());
        for (code, before, after, expected) in [
            ("en", "It is done.", "Next", Break::Sentence),
            ("en", "\"Really?\"", "He", Break::Sentence),
            ("en", "\"Really?\"", "he said", Break::Clause),
            ("en", "Well...", "that is", Break::Clause),
            ("en", "Ask Dr.", "Smith", Break::Close),
            ("en", "J.", "Smith", Break::Close),
            ("en", "first,", "and", Break::Clause),
            ("en", "first;", "the", Break::Clause),
            ("en", "first,", "the", Break::Comma),
            ("en", "he went", "(slowly)", Break::Comma),
            ("en", "home", "because", Break::Phrase),
            ("en", "home", "again", Break::Word),
            ("en", "the", "home", Break::Close),
            ("de", "gesagt", "dass", Break::Phrase),
            ("ar", "نعم؟", "لا", Break::Sentence),
            ("ar", "نعم،", "لا", Break::Comma),
            ("th", "ครับ", "วันนี้", Break::Clause),
        ] {
            assert_eq!(of(code, before, after), expected, "{before} | {after}");
        }
        let of = |code, before, after| quality(before, None, after, Language::parse(code).ok());
        for (code, before, after, expected) in [
            ("zh", "好。", "我", Break::Sentence),
            ("zh", "好，", "因为", Break::Clause),
            ("zh", "好、", "我", Break::Comma),
            ("zh", "好", "因为", Break::Phrase),
            ("zh", "好", "的", Break::Close),
            ("zh", "材", "料", Break::Word),
            ("ja", "東京で", "開", Break::Phrase),
            ("ja", "会", "議", Break::Close),
            ("ja", "ラ", "メ", Break::Close),
            ("ja", "です", "か", Break::Word),
            ("und", "好", "我", Break::Word),
        ] {
            assert_eq!(of(code, before, after), expected, "{before} | {after}");
        }
    }
}
