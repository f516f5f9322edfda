//! Names of things: a job, a worker, a request. Strings with meaning get a type.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Crockford's base 32, lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 digits of 5 bits hold 128 bits (the first digit only its lowest 3).
const DIGITS: usize = 26;

/// 128 random bits, written as a prefix and 26 base-32 digits.
macro_rules! random_id {
    ($(#[$meta:meta])* $name:ident = $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new id from the operating system's random numbers.
            #[must_use]
            pub fn random() -> Self {
                Self(rand::random())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_digits(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix).and_then(read_digits).map(Self).ok_or(InvalidId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

random_id! {
    /// A job: 128 random bits, written `job_` and 26 base-32 digits. Whoever holds an anonymous job's id may
    /// read it, so an id is never derived from anything and never logged beside a key.
    JobId = "job_"
}

random_id! {
    /// An endpoint that is told of an account's jobs, written `whk_` and 26 base-32 digits.
    WebhookId = "whk_"
}

random_id! {
    /// A message to a webhook, the same over all its attempts, written `msg_` and 26 base-32 digits.
    DeliveryId = "msg_"
}

/// The text is not the prefix of its kind and 26 base-32 digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct InvalidId;

fn write_digits(bits: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for digit in (0..DIGITS).rev() {
        let index = (bits >> (5 * digit)) & 31;
        write!(f, "{}", char::from(ALPHABET[index as usize]))?;
    }
    Ok(())
}

fn read_digits(text: &str) -> Option<u128> {
    let digits = text.as_bytes();
    // The first digit carries 3 bits, so that one id has one spelling.
    if digits.len() != DIGITS || digits[0] > b'7' {
        return None;
    }
    digits.iter().try_fold(0u128, |bits, digit| {
        let index = ALPHABET.iter().position(|letter| letter == digit)?;
        Some(bits << 5 | index as u128)
    })
}

/// A worker process in the registry: lane, host, process id and a random part, so that a restarted worker
/// is never taken for its predecessor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub String);

/// What tells this process from one of the same number before it.
static RANDOM: LazyLock<u32> = LazyLock::new(rand::random);

impl WorkerId {
    /// The id of this process, working in the lane named `lane`.
    #[must_use]
    pub fn of_this_process(lane: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self(format!("{lane}-{host}-{}-{:08x}", std::process::id(), *RANDOM))
    }

    /// A pattern for SQL's LIKE that the ids of this process have in common, whatever their lane.
    pub(crate) fn of_its_process(&self) -> String {
        self.0.split_once('-').map_or_else(|| self.0.clone(), |(_, process)| format!("%-{process}"))
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_reads_back_as_written() {
        for id in [JobId(0), JobId(1), JobId(u128::MAX), JobId::random(), JobId::random()] {
            let text = id.to_string();
            assert_eq!(text.len(), 30);
            assert_eq!(text.parse(), Ok(id));
        }
        assert_eq!(JobId(u128::MAX).to_string(), "job_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "job_",
            "job_0000000000000000000000000",
            "job_000000000000000000000000000",
            "job_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "job_0000000000000000000000000u",
            "job_0000000000000000000000000A",
            "JOB_00000000000000000000000000",
            "../../../../etc/passwd--------",
            "job_é0000000000000000000000000",
        ] {
            assert_eq!(text.parse::<JobId>(), Err(InvalidId), "{text}");
        }
    }
}
