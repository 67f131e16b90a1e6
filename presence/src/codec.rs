//! Deterministic CBOR (RFC 8949, section 4.2) with integer keys.
//!
//! A frame is one version byte and one CBOR item. What is read is accepted only when
//! encoding the value again gives the same bytes: that refuses every non-canonical form,
//! unknown and duplicate keys and trailing bytes at once. The length is checked before
//! anything is read, and no wire type is recursive, so that memory and stack stay bounded.

use core::fmt;
use minicbor::encode::Write;
use minicbor::{Decode, Encode};

/// First byte of every frame and record: the version of the wire.
pub const VERSION: u8 = 1;
/// First byte of every stored row. It rises when rows change and the wire does not, or the other way round; what rows of
/// an older store become is the business of the migration.
pub const ROW_VERSION: u8 = 1;

/// Most frames and rows are no longer, so that what they are written into does not grow step by step.
const USUAL: usize = 512;

/// Why bytes were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// Longer than this kind of value may be.
    TooLong,
    /// Of a version this node does not know.
    Version,
    /// Not CBOR of the expected shape.
    Malformed,
    /// Readable, but not the one deterministic encoding of what it says.
    NotCanonical,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than allowed",
            Self::Version => "of an unknown version",
            Self::Malformed => "malformed",
            Self::NotCanonical => "not in deterministic encoding",
        })
    }
}

impl std::error::Error for CodecError {}

/// Encodes a value behind the version byte of the wire.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    behind(VERSION, value)
}

/// Encodes a value behind the version byte of rows.
pub fn encode_row<T: Encode<()>>(value: &T) -> Vec<u8> {
    behind(ROW_VERSION, value)
}

fn behind<T: Encode<()>>(version: u8, value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    out.push(version);
    append(value, &mut out);
    out
}

fn append<T: Encode<()>>(value: &T, out: &mut Vec<u8>) {
    // Writing into a vector cannot fail, and no type of ours reports an error of its own.
    if minicbor::encode(value, out).is_err() {
        unreachable!("encoding into memory does not fail");
    }
}

/// Reads a value of at most `max` bytes, the version byte of the wire included.
pub fn decode<'b, T: Encode<()> + Decode<'b, ()>>(bytes: &'b [u8], max: usize) -> Result<T, CodecError> {
    read_behind(VERSION, bytes, max)
}

/// Reads a row of at most `max` bytes, its version byte included.
pub fn decode_row<'b, T: Encode<()> + Decode<'b, ()>>(bytes: &'b [u8], max: usize) -> Result<T, CodecError> {
    read_behind(ROW_VERSION, bytes, max)
}

fn read_behind<'b, T: Encode<()> + Decode<'b, ()>>(known: u8, bytes: &'b [u8], max: usize) -> Result<T, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLong);
    }
    let Some((&version, body)) = bytes.split_first() else { return Err(CodecError::Malformed) };
    if version != known {
        return Err(CodecError::Version);
    }
    let value: T = minicbor::decode(body).map_err(|_| CodecError::Malformed)?;
    if !encodes_to(&value, body) {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Whether this is the encoding of a value. Nothing is written anywhere.
fn encodes_to<T: Encode<()>>(value: &T, bytes: &[u8]) -> bool {
    let mut expected = Expected(bytes);
    minicbor::encode(value, &mut expected).is_ok() && expected.0.is_empty()
}

/// What is still to be encoded.
struct Expected<'a>(&'a [u8]);

/// Something else was encoded.
struct Differs;

impl Write for Expected<'_> {
    type Error = Differs;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Differs> {
        self.0 = self.0.strip_prefix(bytes).ok_or(Differs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Sample {
        #[n(0)]
        number: u64,
        #[n(1)]
        text: Option<String>,
    }

    fn sample() -> Sample {
        Sample { number: 7, text: Some("x".into()) }
    }

    #[test]
    fn a_value_reads_back() {
        let bytes = encode(&sample());
        assert_eq!(bytes, [1, 0xA2, 0, 7, 1, 0x61, b'x']);
        assert_eq!(decode(&bytes, 64), Ok(sample()));
    }

    #[test]
    fn every_other_form_of_the_same_value_is_refused() {
        let cases: [(&str, &[u8], CodecError); 9] = [
            ("trailing byte", &[1, 0xA1, 0, 7, 0], CodecError::NotCanonical),
            ("keys out of order", &[1, 0xA2, 1, 0x61, b'x', 0, 7], CodecError::NotCanonical),
            ("duplicate key", &[1, 0xA2, 0, 7, 0, 7], CodecError::NotCanonical),
            ("long integer", &[1, 0xA1, 0, 0x18, 7], CodecError::NotCanonical),
            ("indefinite map", &[1, 0xBF, 0, 7, 0xFF], CodecError::NotCanonical),
            ("unknown key", &[1, 0xA2, 0, 7, 9, 1], CodecError::NotCanonical),
            ("null for absent", &[1, 0xA2, 0, 7, 1, 0xF6], CodecError::NotCanonical),
            ("missing key", &[1, 0xA0], CodecError::Malformed),
            ("other version", &[2, 0xA1, 0, 7], CodecError::Version),
        ];
        for (what, bytes, error) in cases {
            assert_eq!(decode::<Sample>(bytes, 64), Err(error), "{what}");
        }
    }

    #[test]
    fn length_is_checked_before_anything_is_read() {
        assert_eq!(decode::<Sample>(&[0xFF; 65], 64), Err(CodecError::TooLong));
        // A string that claims 2^60 bytes allocates nothing.
        assert_eq!(decode::<Sample>(&[1, 0xA1, 1, 0x7B, 0x10, 0, 0, 0, 0, 0, 0, 0], 64), Err(CodecError::Malformed));
    }

    #[test]
    fn empty_input_is_refused() {
        assert_eq!(decode::<Sample>(&[], 64), Err(CodecError::Malformed));
        assert_eq!(decode::<Sample>(&[1], 64), Err(CodecError::Malformed));
    }
}
