//! The fields that say how subtitles are cut. They shape the answer alone, and no job knows of them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use steno_shared::time::Millis;
use steno_shared::transcript::CueStyle;

use super::shown;
use crate::error::ApiError;

/// A speaker's name and a word or two fit in the shortest line.
const CHARS: RangeInclusive<usize> = 10..=200;
const LINES: RangeInclusive<usize> = 1..=10;
/// Seconds.
const DURATION: RangeInclusive<f64> = 0.1..=60.0;
const CPS: RangeInclusive<u32> = 5..=60;

/// Whether a field of this name means something here.
pub(super) fn knows(name: &str) -> bool {
    matches!(name, "max_chars" | "max_lines" | "min_duration" | "max_duration" | "max_cps")
}

/// Takes the value of a field; an empty one is the default.
///
/// # Errors
/// With a sentence that says which values there are.
pub(super) fn set(style: &mut CueStyle, name: &str, value: &str) -> Result<(), ApiError> {
    let default = CueStyle::default();
    match name {
        "max_chars" => style.max_columns = within(CHARS, name, value)?.unwrap_or(default.max_columns),
        "max_lines" => style.max_lines = within(LINES, name, value)?.unwrap_or(default.max_lines),
        "min_duration" => style.min_duration = seconds(name, value)?.unwrap_or(default.min_duration),
        "max_duration" => style.max_duration = seconds(name, value)?.unwrap_or(default.max_duration),
        "max_cps" => style.max_rate = within(CPS, name, value)?.unwrap_or(default.max_rate),
        _ => {}
    }
    Ok(())
}

/// Refuses a shape that no cue can have.
///
/// # Errors
/// With a sentence that says what is wrong.
pub(super) fn check(style: CueStyle) -> Result<(), ApiError> {
    let (shortest, longest) = (style.min_duration.as_seconds(), style.max_duration.as_seconds());
    if shortest > longest {
        return Err(ApiError::field(format!(
            "min_duration must not be greater than max_duration: {shortest} is greater than {longest}"
        )));
    }
    Ok(())
}

fn seconds(name: &str, value: &str) -> Result<Option<Millis>, ApiError> {
    Ok(number(DURATION, (name, "number of seconds"), value)?.map(Millis::of_seconds))
}

fn within<T: PartialOrd + Display + FromStr>(
    range: RangeInclusive<T>,
    name: &str,
    value: &str,
) -> Result<Option<T>, ApiError> {
    number(range, (name, "whole number"), value)
}

/// A number of a kind and within a range; `None` if there is none.
fn number<T: PartialOrd + Display + FromStr>(
    range: RangeInclusive<T>,
    (name, kind): (&str, &str),
    value: &str,
) -> Result<Option<T>, ApiError> {
    if value.is_empty() {
        return Ok(None);
    }
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        ApiError::field(format!("{name} must be a {kind} from {least} to {most}, not {}", shown(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(fields: &[(&str, &str)]) -> Result<CueStyle, ApiError> {
        let mut style = CueStyle::default();
        fields.iter().try_for_each(|(name, value)| set(&mut style, name, value))?;
        check(style).map(|()| style)
    }

    #[test]
    fn every_field_up_to_its_limits() {
        let style = all(&[
            ("max_chars", "10"),
            ("max_lines", "10"),
            ("min_duration", "0.1"),
            ("max_duration", "60"),
            ("max_cps", "5"),
        ]);
        let expected = CueStyle {
            max_columns: 10,
            max_lines: 10,
            min_duration: Millis(100),
            max_duration: Millis(60_000),
            max_rate: 5,
        };
        assert_eq!(style.unwrap(), expected);
        assert_eq!(
            all(&[("min_duration", "2.5"), ("max_duration", "2.5")]).unwrap().min_duration,
            Millis(2500)
        );
        assert_eq!(
            all(&[("max_chars", "20"), ("max_chars", ""), ("max_cps", "")]).unwrap(),
            CueStyle::default()
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_name_of_the_field() {
        for field in [
            ("max_chars", "9"),
            ("max_chars", "201"),
            ("max_chars", "42.5"),
            ("max_chars", "-1"),
            ("max_lines", "0"),
            ("max_lines", "11"),
            ("max_lines", "two"),
            ("min_duration", "0"),
            ("min_duration", "0.09"),
            ("min_duration", "60.1"),
            ("min_duration", "NaN"),
            ("min_duration", "7.001"),
            ("max_duration", "inf"),
            ("max_duration", "-5"),
            ("max_duration", "0.999"),
            ("max_duration", "7s"),
            ("max_cps", "4"),
            ("max_cps", "61"),
            ("max_cps", "20.5"),
        ] {
            let error = format!("{:?}", all(&[field]).unwrap_err());
            assert!(error.contains(field.0), "{field:?}: {error}");
        }
    }
}
