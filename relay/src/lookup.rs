//! The messages of `/symbolon/lookup/1`: one question and one answer on each stream.
//!
//! A server keeps what anybody may check ([`Item`](symbolon_presence::posted::Item)) and
//! knows neither whose it is nor who asks. Who reads checks again.

use minicbor::{Decode, Encode};
use symbolon_presence::id::LookupId;
use symbolon_presence::record::RECORD_MAX;

/// The longest message, in bytes.
pub const MESSAGE_MAX: usize = RECORD_MAX + 64;

/// What a server is asked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// What lies under this id?
    #[n(0)]
    Get(#[n(0)] LookupId),
    /// Keep this record.
    #[n(1)]
    Put(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// To a Get: the record, or nothing.
    #[n(0)]
    Found(#[cbor(n(0), with = "minicbor::bytes")] Option<Vec<u8>>),
    /// To a Put.
    #[n(1)]
    Put(#[n(0)] Kept),
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kept {
    /// It is kept.
    #[n(0)]
    Yes,
    /// One with this counter or a higher one is kept already.
    #[n(1)]
    Known,
    /// It is no record, or has expired.
    #[n(2)]
    Refused,
    /// There is no room.
    #[n(3)]
    Full,
}

messages!(MESSAGE_MAX, |_| true; Ask Answer);
opaque_debug!(Ask Answer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_nothing_else_is_accepted() {
        for ask in [Ask::Get(LookupId([7; 32])), Ask::Put(vec![1; RECORD_MAX])] {
            let bytes = ask.encode();
            assert!(bytes.len() <= MESSAGE_MAX);
            assert_eq!(Ask::decode(&bytes), Ok(ask));
            assert!(Ask::decode(&[&bytes[..], &[0]].concat()).is_err());
            assert!((0..bytes.len()).all(|cut| Ask::decode(&bytes[..cut]).is_err()));
        }
        for answer in [Answer::Found(None), Answer::Found(Some(vec![1; RECORD_MAX])), Answer::Put(Kept::Full)] {
            let bytes = answer.encode();
            assert!(bytes.len() <= MESSAGE_MAX);
            assert_eq!(Answer::decode(&bytes), Ok(answer));
            assert!((0..bytes.len()).all(|cut| Answer::decode(&bytes[..cut]).is_err()));
        }
        assert!(Ask::decode(&vec![0; MESSAGE_MAX + 1]).is_err());
    }
}
