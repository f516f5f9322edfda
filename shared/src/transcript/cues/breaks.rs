//! Where a text may be broken.
//!
//! Belongs here: what the characters say. Does not belong here: what the words say ([`super::phrases`]).
//!
//! The rules for scripts without spaces are those of line breaking in Unicode Standard Annex 14 (classes CL, OP,
//! NS, EX, CM) as far as subtitles need them. Thai, Lao, Khmer and Burmese are broken at spaces, or else where the
//! spelling shows that a syllable begins; where a word begins, only a dictionary could say.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::render::blank;
use crate::language::Language;

/// A part of a text that is not broken, unless it is longer than a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it stands.
    pub(super) bytes: Range<usize>,
    /// What separates it from the piece before.
    pub(super) gap: Option<char>,
}

/// Not at the beginning of a line.
const CLOSING: &str = "!%),.:;?]}…‥—–”’»›、。〃々〕〉》」』】〗〙〟！），．：；？］｝｠｡｣､･・ー～〜‼⁇⁈⁉％℃،؛؟۔।॥ฯๆຯໆ។៕៖ៗ၊။་།\
    ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶｧｨｩｪｫｬｭｮｯｰ゛゜〻ㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿゝゞヽヾ";

/// Not at the end of a line.
const OPENING: &str = "([{“‘«‹¿¡〔〈《「『【〖〘〝（［｛｟｢＄￥$€£¥#＃";

/// True for the characters of scripts written without spaces, and for their punctuation.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0fff}' // Thai, Lao, Tibetan
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{2e80}'..='\u{312f}' // radicals, punctuation, kana, Bopomofo
        | '\u{3190}'..='\u{9fff}' // Han and what belongs to it
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff9f}'
        | '\u{20000}'..='\u{3ffff}')
}

/// What stands between two texts that follow each other: a space, or nothing in scripts without spaces.
pub(in crate::transcript) fn joint(before: &str, after: &str, language: Option<Language>) -> Option<char> {
    let (last, first) = (before.chars().next_back()?, after.chars().next()?);
    let separates = language.is_some_and(Language::separates_words);
    (separates || !is_unspaced(last) && !is_unspaced(first)).then_some(' ')
}

/// The pieces of `text`, which is one line.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut start, mut gap, mut before) = (None, None, None);
    for (at, c) in text.char_indices() {
        if let Some(space) = blank(c) {
            pieces.extend(start.take().map(|from| Piece { bytes: from..at, gap: gap.take() }));
            (gap, before) = (Some(space), None);
            continue;
        }
        if before.is_some_and(|before| may_break(before, &text[at..])) {
            pieces.extend(start.take().map(|from| Piece { bytes: from..at, gap: gap.take() }));
        }
        start = start.or(Some(at));
        before = Some(c);
    }
    pieces.extend(start.map(|from| Piece { bytes: from..text.len(), gap }));
    pieces
}

/// Whether a line may end between `before` and `after`, between which nothing stands.
fn may_break(before: char, after: &str) -> bool {
    let mut next = after.chars();
    let Some(first) = next.next() else { return false };
    let second = next.next();
    (is_unspaced(before) || is_unspaced(first))
        && !OPENING.contains(before)
        && !CLOSING.contains(first)
        && first.width() != Some(0)
        && !matches!((before, first), ('"' | '\'', _) | (_, '"' | '\''))
        // Tibetan: only after the mark that separates syllables.
        && (!matches!(first, '\u{0f00}'..='\u{0fff}') || matches!(before, '\u{0f0b}'..='\u{0f0e}'))
        // Thai, Lao: before the vowels that are written before their consonant, where a syllable begins for sure.
        && (!matches!(first, '\u{0e00}'..='\u{0eff}') || matches!(first, '\u{0e40}'..='\u{0e44}' | '\u{0ec0}'..='\u{0ec4}'))
        && !matches!(before, '\u{0e40}'..='\u{0e44}' | '\u{0ec0}'..='\u{0ec4}')
        // Burmese, Khmer: not before vowels and signs, nor after the mark that subscribes the next consonant.
        && !matches!(first, '\u{102b}'..='\u{103e}' | '\u{1056}'..='\u{1059}' | '\u{17b4}'..='\u{17d3}')
        && !matches!(before, '\u{1039}' | '\u{17d2}' | '\u{200d}')
        // A Burmese consonant that closes its syllable.
        && !(matches!(first, '\u{1000}'..='\u{102a}') && matches!(second, Some('\u{1039}' | '\u{103a}')))
}

/// Whether `after` may not begin a line though a space stands before it: French `Oui !`, a lone dash, what comes
/// after a mark that cannot be seen.
pub(super) fn clings(before: &str, after: &str) -> bool {
    let is_mark = |text: &str| !text.is_empty() && !text.contains(char::is_alphanumeric);
    is_mark(after) && !after.ends_with(|c| OPENING.contains(c))
        || is_mark(before) && before.ends_with(|c| OPENING.contains(c))
        || before.width() == 0
}

/// Cuts what is longer than a line into parts that are not, between characters as they are seen: with the marks
/// and the joined characters that follow.
pub(super) fn cut_hard(text: &str, columns: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (begin, seen) in text.grapheme_indices(true) {
        if begin > start && text[start..begin + seen.len()].width() > columns {
            parts.push(start..begin);
            start = begin;
        }
    }
    parts.push(start..text.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with a bar wherever it may be broken.
    fn barred(text: &str) -> String {
        pieces(text).into_iter().map(|piece| text[piece.bytes].to_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn scripts_without_spaces_break_between_characters_but_not_at_punctuation() {
        for (text, expected) in [
            ("don't well-known 3.14", "don't|well-known|3.14"),
            ("你好，「世界」。OK吗", "你|好，|「世|界」。|OK|吗"),
            ("きゃっきゃ、ラーメン", "きゃっ|きゃ、|ラー|メ|ン"),
            ("ｷｬｯﾄだ", "ｷｬｯ|ﾄ|だ"),
            ("iPhone是2024年（新）的", "iPhone|是|2024|年|（新）|的"),
            ("วันนี้เราไปกัน ครับ", "วันนี้|เรา|ไปกัน|ครับ"),
            ("ကျွန်တော်တို့", "ကျွန်|တော်|တို့"),
            ("བཀྲ་ཤིས་བདེ་ལེགས།", "བཀྲ་|ཤིས་|བདེ་|ལེགས།"),
            ("한국어는 띄어쓰기가", "한국어는|띄어쓰기가"),
            ("か\u{3099}き", "か\u{3099}|き"),
            ("à\u{a0}vous\u{200b}tous", "à\u{a0}vous|tous"),
        ] {
            assert_eq!(barred(text), expected);
        }
    }

    #[test]
    fn what_is_longer_than_a_line_is_cut_between_characters() {
        let cut = |text: &str, columns| {
            cut_hard(text, columns).into_iter().map(|part| text[part].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cut("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(cut("👩\u{200d}👧👩", 2), ["👩\u{200d}👧", "👩"]);
        assert_eq!(cut("a❤\u{fe0f}b", 2), ["a", "❤\u{fe0f}", "b"]);
        assert_eq!(cut("क\u{94d}\u{200d}षक", 1), ["क\u{94d}\u{200d}ष", "क"]);
        assert_eq!(cut("漢字", 1), ["漢", "字"]);
        assert_eq!(cut("น้ำน้ำ", 3), ["น้ำ", "น้ำ"]);
        assert_eq!(cut("🇩🇪🇫🇷", 3), ["🇩🇪", "🇫🇷"]);
    }
}
