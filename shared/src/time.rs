//! Points and spans of media time, and of wall-clock time as the database keeps it.
//!
//! Media time is whole milliseconds inside and seconds with at most three decimals on the wire, so that
//! `0 <= start <= end <= duration` holds after every conversion.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Samples per second of all audio after intake (16 kHz mono).
pub const SAMPLE_RATE: u32 = 16_000;

/// A position or a span in media time, in milliseconds. On the wire: seconds, at most three decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// The length of `samples` at 16 kHz, rounded to the nearest millisecond.
    #[must_use]
    pub fn of_samples(samples: u64) -> Self {
        Self((samples * 1000 + u64::from(SAMPLE_RATE) / 2) / u64::from(SAMPLE_RATE))
    }

    /// The nearest millisecond to `seconds`; negative and non-numbers give zero.
    #[must_use]
    pub fn of_seconds(seconds: f64) -> Self {
        // `as` saturates, and turns NaN into 0.
        Self((seconds * 1000.0).round() as u64)
    }

    /// The same in seconds.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The span from `earlier` to here, zero if `earlier` lies later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Millis {
    type Output = Self;
    /// Saturates at zero.
    fn sub(self, other: Self) -> Self {
        self.since(other)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.as_seconds())
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_seconds())
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::of_seconds)
    }
}

/// A time of the database's, in milliseconds since 1970, as RFC 3339 writes it.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_round_to_the_nearest_millisecond() {
        assert_eq!(Millis::of_samples(16_000), Millis(1000));
        assert_eq!(Millis::of_samples(7), Millis(0));
        assert_eq!(Millis::of_samples(8), Millis(1));
        assert_eq!(Millis::of_samples(23), Millis(1));
        assert_eq!(Millis::of_samples(24), Millis(2));
    }

    #[test]
    fn the_wire_form_is_seconds_with_at_most_three_decimals() {
        for (millis, wire) in [(0, "0.0"), (1, "0.001"), (125_400, "125.4"), (3_599_999, "3599.999")] {
            assert_eq!(serde_json::to_string(&Millis(millis)).unwrap(), wire);
            assert_eq!(serde_json::from_str::<Millis>(wire).unwrap(), Millis(millis));
        }
        assert_eq!(serde_json::from_str::<Millis>("-3").unwrap(), Millis(0));
    }
}
