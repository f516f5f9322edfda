//! When a delivery that failed is tried again.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use steno_shared::settings::Span;

/// The longest wait that an endpoint can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Waits are longer by up to one part in this many, so that what failed together does not return together.
const JITTER: u32 = 10;

/// The waits between the attempts of a delivery. The first attempt is at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Span>);

impl Schedule {
    /// How long to wait after the attempt of this number, from 1; none after the last. An endpoint can ask for
    /// more, not for less.
    pub(crate) fn wait_after(&self, number: u32, asked: Option<Duration>) -> Option<Duration> {
        let wait = self.0.get(number.checked_sub(1)? as usize)?.0;
        let jitter = wait.mul_f64(rand::random::<f64>() / f64::from(JITTER));
        Some((wait + jitter).max(asked.unwrap_or_default().min(MAX_RETRY_AFTER)))
    }
}

impl FromStr for Schedule {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

/// What a `Retry-After` asks for: seconds, or a date.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(header).ok().map(|at| at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_schedule_with_a_little_more() {
        let schedule: Schedule = "5s, 5m,30m".parse().unwrap();
        assert_eq!(schedule.to_string(), "5s,5m,30m");
        for (number, wait) in [(1, 5), (2, 300), (3, 1800)] {
            let wait = Duration::from_secs(wait);
            let given = schedule.wait_after(number, None).unwrap();
            assert!(given >= wait && given <= wait + wait / JITTER, "{number}: {given:?}");
        }
        for number in [0, 4, 5, u32::MAX] {
            assert_eq!(schedule.wait_after(number, None), None);
        }
        assert_eq!("".parse::<Schedule>().unwrap().wait_after(1, None), None);
        assert!("5s,soon".parse::<Schedule>().is_err());
    }

    #[test]
    fn an_endpoint_asks_for_more_up_to_a_day() {
        let schedule: Schedule = "5s".parse().unwrap();
        let wait = |asked| schedule.wait_after(1, Some(Duration::from_secs(asked))).unwrap().as_secs();
        assert_eq!(wait(1), 5);
        assert_eq!(wait(60), 60);
        assert_eq!(wait(u64::MAX), 86_400);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
        for (header, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 21 Nov 2026 12:01:00 GMT", Some(60)),
            ("Fri, 20 Nov 2026 12:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
