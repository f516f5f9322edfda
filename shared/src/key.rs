//! API keys: `stn_<id>_<secret><checksum>`.
//!
//! The checksum lets a typo be refused without a database query; the id finds the row; of the secret only a
//! hash is kept. 32 base-62 digits are 190 random bits, so a plain SHA-256 needs no stretching.

use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// What every key begins with.
pub const PREFIX: &str = "stn_";
const ID_DIGITS: usize = 10;
const SECRET_DIGITS: usize = 32;
/// 62^6 > 2^32: a CRC-32 in base 62.
const CHECKSUM_DIGITS: usize = 6;

/// A whole key with a right checksum. Printed only where it is made; its `Debug` shows the id alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
}

/// The text has not the form of a key, or its checksum is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed API key")]
pub struct MalformedKey;

/// SHA-256 of a whole key, as the database keeps it.
#[derive(Debug, Clone)]
pub struct KeyHash([u8; 32]);

impl ApiKey {
    /// A new key from the operating system's random numbers.
    #[must_use]
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let mut text = PREFIX.to_owned();
        let mut push = |text: &mut String, digits: usize| {
            text.extend((0..digits).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])));
        };
        push(&mut text, ID_DIGITS);
        text.push('_');
        push(&mut text, SECRET_DIGITS);
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self { text }
    }

    /// The part that names the key: it may be shown and logged.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[PREFIX.len()..PREFIX.len() + ID_DIGITS]
    }

    /// The whole key, to be shown once to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What the database keeps.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.text.as_bytes()).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id())
    }
}

impl FromStr for ApiKey {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let body = text.strip_prefix(PREFIX).ok_or(MalformedKey)?;
        let well_formed = body.len() == ID_DIGITS + 1 + SECRET_DIGITS + CHECKSUM_DIGITS
            && body.bytes().enumerate().all(|(at, byte)| match at {
                ID_DIGITS => byte == b'_',
                _ => byte.is_ascii_alphanumeric(),
            });
        if !well_formed {
            return Err(MalformedKey);
        }
        let (signed, given) = text.split_at(text.len() - CHECKSUM_DIGITS);
        if checksum(signed) != given {
            return Err(MalformedKey);
        }
        Ok(Self { text: text.to_owned() })
    }
}

impl KeyHash {
    /// From the database's lower-case hexadecimal.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        crate::object::hex(&self.0)
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// CRC-32 in base 62.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_matches_only_its_own_hash() {
        let key = ApiKey::random();
        assert_eq!(key.reveal().len(), 53);
        let again: ApiKey = key.reveal().parse().unwrap();
        let kept = KeyHash::from_hex(&key.hash().to_hex()).unwrap();
        assert!(kept.matches(&again.hash()));
        assert!(!kept.matches(&ApiKey::random().hash()));
        assert!(!format!("{key:?}").contains(&key.reveal()[15..]));
    }

    #[test]
    fn one_changed_letter_is_a_malformed_key() {
        let key = ApiKey::random();
        for at in 0..key.reveal().len() {
            let mut bytes = key.reveal().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(changed.parse::<ApiKey>(), Err(MalformedKey), "at {at}");
        }
        for text in ["", "stn_", "Bearer", "stn_0000000000_é"] {
            assert_eq!(text.parse::<ApiKey>(), Err(MalformedKey));
        }
    }
}
