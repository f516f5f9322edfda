//! Puts the transcript together.

use steno_shared::catalog::{Model, ModelId};
use steno_shared::job::JobOptions;
use steno_shared::language::Language;
use steno_shared::time::Millis;
use steno_shared::transcript::{ChannelSpeakers, Segment, Transcript, Warning, WarningCode};

use super::journal::ChunkResult;
use super::language::{self, Opinion};

/// The code for a language that nobody could tell (ISO 639-2).
const UNDETERMINED: &str = "und";

/// What a transcript is made of, beside its chunks.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// What was asked for.
    pub options: &'a JobOptions,
    /// The model used.
    pub model: &'a Model,
    /// The length of the media.
    pub duration: Millis,
    /// How many channels were transcribed.
    pub channels: usize,
    /// What is known already.
    pub warnings: Vec<Warning>,
}

/// The transcript of all chunks.
#[must_use]
pub fn transcript(frame: Frame<'_>, chunks: Vec<ChunkResult>) -> Transcript {
    let speech: Millis = chunks.iter().fold(Millis(0), |sum, chunk| sum + chunk.speech);
    let transcribed: Millis = chunks.iter().fold(Millis(0), |sum, chunk| sum + chunk.transcribed);
    let (language, probability) = language(frame.options, &chunks);
    let (segments, found): (Vec<_>, Vec<_>) =
        chunks.into_iter().map(|chunk| (chunk.segments, chunk.warnings)).unzip();
    let mut segments: Vec<Segment> = segments.into_iter().flatten().collect();
    let mut found: Vec<Warning> = found.into_iter().flatten().collect();
    let mut speakers = ChannelSpeakers::default();
    if frame.channels > 1 {
        segments.sort_by_key(|segment| (segment.start, segment.channel));
        found.sort_by_key(|warning| warning.start);
        if frame.options.diarize {
            segments.iter_mut().for_each(|segment| speakers.label(segment));
        }
    }
    let about_options = of_options(&frame);
    let mut warnings = frame.warnings;
    warnings.extend(about_options);
    if segments.is_empty() && speech == Millis(0) {
        warnings.push(Warning::new(WarningCode::NoSpeech, "the audio holds no speech"));
        // That says it of every stretch.
        found.retain(|warning| warning.code != WarningCode::NotSpeech);
    }
    warnings.extend(joined(found, &segments));
    let (_, end) = frame.options.media.window(frame.duration);
    let mut transcript = Transcript {
        text: text(&segments, language),
        language: language.map_or(UNDETERMINED, Language::code).to_owned(),
        language_probability: probability,
        duration: frame.duration,
        model: ModelId::clone(&frame.model.id),
        channels: u16::try_from(frame.channels).unwrap_or(u16::MAX),
        segments,
        speakers: speakers.labels(),
        speech_seconds: speech,
        transcribed_seconds: transcribed,
        warnings,
    };
    let heard = frame.options.heard_of(frame.duration).0;
    let room = Millis(heard * u64::from(transcript.channels.max(1)));
    transcript.speech_seconds = speech.min(room);
    transcript.transcribed_seconds = transcribed.min(transcript.speech_seconds);
    bound(&mut transcript, end);
    transcript
}

/// The language with the most speech, and how sure that is; what is not heard has no language.
fn language(options: &JobOptions, chunks: &[ChunkResult]) -> (Option<Language>, f64) {
    if let Some(language) = options.language {
        return (Some(language), 1.0);
    }
    let weigh = |chunk: &ChunkResult| Opinion {
        language: chunk.language,
        probability: chunk.language_probability,
        weight: chunk.speech.0,
    };
    let heard: Vec<Opinion> = chunks.iter().filter(|chunk| chunk.speech > Millis(0)).map(weigh).collect();
    let Some(most) = language::most_spoken(&heard) else { return (None, 0.0) };
    (Some(most.0), most.1)
}

/// The same of several stretches, with no text between them, is said once.
fn joined(warnings: Vec<Warning>, segments: &[Segment]) -> Vec<Warning> {
    let mut joined: Vec<Warning> = Vec::new();
    for warning in warnings {
        let text_from = |at: Option<Millis>| segments.partition_point(|segment| Some(segment.start) < at);
        match joined.last_mut() {
            Some(last)
                if last.code == warning.code
                    && last.message == warning.message
                    && last.end <= warning.start
                    && text_from(last.end) == text_from(warning.start) =>
            {
                last.end = warning.end;
            }
            _ => joined.push(warning),
        }
    }
    joined
}

/// What of the options could not be done.
fn of_options(frame: &Frame<'_>) -> Vec<Warning> {
    let Frame { options, model, .. } = frame;
    let mut warnings = Vec::new();
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

/// Between two segments stands a space, unless both are written without spaces.
fn text(segments: &[Segment], language: Option<Language>) -> String {
    let spaced = |segment: &Segment| {
        let own = segment.language.as_deref().and_then(|code| Language::parse(code).ok()).or(language);
        own.is_none_or(Language::separates_words)
    };
    let mut text = String::new();
    let mut earlier = None;
    for segment in segments {
        if earlier.is_some_and(|earlier| spaced(earlier) || spaced(segment)) {
            text.push(' ');
        }
        text.push_str(&segment.text);
        earlier = Some(segment);
    }
    text
}

/// Keeps the promises about times. Each step before this one keeps them too, but for the last millisecond of what
/// was heard, to which rounding may lead; anything else is a mistake of ours, which shall not cost the caller the
/// text.
fn bound(transcript: &mut Transcript, end: Millis) {
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
            overlap: false,
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
        assembled_of(1, options, chunks)
    }

    fn assembled_of(channels: usize, options: &JobOptions, chunks: Vec<ChunkResult>) -> Transcript {
        let model = catalog::model("mini").unwrap();
        transcript(Frame { options, model, duration: Millis(10_000), channels, warnings: Vec::new() }, chunks)
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
        assert_eq!(codes(&found), [WarningCode::LanguageUnsupported]);
        assert_eq!(found.speakers, Vec::<String>::new());
    }

    #[test]
    fn times_beyond_the_end_and_out_of_order_are_mended() {
        let mut wrong = segment("b", 2000, 1000);
        wrong.words[0].end = Millis(500);
        let chunks = vec![chunk("en", vec![segment("c", 9000, 10_001), wrong], 0, 0)];
        assert_eq!(assembled(&JobOptions::default(), chunks).check(), Ok(()));
    }

    #[test]
    fn channels_are_merged_by_time_and_are_speakers() {
        let of = |channel: u16, segments: Vec<Segment>| {
            let segments = segments.into_iter().map(|segment| Segment { channel: Some(channel), ..segment });
            chunk("en", segments.collect(), 8000, 8000)
        };
        let mut options = JobOptions { diarize: true, ..JobOptions::default() };
        let chunks = || {
            vec![
                of(1, vec![segment("b", 2000, 3000), segment("d", 6000, 8000)]),
                of(2, vec![segment("a", 1000, 2500), segment("c", 2000, 4000)]),
            ]
        };
        let merged = assembled_of(2, &options, chunks());
        assert_eq!((merged.text.as_str(), merged.check()), ("a b c d", Ok(())));
        let speakers: Vec<_> = merged.segments.iter().map(|segment| segment.speaker.as_deref()).collect();
        assert_eq!(speakers, [Some("Speaker 1"), Some("Speaker 2"), Some("Speaker 1"), Some("Speaker 2")]);
        assert_eq!(merged.segments[0].words[0].speaker.as_deref(), Some("Speaker 1"));
        assert_eq!((merged.speakers.len(), codes(&merged)), (2, vec![]));
        assert_eq!(merged.speech_seconds, Millis(16_000), "both talk nearly all the time");
        options.diarize = false;
        let plain = assembled_of(2, &options, chunks());
        assert_eq!((plain.speakers.len(), plain.segments[0].speaker.clone()), (0, None));
    }

    #[test]
    fn of_several_languages_that_with_the_most_speech_is_named() {
        let mut spanish = chunk("es", vec![segment("b", 4000, 9000)], 5000, 5000);
        spanish.language_probability = 0.6;
        let chunks = vec![chunk("en", vec![segment("a", 0, 2000)], 2000, 2000), spanish];
        let found = assembled(&JobOptions::default(), chunks);
        assert_eq!((found.language.as_str(), found.language_probability), ("es", 0.6));
    }

    #[test]
    fn a_space_stands_between_segments_unless_both_are_written_without() {
        let of = |code: &str, text: &str| Segment { language: Some(code.to_owned()), ..segment(text, 0, 1) };
        let segments = [of("ja", "\u{306F}"), of("ja", "\u{3044}"), of("en", "yes"), of("zh", "\u{662F}")];
        assert_eq!(text(&segments, None), "\u{306F}\u{3044} yes \u{662F}");
    }

    #[test]
    fn a_window_bounds_times_and_coverage() {
        let mut options = JobOptions::default();
        options.media.from = Some(Millis(2000));
        options.media.until = Some(Millis(6000));
        let found = assembled(&options, vec![chunk("en", vec![segment("a", 2000, 6001)], 5000, 5000)]);
        assert_eq!((found.duration, found.segments[0].end), (Millis(10_000), Millis(6000)));
        assert_eq!((found.speech_seconds, found.transcribed_seconds), (Millis(4000), Millis(4000)));
    }

    #[test]
    fn what_is_said_of_one_stretch_after_the_other_is_said_once() {
        let about = |code, start, end| Warning::about(code, Millis(start), Millis(end), "x");
        let (lost, cut) = (WarningCode::Untranscribed, WarningCode::Repetition);
        let mut silent = chunk("en", vec![segment("a", 4000, 5000)], 9000, 1000);
        silent.warnings = vec![
            about(lost, 0, 1000),
            about(lost, 1200, 3000),
            about(cut, 3000, 4000),
            about(lost, 5000, 6000),
            about(lost, 7000, 9000),
        ];
        let found = assembled(&JobOptions::default(), vec![silent]);
        let spans: Vec<_> = found
            .warnings
            .iter()
            .map(|warning| (warning.code, warning.start.unwrap().0, warning.end.unwrap().0))
            .collect();
        assert_eq!(spans, [(lost, 0, 3000), (cut, 3000, 4000), (lost, 5000, 9000)]);
        let mut apart = chunk("en", vec![segment("a", 1000, 2000)], 9000, 1000);
        apart.warnings = vec![about(lost, 0, 1000), about(lost, 2000, 3000)];
        assert_eq!(assembled(&JobOptions::default(), vec![apart]).warnings.len(), 2);
    }
}
