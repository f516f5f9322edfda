//! Voices: what speakers sound like, as numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Millis;

/// What one person sounds like in one or several turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// How much speech, without anybody else's, the embedding is of. Zero: there was too little, and the embedding is
    /// empty.
    pub speech: Millis,
    /// The stretch of the file that it was heard in: voices of one stretch were told apart there, from the start of
    /// the file on, counted from 0.
    pub chunk: u32,
    /// Where it lies among all voices.
    pub embedding: Embedding,
}

/// A vector of length 1 (or empty): the nearer two of them, the more alike the voices. Written as base 64 of 32-bit
/// floating-point numbers, little-endian.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedding(pub Vec<f32>);

impl Embedding {
    /// The cosine of the angle between two: 1 for the same, about 0 for what has nothing in common.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(one, other)| one * other).sum()
    }
}

impl Serialize for Embedding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(de::Error::custom)?;
        let (values, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(de::Error::custom("an embedding is of 32-bit numbers"));
        }
        Ok(Self(values.iter().map(|value| f32::from_le_bytes(*value)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_reads_back_as_written() {
        let embedding = Embedding(vec![0.5, -1.0, f32::MIN_POSITIVE]);
        let text = serde_json::to_string(&embedding).unwrap();
        assert_eq!(text, "\"AAAAPwAAgL8AAIAA\"");
        assert_eq!(serde_json::from_str::<Embedding>(&text).unwrap(), embedding);
        for text in ["\"AAAA\"", "\"!\"", "[0.5]"] {
            assert!(serde_json::from_str::<Embedding>(text).is_err(), "{text}");
        }
    }
}
