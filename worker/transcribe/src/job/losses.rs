//! What a transcript lacks, for callers to whom a part is worth nothing.

use steno_shared::transcript::{Warning, WarningCode};

/// So many places are named.
const NAMED: usize = 3;

/// Whether something of the media is not in the text. Silence is no loss, nor is what the model takes for it.
fn is_loss(warning: &Warning) -> bool {
    matches!(warning.code, WarningCode::TruncatedMedia | WarningCode::Untranscribed | WarningCode::Repetition)
}

/// What is lacking, and where, as the sentence of a failure; `None` if nothing is.
#[must_use]
pub fn sentence(warnings: &[Warning]) -> Option<String> {
    let lost: Vec<&Warning> = warnings.iter().filter(|warning| is_loss(warning)).collect();
    if lost.is_empty() {
        return None;
    }
    let named: Vec<String> = lost.iter().take(NAMED).map(|warning| named(warning)).collect();
    let more = match lost.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!("the transcript is incomplete, and strict was asked for: {}{more}", named.join("; ")))
}

fn named(warning: &Warning) -> String {
    match (warning.start, warning.end) {
        (Some(start), Some(end)) => format!("{start} to {end}: {}", warning.message),
        _ => warning.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use steno_shared::time::Millis;

    use super::*;

    #[test]
    fn losses_are_named_with_their_places() {
        let hole =
            |at: u64| Warning::about(WarningCode::Untranscribed, Millis(at), Millis(at + 2500), "no text");
        let truncated = Warning::new(WarningCode::TruncatedMedia, "the file ends early");
        let sentence = sentence(&[truncated, hole(1000), hole(9000), hole(20_000), hole(30_000)]).unwrap();
        assert_eq!(
            sentence,
            "the transcript is incomplete, and strict was asked for: the file ends early; 1.000 s to 3.500 s: no \
             text; 9.000 s to 11.500 s: no text; and 2 more"
        );
    }

    #[test]
    fn silence_and_remarks_are_no_losses() {
        for code in [
            WarningCode::NoSpeech,
            WarningCode::NotSpeech,
            WarningCode::Repetitive,
            WarningCode::PromptShortened,
            WarningCode::DiarizationUnavailable,
            WarningCode::LanguageUnsupported,
        ] {
            assert_eq!(sentence(&[Warning::new(code, "x")]), None, "{code:?}");
        }
    }
}
