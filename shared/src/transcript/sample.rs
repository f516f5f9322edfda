//! Transcripts for tests: generated ones, the same for the same seed, and small ones by hand.

use super::{Segment, Transcript, Word};
use crate::catalog::ModelId;
use crate::time::Millis;

/// How somebody speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speech {
    pub(crate) language: &'static str,
    pub(crate) vocabulary: &'static [&'static str],
    pub(crate) marks: &'static [&'static str],
    pub(crate) speakers: u64,
    /// Words per segment, at least and at most; so with the others.
    pub(crate) words: (u64, u64),
    pub(crate) word_millis: (u64, u64),
    pub(crate) gap_millis: (u64, u64),
    /// Between segments.
    pub(crate) pause_millis: (u64, u64),
    /// Whether the segments have words.
    pub(crate) timed: bool,
}

const LATIN_MARKS: &[&str] = &["", "", "", "", "", "", ",", ",", ".", "?", " –", "…"];
const FULL_WIDTH_MARKS: &[&str] = &["", "", "", "", "", "", "", "", "，", "、", "。", "？", "」"];

impl Speech {
    pub(crate) const ENGLISH: Self = Self {
        language: "en",
        vocabulary: &[
            "I",
            "a",
            "the",
            "and",
            "but",
            "because",
            "we",
            "meeting",
            "welcome",
            "tomorrow",
            "(perhaps)",
            "of",
            "conversation",
            "\"really\"",
            "don't",
            "well-known",
            "--> ",
            "<b>",
            "&",
            "Dr.",
            "3.14",
            "unbelievably",
        ],
        marks: LATIN_MARKS,
        speakers: 1,
        words: (1, 40),
        word_millis: (40, 700),
        gap_millis: (0, 250),
        pause_millis: (0, 4000),
        timed: true,
    };

    pub(crate) const LONG_WORDS: Self = Self {
        vocabulary: &[
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
            "https://example.org/a/very/long/address/that/nobody/would/ever/say/aloud?but=models&write=them",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}\
             e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}\
             e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}",
            "👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦👍🏽❤\u{fe0f}👩‍👩‍👧‍👦",
            "kurz",
        ],
        ..Self::ENGLISH
    };

    pub(crate) const CHINESE: Self = Self {
        language: "zh",
        vocabulary: &[
            "我", "们", "今", "天", "「开", "会", "但", "是", "因", "为", "iPhone", "2024", "年", "《书",
            "好》",
        ],
        marks: FULL_WIDTH_MARKS,
        word_millis: (80, 400),
        ..Self::ENGLISH
    };

    pub(crate) const JAPANESE: Self = Self {
        language: "ja",
        vocabulary: &[
            "今",
            "日",
            "は",
            "会",
            "議",
            "が",
            "ありっ",
            "ます",
            "ラーメン",
            "ｶﾅ",
            "「そう",
            "ー",
            "ッ",
            "です",
            "ＡＢ",
        ],
        ..Self::CHINESE
    };

    pub(crate) const THAI: Self = Self {
        language: "th",
        vocabulary: &["สวั", "ส", "ดี", "ครั", "บ", "เรา", "ไป", "ประ", "ชุม", "น้ำ", "และ", "แต่", "ๆ", "กิน"],
        marks: &["", "", "", "", "", " ", " ", "ฯ"],
        ..Self::CHINESE
    };

    pub(crate) const ARABIC: Self = Self {
        language: "ar",
        vocabulary: &["مرحبا", "بكم", "في", "الاجتماع", "لكن", "لأن", "نحن", "السَّلَامُ", "لا", "غدا"],
        marks: &["", "", "", "", "،", ".", "؟"],
        ..Self::ENGLISH
    };

    pub(crate) const HEBREW: Self = Self {
        language: "he",
        vocabulary: &["שלום", "לכולם", "בפגישה", "אבל", "כי", "אנחנו", "צה\"ל", "שָׁלוֹם", "מחר"],
        marks: &["", "", "", "", ",", ".", "?"],
        ..Self::ENGLISH
    };

    fn is_spaced(&self) -> bool {
        !matches!(self.language, "zh" | "ja" | "th")
    }
}

/// Xorshift (Marsaglia 2003).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self, (least, most): (u64, u64)) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        least + self.0 % (most - least + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.throw((0, of.len() as u64 - 1)) as usize]
    }
}

/// Speech of about `length`.
pub(crate) fn transcript(speech: &Speech, seed: u64, length: Millis) -> Transcript {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut segments = Vec::new();
    let mut at = dice.throw((0, 2000));
    for _ in 0..(length.0 / 20) {
        if at >= length.0 {
            break;
        }
        let mut segment = segment("", at, at, &[]);
        segment.speaker =
            (speech.speakers > 1).then(|| format!("Speaker {}", dice.throw((1, speech.speakers))));
        for _ in 0..dice.throw(speech.words) {
            let written = format!("{}{}", dice.pick(speech.vocabulary), dice.pick(speech.marks));
            let end = at + dice.throw(speech.word_millis);
            if speech.is_spaced() && !segment.text.is_empty() {
                segment.text.push(' ');
            }
            segment.text.push_str(&written);
            segment.words.push(word(&written, at, end));
            segment.end = Millis(end);
            at = end + dice.throw(speech.gap_millis);
            if at >= length.0 {
                break;
            }
        }
        segment.text = segment.text.trim().to_owned();
        if !speech.timed {
            segment.words.clear();
        }
        at = at.max(segment.end.0) + dice.throw(speech.pause_millis);
        segments.push(segment);
    }
    let mut all = of(speech.language, segments);
    all.duration = all.duration + Millis(dice.throw((0, 3000)));
    all
}

/// A transcript of `segments` that ends with the last of them.
pub(crate) fn of(language: &str, segments: Vec<Segment>) -> Transcript {
    let mut speakers: Vec<String> = Vec::new();
    for speaker in segments.iter().filter_map(|segment| segment.speaker.as_ref()) {
        if !speakers.contains(speaker) {
            speakers.push(speaker.clone());
        }
    }
    let duration = segments.iter().map(|segment| segment.end).max().unwrap_or_default();
    Transcript {
        text: segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" "),
        language: language.to_owned(),
        language_probability: 1.0,
        duration,
        model: ModelId::from("mini"),
        channels: 1,
        segments,
        speakers,
        speech_seconds: duration,
        transcribed_seconds: duration,
        warnings: Vec::new(),
    }
}

/// A segment from `start` to `end` with its `words`.
pub(crate) fn segment(text: &str, start: u64, end: u64, words: &[Word]) -> Segment {
    Segment {
        start: Millis(start),
        end: Millis(end),
        text: text.to_owned(),
        speaker: None,
        channel: None,
        language: None,
        confidence: 0.9,
        words: words.to_vec(),
    }
}

/// A segment whose words are equally long.
pub(crate) fn said(speaker: &str, text: &str, start: u64, end: u64) -> Segment {
    let written: Vec<&str> = text.split(' ').collect();
    let time = |index: usize| start + (end - start) * index as u64 / written.len() as u64;
    let words: Vec<Word> =
        written.iter().enumerate().map(|(index, text)| word(text, time(index), time(index + 1))).collect();
    let speaker = (!speaker.is_empty()).then(|| speaker.to_owned());
    Segment { speaker, ..segment(text, start, end, &words) }
}

fn word(written: &str, start: u64, end: u64) -> Word {
    let written = written.trim();
    Word {
        word: written.trim_matches(|c: char| !c.is_alphanumeric()).to_owned(),
        punctuated_word: written.to_owned(),
        start: Millis(start),
        end: Millis(end),
        confidence: 0.9,
        speaker: None,
        overlap: false,
    }
}
