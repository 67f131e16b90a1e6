//! Frames on a stream: an unsigned varint with the length, then so many bytes.
//!
//! The varint is that of multiformats (LEB128, shortest form), as other libp2p protocols
//! use it. A length is 1 to [`MAX_FRAME`] and so takes at most three bytes. It is checked
//! before anything is allocated for it, and memory grows with the bytes that have arrived,
//! not with those that were promised.

use crate::net::limits::{READ_AT_REST, READ_CHUNK};
use symbolon_core::seam::MAX_FRAME;

/// Bytes of the longest length prefix.
const PREFIX_MAX: usize = 3;

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameError {
    /// A frame of no bytes.
    Empty,
    /// A frame longer than [`MAX_FRAME`].
    TooLong,
    /// A length that is not in its shortest form.
    NotShortest,
}

/// Appends a frame with its length to `out`. `frame` has 1 to [`MAX_FRAME`] bytes.
pub(super) fn write_frame(frame: &[u8], out: &mut Vec<u8>) {
    let mut rest = frame.len();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(frame);
}

/// Reads the length at the start of `bytes`: its own bytes and its value.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let mut value = 0usize;
    for (at, byte) in bytes.iter().take(PREFIX_MAX).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 != 0 {
            continue;
        }
        return match value {
            0 if at == 0 => Err(FrameError::Empty),
            _ if *byte == 0 => Err(FrameError::NotShortest),
            _ if value > MAX_FRAME => Err(FrameError::TooLong),
            _ => Ok(Some((at + 1, value))),
        };
    }
    if bytes.len() < PREFIX_MAX { Ok(None) } else { Err(FrameError::TooLong) }
}

/// What was read from a stream and is not yet a whole frame.
///
/// Holds at most one frame of [`MAX_FRAME`] and one [`READ_CHUNK`]; [`READ_AT_REST`] at first and
/// after [`Self::shrink`].
#[derive(Debug)]
pub(super) struct FrameBuffer {
    /// Initialised throughout; `start..end` is filled.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the last read filled all room: more is on its way.
    was_full: bool,
}

impl FrameBuffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; READ_AT_REST], start: 0, end: 0, was_full: false }
    }

    /// Takes the next whole frame out.
    pub(super) fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let filled = self.bytes.get(self.start..self.end).unwrap_or_default();
        let Some((prefix, length)) = read_length(filled)? else { return Ok(None) };
        let Some(frame) = filled.get(prefix..prefix + length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.start += prefix + length;
        Ok(Some(frame))
    }

    /// Whether a frame has begun and not ended.
    pub(super) fn is_partial(&self) -> bool {
        self.start < self.end
    }

    /// Whether it holds more memory than it needs now.
    pub(super) fn is_swollen(&self) -> bool {
        self.start == self.end && self.bytes.len() > READ_AT_REST
    }

    /// Gives back what a large frame took; while large frames flow it is better kept.
    pub(super) fn shrink(&mut self) {
        if self.is_swollen() {
            *self = Self::new();
        }
    }

    /// Room to read into, never empty. To be called when [`Self::next_frame`] has no more.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.was_full && self.bytes.len() < READ_CHUNK {
            self.bytes.resize(READ_CHUNK, 0);
        } else if self.bytes.len() - self.end < (self.bytes.len() / 4).min(READ_CHUNK / 4) {
            // Doubles with what has arrived, but never beyond what a frame can need.
            let grown = (self.bytes.len() * 2).min(PREFIX_MAX + MAX_FRAME + READ_CHUNK);
            self.bytes.resize(grown, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that so many bytes were read into [`Self::room`].
    pub(super) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
        self.was_full = self.end == self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn feed(buffer: &mut FrameBuffer, mut bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let room = buffer.room();
            let count = room.len().min(bytes.len()).min(step);
            room[..count].copy_from_slice(&bytes[..count]);
            buffer.filled(count);
            bytes = &bytes[count..];
            while let Some(frame) = buffer.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_of_every_length_class_come_out_as_they_went_in() {
        let lengths = [1, 2, 127, 128, 129, 16_383, 16_384, 16_385, 65_536, MAX_FRAME - 1, MAX_FRAME, 1, 200];
        let frames: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(n, len)| vec![n as u8; *len]).collect();
        let mut bytes = Vec::new();
        for frame in &frames {
            write_frame(frame, &mut bytes);
        }
        for step in [1, 7, 4096, usize::MAX] {
            let mut buffer = FrameBuffer::new();
            assert_eq!(feed(&mut buffer, &bytes, step).unwrap(), frames);
            assert!(!buffer.is_partial());
        }
    }

    #[test]
    fn prefix_is_the_varint_of_multiformats() {
        for (len, prefix) in
            [(1, vec![1]), (127, vec![0x7f]), (128, vec![0x80, 1]), (300, vec![0xac, 2]), (MAX_FRAME, vec![0x80, 0x90, 0x10])]
        {
            let mut out = Vec::new();
            write_frame(&vec![0; len], &mut out);
            assert_eq!(out[..out.len() - len], prefix);
        }
    }

    #[test]
    fn lengths_that_are_empty_too_long_or_padded_are_refused_before_memory_is_taken() {
        let over = MAX_FRAME + 1;
        let over = [(over & 0x7f) as u8 | 0x80, (over >> 7 & 0x7f) as u8 | 0x80, (over >> 14) as u8];
        let cases: [(&[u8], FrameError); 6] = [
            (&[0], FrameError::Empty),
            (&[0x80, 0], FrameError::NotShortest),
            (&[0xff, 0x80, 0], FrameError::NotShortest),
            (&over, FrameError::TooLong),
            (&[0xff, 0xff, 0x7f], FrameError::TooLong),
            (&[0xff; 10], FrameError::TooLong),
        ];
        for (bytes, error) in cases {
            let mut buffer = FrameBuffer::new();
            assert_eq!(feed(&mut buffer, bytes, 1), Err(error));
            assert_eq!(buffer.bytes.capacity(), READ_AT_REST);
        }
    }

    #[test]
    fn memory_grows_with_what_has_arrived_and_shrinks_at_rest() {
        let mut bytes = Vec::new();
        write_frame(&vec![7; MAX_FRAME], &mut bytes);
        let mut buffer = FrameBuffer::new();
        assert!(feed(&mut buffer, &bytes[..100], usize::MAX).unwrap().is_empty());
        buffer.room();
        assert_eq!(buffer.bytes.len(), READ_AT_REST);
        assert!(feed(&mut buffer, &bytes[100..50_000], usize::MAX).unwrap().is_empty());
        buffer.room();
        assert!(buffer.bytes.len() <= 128 * 1024);
        assert_eq!(feed(&mut buffer, &bytes[50_000..], usize::MAX).unwrap().len(), 1);
        assert!(buffer.bytes.len() <= PREFIX_MAX + MAX_FRAME + READ_CHUNK);
        assert!(buffer.is_swollen());
        buffer.shrink();
        assert_eq!(buffer.bytes.capacity(), READ_AT_REST);
    }

    #[test]
    fn random_bytes_never_panic_and_never_hold_more_than_one_frame() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..4096)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            let mut buffer = FrameBuffer::new();
            let _ = feed(&mut buffer, &bytes, 97);
            assert!(buffer.bytes.len() <= PREFIX_MAX + MAX_FRAME + READ_CHUNK);
        }
    }
}
