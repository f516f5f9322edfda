//! Puts the transcript together.

use steno_shared::catalog::{Model, ModelId};
use steno_shared::job::JobOptions;
use steno_shared::language::Language;
use steno_shared::time::Millis;
use steno_shared::transcript::{Segment, Transcript, Warning, WarningCode};

use super::journal::ChunkResult;

/// The code for a language that nobody could tell (ISO 639-2).
const UNDETERMINED: &str = "und";

/// What a transcript is made of, beside its chunks.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// What was asked for.
    pub options: &'a JobOptions,
    /// The model used.
    pub model: &'a Model,
    /// The length of the audio.
    pub duration: Millis,
    /// What is known about the media already.
    pub warnings: Vec<Warning>,
}

/// The transcript of all chunks, in order of time.
#[must_use]
pub fn transcript(frame: Frame<'_>, chunks: Vec<ChunkResult>) -> Transcript {
    let told = chunks.first().map(|chunk| (chunk.language, chunk.language_probability));
    let speech: Millis = chunks.iter().fold(Millis(0), |sum, chunk| sum + chunk.speech);
    let transcribed: Millis = chunks.iter().fold(Millis(0), |sum, chunk| sum + chunk.transcribed);
    let (segments, found): (Vec<_>, Vec<_>) =
        chunks.into_iter().map(|chunk| (chunk.segments, chunk.warnings)).unzip();
    let segments: Vec<Segment> = segments.into_iter().flatten().collect();
    let given = frame.options.language;
    let mut warnings = frame.warnings;
    warnings.extend(of_options(frame.options, frame.model));
    if segments.is_empty() && speech == Millis(0) {
        warnings.push(Warning::new(WarningCode::NoSpeech, "the audio holds no speech"));
    }
    warnings.extend(found.into_iter().flatten());
    // What is not heard has no language.
    let (language, probability) = match (given, told) {
        (Some(language), _) => (Some(language), 1.0),
        (None, Some((language, probability))) if speech > Millis(0) => (Some(language), probability),
        _ => (None, 0.0),
    };
    let mut transcript = Transcript {
        text: text(&segments, language),
        language: language.map_or(UNDETERMINED, Language::code).to_owned(),
        language_probability: probability,
        duration: frame.duration,
        model: ModelId::clone(&frame.model.id),
        segments,
        speakers: Vec::new(),
        speech_seconds: speech.min(frame.duration),
        transcribed_seconds: transcribed.min(speech).min(frame.duration),
        warnings,
    };
    bound(&mut transcript);
    transcript
}

/// What of the options could not be done.
fn of_options(options: &JobOptions, model: &Model) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if options.diarize {
        let message = "speakers are not told apart on this server";
        warnings.push(Warning::new(WarningCode::DiarizationUnavailable, message));
    }
    if let Some(language) = options.language.filter(|language| !model.knows(*language)) {
        let message = format!(
            "{} was not trained for {}: the text is not to be relied on",
            model.name,
            language.name()
        );
        warnings.push(Warning::new(WarningCode::LanguageUnsupported, message));
    }
    warnings
}

fn text(segments: &[Segment], language: Option<Language>) -> String {
    let between = if language.is_none_or(Language::separates_words) { " " } else { "" };
    segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(between)
}

/// Keeps the promises about times. Each step before this one keeps them too, but for the last millisecond of the
/// file, to which rounding may lead; anything else is a mistake of ours, which shall not cost the caller the text.
fn bound(transcript: &mut Transcript) {
    let end = transcript.duration;
    for segment in &mut transcript.segments {
        segment.start = segment.start.min(end);
        segment.end = segment.end.min(end);
        for word in &mut segment.words {
            word.start = word.start.min(end);
            word.end = word.end.min(end);
        }
    }
    if let Err(error) = transcript.check() {
        tracing::error!(error = %error, "a transcript had to be mended");
        mend(&mut transcript.segments);
    }
}

fn mend(segments: &mut [Segment]) {
    segments.sort_by_key(|segment| segment.start);
    for segment in segments {
        segment.end = segment.end.max(segment.start);
        let mut earlier = segment.start;
        for word in &mut segment.words {
            word.start = word.start.clamp(earlier, segment.end);
            word.end = word.end.clamp(word.start, segment.end);
            earlier = word.start;
        }
    }
}

#[cfg(test)]
mod tests {
    use steno_shared::catalog;
    use steno_shared::transcript::Word;

    use super::*;

    fn segment(text: &str, start: u64, end: u64) -> Segment {
        let word = Word {
            word: text.to_owned(),
            punctuated_word: text.to_owned(),
            start: Millis(start),
            end: Millis(end),
            confidence: 1.0,
            speaker: None,
        };
        Segment {
            start: Millis(start),
            end: Millis(end),
            text: text.to_owned(),
            speaker: None,
            channel: None,
            language: None,
            confidence: 1.0,
            words: vec![word],
        }
    }

    fn chunk(language: &str, segments: Vec<Segment>, speech: u64, transcribed: u64) -> ChunkResult {
        ChunkResult {
            language: Language::parse(language).unwrap(),
            language_probability: 0.8,
            segments,
            warnings: Vec::new(),
            speech: Millis(speech),
            transcribed: Millis(transcribed),
        }
    }

    fn assembled(options: &JobOptions, chunks: Vec<ChunkResult>) -> Transcript {
        let model = catalog::model("mini").unwrap();
        transcript(Frame { options, model, duration: Millis(10_000), warnings: Vec::new() }, chunks)
    }

    fn codes(transcript: &Transcript) -> Vec<WarningCode> {
        transcript.warnings.iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn texts_are_joined_as_the_script_has_it() {
        let chunks = |language| {
            vec![
                chunk(language, vec![segment("a", 0, 1000), segment("b", 1000, 2000)], 3000, 2000),
                chunk(language, vec![segment("c", 5000, 6000)], 1000, 1000),
            ]
        };
        let english = assembled(&JobOptions::default(), chunks("en"));
        assert_eq!(english.text, "a b c");
        assert_eq!((english.language.as_str(), english.language_probability), ("en", 0.8));
        assert_eq!((english.speech_seconds, english.transcribed_seconds), (Millis(4000), Millis(3000)));
        assert_eq!(english.check(), Ok(()));
        assert_eq!(assembled(&JobOptions::default(), chunks("ja")).text, "abc");
    }

    #[test]
    fn nothing_heard_is_no_speech_in_no_language() {
        for chunks in [vec![], vec![chunk("en", vec![], 0, 0)]] {
            let empty = assembled(&JobOptions::default(), chunks.clone());
            assert_eq!(
                (empty.text.as_str(), empty.language.as_str(), empty.language_probability),
                ("", "und", 0.0)
            );
            assert_eq!(codes(&empty), [WarningCode::NoSpeech]);
            let options = JobOptions { language: Language::parse("es").ok(), ..JobOptions::default() };
            let given = assembled(&options, chunks);
            assert_eq!((given.language.as_str(), given.language_probability), ("es", 1.0));
        }
    }

    #[test]
    fn speech_that_has_no_text_is_not_called_silence() {
        let mut silent = chunk("en", vec![], 3000, 0);
        silent.warnings.push(Warning::new(WarningCode::Untranscribed, "x"));
        assert_eq!(codes(&assembled(&JobOptions::default(), vec![silent])), [WarningCode::Untranscribed]);
    }

    #[test]
    fn what_could_not_be_done_is_said() {
        let options =
            JobOptions { diarize: true, language: Language::parse("de").ok(), ..JobOptions::default() };
        let found = assembled(&options, vec![chunk("de", vec![segment("a", 0, 10)], 10, 10)]);
        assert_eq!(codes(&found), [WarningCode::DiarizationUnavailable, WarningCode::LanguageUnsupported]);
        assert_eq!(found.speakers, Vec::<String>::new());
    }

    #[test]
    fn times_beyond_the_end_and_out_of_order_are_mended() {
        let mut wrong = segment("b", 2000, 1000);
        wrong.words[0].end = Millis(500);
        let chunks = vec![chunk("en", vec![segment("c", 9000, 10_001), wrong], 0, 0)];
        assert_eq!(assembled(&JobOptions::default(), chunks).check(), Ok(()));
    }
}
