//! Segments cut between their words.
//!
//! Belongs here: where a segment's text can be cut, and what its parts are. Does not belong here: who says which
//! part ([`crate::diarization`]).

use std::ops::Range;

use super::Segment;
use super::cues::{Break, joint, quality};
use super::render::append;
use crate::language::Language;
use crate::time::Millis;

/// What lies between a word and the one before it in the same segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seam {
    /// How good a place it is to break at.
    pub(crate) quality: Break,
    /// Whether the two are one word to whoever reads them: a language with spaces, and none between them.
    pub(crate) glued: bool,
}

impl Segment {
    /// The seams between its words, one fewer than there are words.
    pub(crate) fn seams(&self, language: Option<Language>) -> Vec<Seam> {
        let places = self.places();
        let seam = |index: usize| {
            let (before, after) =
                (&self.words[index].punctuated_word, &self.words[index + 1].punctuated_word);
            let gap = match &places {
                Some(places) => {
                    let between = &self.text[places[index].end..places[index + 1].start];
                    between.contains(char::is_whitespace).then_some(' ')
                }
                None => joint(before, after, language),
            };
            let glued = gap.is_none() && joint(before, after, language).is_some();
            Seam { quality: quality(before, gap, after, language), glued }
        };
        (0..self.words.len().saturating_sub(1)).map(seam).collect()
    }

    /// Its parts: a new one begins with each of the words numbered in `starts`, in ascending order. No letter of the
    /// text is lost.
    pub(crate) fn split(mut self, starts: &[usize], language: Option<Language>) -> Vec<Self> {
        if starts.is_empty() {
            return vec![self];
        }
        let places = self.places();
        let words = std::mem::take(&mut self.words);
        let mut parts = Vec::with_capacity(starts.len() + 1);
        let (mut rest, mut first, mut from) = (words.into_iter(), 0, 0);
        for next in starts.iter().copied().chain([usize::MAX]) {
            let words: Vec<_> = rest.by_ref().take(next - first).collect();
            let is_last = rest.len() == 0;
            let text = match &places {
                Some(places) => {
                    let until =
                        if is_last { self.text.len() } else { self.cut(&places[next - 1], &places[next]) };
                    let text = self.text[from..until].trim().to_owned();
                    from = until;
                    text
                }
                None => words.iter().fold(String::new(), |mut text, word| {
                    append(&mut text, &word.punctuated_word, language);
                    text
                }),
            };
            let start = if first == 0 { None } else { words.first().map(|word| word.start) };
            let end = if is_last { None } else { words.iter().map(|word| word.end).max() };
            let logarithms = words.iter().map(|word| word.confidence.max(1e-4).ln()).sum::<f64>();
            let confidence = (logarithms / words.len().max(1) as f64).exp().min(1.0);
            parts.push(Self {
                start: start.unwrap_or(self.start),
                end: end.unwrap_or(self.end).max(start.unwrap_or(Millis(0))),
                text,
                confidence: (confidence * 10_000.0).round() / 10_000.0,
                words,
                speaker: self.speaker.clone(),
                channel: self.channel,
                language: self.language.clone(),
            });
            if is_last {
                break;
            }
            first = next;
        }
        parts
    }

    /// Where each word stands in the text. None if one of them does not.
    fn places(&self) -> Option<Vec<Range<usize>>> {
        let mut from = 0;
        let place = |word: &super::Word| {
            let at = from + self.text[from..].find(&word.punctuated_word)?;
            from = at + word.punctuated_word.len();
            Some(at..from)
        };
        self.words.iter().map(place).collect()
    }

    /// Where the text is cut between two words: what stands alone between them stays with the first.
    fn cut(&self, before: &Range<usize>, after: &Range<usize>) -> usize {
        let between = &self.text[before.end..after.start];
        let space = between.rfind(char::is_whitespace);
        space.map_or(after.start, |space| before.end + space)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{said, segment};
    use super::*;

    fn english() -> Option<Language> {
        Language::parse("en").ok()
    }

    fn texts(parts: &[Segment]) -> Vec<&str> {
        parts.iter().map(|part| part.text.as_str()).collect()
    }

    #[test]
    fn the_parts_are_the_text_and_the_words_in_their_times() {
        let mut whole = said("", "Are you sure? Yes. I am", 1000, 7000);
        whole.text = "Are you sure? – Yes. I am …".to_owned();
        whole.words[3].confidence = 0.4;
        whole.channel = Some(2);
        let parts = whole.clone().split(&[3, 4], english());
        assert_eq!(texts(&parts), ["Are you sure? –", "Yes.", "I am …"]);
        let times: Vec<_> = parts.iter().map(|part| (part.start.0, part.end.0)).collect();
        assert_eq!(times, [(1000, 4000), (4000, 5000), (5000, 7000)]);
        let confidences: Vec<_> = parts.iter().map(|part| part.confidence).collect();
        assert_eq!(confidences, [0.9, 0.4, 0.9]);
        assert!(parts.iter().all(|part| part.channel == Some(2)));
        let words: Vec<_> = parts.into_iter().flat_map(|part| part.words).collect();
        assert_eq!(words, whole.words);
        assert_eq!(whole.clone().split(&[], english()), [whole]);
    }

    #[test]
    fn scripts_without_spaces_are_cut_without_any() {
        let mut whole = said("", "你 好。 是 吗", 0, 4000);
        whole.text = "你好。是吗".to_owned();
        assert_eq!(texts(&whole.split(&[2], Language::parse("zh").ok())), ["你好。", "是吗"]);
    }

    #[test]
    fn the_words_count_where_the_text_contradicts_them() {
        let mut whole = said("", "one two three", 0, 3000);
        whole.text = "three two".to_owned();
        assert_eq!(texts(&whole.split(&[1], english())), ["one", "two three"]);
    }

    #[test]
    fn a_seam_says_how_well_it_parts_two_words() {
        let mut whole = said("", "Stop. The end , well -known", 0, 5000);
        whole.text = "Stop. The end, well-known".to_owned();
        let seams = whole.seams(english());
        let qualities: Vec<_> = seams.iter().map(|seam| (seam.quality, seam.glued)).collect();
        assert_eq!(qualities[0], (Break::Sentence, false));
        assert_eq!(qualities[1], (Break::Close, false));
        assert!(qualities[2].1 && qualities[4].1, "{qualities:?}");
        assert!(!qualities[3].1, "{qualities:?}");
        let mut chinese = said("", "你 好", 0, 5000);
        chinese.text = "你好".to_owned();
        assert!(!chinese.seams(Language::parse("zh").ok())[0].glued);
        assert_eq!(segment("alone", 0, 9, &[]).seams(None), []);
    }
}
