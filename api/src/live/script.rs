//! What was said in a session so far.

use steno_shared::catalog::ModelId;
use steno_shared::language::Language;
use steno_shared::live::Resumption;
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Transcript, Warning, WarningCode};

/// Letters of the text so far that the next worker is told.
const SAID: usize = 400;

/// The text of a session, and its segments where they are wanted later.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// All that is final.
    pub(super) text: String,
    /// What may still change.
    partial: Option<(String, Millis, Millis)>,
    /// What the language is, and how likely.
    pub(super) language: Option<(Language, f64)>,
    /// The segments, if they are kept: all of them, or those of the tail.
    segments: Vec<Segment>,
    keeps: Keeps,
    /// The beginning of the last segment, and its end.
    last: Option<(Millis, Millis)>,
    /// From where in `text` on no message has told it.
    tail: Option<usize>,
    spoken: Millis,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Keeps {
    #[default]
    Tail,
    All,
}

impl Script {
    /// Keeps all segments, for a transcript.
    pub(super) fn keep_all(&mut self) {
        self.keeps = Keeps::All;
    }

    /// What is final from here on is the tail, told with the last message.
    pub(super) fn begin_tail(&mut self) {
        if self.tail.is_none() {
            self.tail = Some(self.text.len());
            if self.keeps == Keeps::Tail {
                self.segments.clear();
            }
        }
    }

    /// Whether what is final now is told with the last message.
    pub(super) fn is_in_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// A text that may still change.
    pub(super) fn set_partial(&mut self, text: &str, start: Millis, end: Millis) {
        self.partial = (!text.is_empty()).then(|| (text.to_owned(), start, end));
    }

    /// A text that stays, as it is told: its times in order, and within the `duration` of the audio.
    pub(super) fn add(&mut self, segment: Segment, duration: Millis) -> Segment {
        self.partial = None;
        let earliest = self.last.map_or(Millis(0), |(start, _)| start);
        let segment = fitted(segment, earliest, duration);
        let text = segment.text.trim();
        let spaced = self.language.is_none_or(|(language, _)| language.separates_words());
        if spaced && !self.text.is_empty() && !text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
        // What overlaps counts once, so that no more is spoken than there is audio.
        let from = self.last.map_or(segment.start, |(_, end)| segment.start.max(end));
        self.spoken = self.spoken + segment.end.since(from);
        let end = self.last.map_or(segment.end, |(_, end)| segment.end.max(end));
        self.last = Some((segment.start, end));
        if self.keeps == Keeps::All || self.tail.is_some() {
            self.segments.push(segment.clone());
        }
        segment
    }

    /// What seemed to be said when nobody could say more is better than nothing.
    pub(super) fn adopt_partial(&mut self, duration: Millis) {
        let Some((text, start, end)) = self.partial.take() else { return };
        let segment = Segment {
            start,
            end,
            text,
            speaker: None,
            channel: None,
            language: None,
            confidence: 0.0,
            words: Vec::new(),
        };
        self.begin_tail();
        self.add(segment, duration);
    }

    /// When the last final text began and ended.
    pub(super) fn last(&self) -> (Millis, Millis) {
        self.last.unwrap_or_default()
    }

    /// What no message has told.
    pub(super) fn tail(&self) -> &str {
        let from = self.tail.unwrap_or(self.text.len());
        self.text.get(from..).unwrap_or_default().trim()
    }

    /// The segments of the tail.
    pub(super) fn tail_segments(&self) -> &[Segment] {
        // With all of them kept, those of the tail are the last whose texts make it up.
        let mut left = self.tail().chars().filter(|c| !c.is_whitespace()).count();
        let mut from = self.segments.len();
        while from > 0 && left > 0 {
            from -= 1;
            let letters = self.segments[from].text.chars().filter(|c| !c.is_whitespace()).count();
            left = left.saturating_sub(letters);
        }
        &self.segments[from..]
    }

    /// Where another worker goes on.
    pub(super) fn resumption(&self, at: u64) -> Resumption {
        let letters = self.text.chars().count();
        let said = self.text.chars().skip(letters.saturating_sub(SAID)).collect();
        Resumption { at, language: self.language, said_until: self.last.map(|(_, end)| end), said }
    }

    /// The result of the job that the session becomes.
    pub(super) fn transcript(&self, model: ModelId, given: Option<Language>, duration: Millis) -> Transcript {
        let detected = self.language.filter(|_| given.is_none());
        let probability =
            detected.map_or(f64::from(u8::from(given.is_some())), |(_, probability)| probability);
        let language = given.or(detected.map(|(language, _)| language));
        let spoken = self.spoken.min(duration);
        let mut warnings = Vec::new();
        if self.segments.is_empty() {
            warnings.push(Warning::new(WarningCode::NoSpeech, "no speech was found in the audio"));
        }
        Transcript {
            text: self.text.clone(),
            language: language.map_or("und", Language::code).to_owned(),
            language_probability: probability,
            duration,
            model,
            channels: 1,
            segments: self.segments.clone(),
            speakers: Vec::new(),
            speech_seconds: spoken,
            transcribed_seconds: spoken,
            warnings,
        }
    }
}

/// The segment with all times as the contract has them.
fn fitted(mut segment: Segment, earliest: Millis, duration: Millis) -> Segment {
    segment.start = segment.start.max(earliest).min(duration);
    segment.end = segment.end.max(segment.start).min(duration);
    let mut from = segment.start;
    for word in &mut segment.words {
        word.start = word.start.max(from).min(segment.end);
        word.end = word.end.max(word.start).min(segment.end);
        from = word.start;
    }
    segment
}

#[cfg(test)]
mod tests {
    use steno_shared::transcript::Word;

    use super::*;

    fn segment(text: &str, start: u64, end: u64) -> Segment {
        let word = |text: &str| Word {
            word: text.to_owned(),
            punctuated_word: text.to_owned(),
            start: Millis(start),
            end: Millis(end),
            confidence: 0.5,
            speaker: None,
            overlap: false,
        };
        Segment {
            start: Millis(start),
            end: Millis(end),
            text: text.to_owned(),
            speaker: None,
            channel: None,
            language: None,
            confidence: 0.5,
            words: text.split(' ').map(word).collect(),
        }
    }

    #[test]
    fn texts_are_joined_as_their_script_is_written() {
        let mut script = Script::default();
        script.add(segment("one", 0, 10), Millis(100));
        script.add(segment("", 10, 10), Millis(100));
        script.add(segment("two", 10, 20), Millis(100));
        assert_eq!(script.text, "one two");
        let mut script =
            Script { language: Language::parse("ja").ok().map(|ja| (ja, 0.9)), ..Script::default() };
        script.add(segment("一", 0, 10), Millis(100));
        script.add(segment("二", 10, 20), Millis(100));
        assert_eq!(script.text, "一二");
    }

    #[test]
    fn what_is_final_after_the_stop_is_the_tail() {
        for keeps in [Keeps::Tail, Keeps::All] {
            let mut script = Script { keeps, ..Script::default() };
            script.add(segment("one", 0, 10), Millis(100));
            assert_eq!((script.tail(), script.tail_segments().len()), ("", 0));
            script.begin_tail();
            script.add(segment("two", 10, 20), Millis(100));
            script.begin_tail();
            script.set_partial("three", Millis(20), Millis(30));
            script.adopt_partial(Millis(100));
            assert_eq!((script.tail(), script.tail_segments().len()), ("two three", 2));
            assert_eq!(script.text, "one two three");
            script.adopt_partial(Millis(100));
            assert_eq!(script.text, "one two three");
        }
    }

    #[test]
    fn a_final_text_takes_the_partial_back() {
        let mut script = Script::default();
        script.set_partial("on", Millis(0), Millis(5));
        script.add(segment("one", 0, 10), Millis(100));
        script.adopt_partial(Millis(100));
        assert_eq!((script.text.as_str(), script.is_in_tail()), ("one", false));
    }

    #[test]
    fn whatever_a_worker_says_the_times_are_in_order_and_within_the_audio() {
        let mut script = Script::default();
        script.keep_all();
        for (start, end) in [(500, 900), (400, 700), (950, 2000), (5000, 100), (0, 0)] {
            script.add(segment("word and word", start, end), Millis(1000));
        }
        let transcript = script.transcript(ModelId::from("mini"), None, Millis(1000));
        transcript.check().unwrap();
        assert_eq!(transcript.segments.len(), 5);
        assert_eq!(transcript.speech_seconds, Millis(450));
        let empty =
            Script::default().transcript(ModelId::from("mini"), Language::parse("en").ok(), Millis(5));
        empty.check().unwrap();
        assert_eq!((empty.language.as_str(), empty.language_probability), ("en", 1.0));
        assert_eq!(empty.warnings[0].code, WarningCode::NoSpeech);
    }

    #[test]
    fn the_next_worker_is_told_the_end_of_what_was_said() {
        let mut script = Script::default();
        assert_eq!(script.resumption(0).said_until, None);
        script.add(segment(&"é ".repeat(500), 0, 10), Millis(100));
        let resumption = script.resumption(5);
        assert_eq!((resumption.at, resumption.said_until), (5, Some(Millis(10))));
        assert_eq!(resumption.said.chars().count(), SAID);
    }
}
