//! Which way the lines of a cue run.
//!
//! Text is in the order in which it is spoken, always; the player arranges it. By the first letter of a line it
//! decides which way the line as a whole runs (Unicode Standard Annex 9, P2 and P3; `WebVTT`, Rendering,
//! `unicode-bidi: plaintext`). Where that letter runs the other way, such as that of `Speaker 1: ` before Arabic,
//! what follows would be torn apart, and the marks at its end would stand at its beginning. There an invisible mark
//! in front of the line (U+200F or U+200E) tells the player, and nowhere else.

use super::cues::Cue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    LeftToRight,
    RightToLeft,
}

impl Direction {
    /// Of a letter or of one of the invisible marks; digits and punctuation run with what is around them.
    fn of(c: char) -> Option<Self> {
        match c {
            '\u{200e}' => Some(Self::LeftToRight),
            '\u{200f}' | '\u{61c}' => Some(Self::RightToLeft),
            c if !c.is_alphabetic() => None,
            // Hebrew, Arabic, Syriac, Thaana, N'Ko and their presentation forms; the old scripts, Adlam.
            '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}' => Some(Self::RightToLeft),
            _ => Some(Self::LeftToRight),
        }
    }

    fn mark(self) -> char {
        match self {
            Self::LeftToRight => '\u{200e}',
            Self::RightToLeft => '\u{200f}',
        }
    }
}

/// The lines of `cue`, each with a mark in front if it needs one.
pub(super) fn marked(cue: &Cue) -> Vec<String> {
    let direction = direction(cue);
    let mark = |line: &String| {
        let natural = line.chars().find_map(Direction::of).unwrap_or(Direction::LeftToRight);
        let mark = direction.filter(|direction| *direction != natural).map(Direction::mark);
        mark.into_iter().chain(line.chars()).collect()
    };
    cue.lines.iter().map(mark).collect()
}

/// That of its letters; of the language, if there are letters of both. `None` without letters.
fn direction(cue: &Cue) -> Option<Direction> {
    let letters = || cue.lines.iter().flat_map(|line| line.chars()).filter_map(Direction::of);
    let right = letters().filter(|direction| *direction == Direction::RightToLeft).count();
    let left = letters().count() - right;
    let is_right = match (left, right, cue.language) {
        (0, 0, _) => return None,
        (0, _, _) => true,
        (_, 0, _) => false,
        (_, _, Some(language)) => language.is_right_to_left(),
        (_, _, None) => right > left,
    };
    Some(if is_right { Direction::RightToLeft } else { Direction::LeftToRight })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::time::Millis;

    /// The lines, with `<` and `>` for the marks.
    fn shown(language: &str, lines: &[&str]) -> Vec<String> {
        let cue = Cue {
            start: Millis(0),
            end: Millis(1000),
            speaker: None,
            language: Language::parse(language).ok(),
            lines: lines.iter().map(ToString::to_string).collect(),
        };
        let visible = |line: &String| line.replace('\u{200f}', "<").replace('\u{200e}', ">");
        marked(&cue).iter().map(visible).collect()
    }

    #[test]
    fn lines_are_marked_where_their_first_letter_runs_the_other_way() {
        for (language, lines, expected) in [
            ("ar", ["مرحبا بكم.", "كيف الحال؟"], ["مرحبا بكم.", "كيف الحال؟"]),
            ("ar", ["Speaker 1: مرحبا بكم.", "- 15 كتابا"], ["<Speaker 1: مرحبا بكم.", "- 15 كتابا"]),
            ("ar", ["استخدم WhatsApp", "2024!"], ["استخدم WhatsApp", "<2024!"]),
            ("he", ["WhatsApp היא", "אפליקציה."], ["<WhatsApp היא", "אפליקציה."]),
            ("fa", ["Hello, everyone.", "Welcome."], ["Hello, everyone.", "Welcome."]),
            ("en", ["The word", "שלום means peace."], ["The word", ">שלום means peace."]),
            ("en", ["أحمد: Hello.", "2024"], [">أحمد: Hello.", "2024"]),
            ("en", ["مرحبا بكم.", "..."], ["مرحبا بكم.", "<..."]),
            ("und", ["OK, مرحبا بكم جميعا", "اليوم"], ["<OK, مرحبا بكم جميعا", "اليوم"]),
            ("ja", ["そうですね。", "123"], ["そうですね。", "123"]),
            ("ar", ["\u{200f}Speaker مرحبا", "15"], ["<Speaker مرحبا", "<15"]),
        ] {
            assert_eq!(shown(language, &lines), expected, "{language}");
        }
        assert_eq!(shown("ar", &["15.", "..."]), ["15.", "..."]);
    }
}
