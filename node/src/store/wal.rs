//! The write-ahead log beside the store's file, read without SQLite.
//!
//! Needed to judge the store before it is opened: pages in the log's committed part
//! replace the file's, which a power cut during a checkpoint may have left torn. And
//! SQLite takes the first bad frame for the end of the log: after a crash that is right,
//! but a byte that flipped in the middle would silently lose what was acknowledged. Since
//! every transaction is synchronised before the next is written, only the last one can be
//! torn; a bad frame with a later transaction behind it is damage.
//!
//! Format: sqlite.org/fileformat2.html, section 4.

use super::pages::PAGE;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + PAGE;
const MAGIC: u32 = 0x377F_0682;
const FORMAT: u32 = 3_007_000;

/// The committed part of a write-ahead log.
#[derive(Debug, Default)]
pub(super) struct Wal {
    /// Where in the log the newest content of a page begins, by page number.
    pub(super) newest: HashMap<u32, u64>,
    /// Pages of the store after the last committed transaction; `None` when there is none.
    pub(super) pages: Option<u32>,
    /// The log, if it has content.
    pub(super) file: Option<File>,
}

/// Why a log is not usable.
#[derive(Debug)]
pub(super) enum WalError {
    /// Something acknowledged is missing or altered.
    Damaged,
    /// The operating system refused.
    Io(io::Error),
}

impl From<io::Error> for WalError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a log. A missing or empty one has no committed part.
pub(super) fn scan(path: &Path) -> Result<Wal, WalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Wal::default()),
        Err(error) => return Err(error.into()),
    };
    let frames = file.metadata()?.len().saturating_sub(HEADER as u64) / FRAME as u64;
    if frames == 0 {
        // At most a header: nothing was ever written behind it.
        return Ok(Wal::default());
    }
    let mut reader = BufReader::with_capacity(64 * FRAME, &file);
    let mut header = [0; HEADER];
    reader.read_exact(&mut header)?;
    // The header is synchronised before the first frame is written, so it cannot be torn.
    let mut chain = Chain::begin(&header).ok_or(WalError::Damaged)?;

    let mut wal = Wal::default();
    let mut uncommitted = Vec::new();
    let mut frame = [0; FRAME];
    let mut index = 0;
    while index < frames {
        reader.read_exact(&mut frame)?;
        let Some((page, size)) = chain.take(&frame) else { break };
        uncommitted.push((page, (HEADER + FRAME_HEADER) as u64 + index * FRAME as u64));
        if size != 0 {
            wal.newest.extend(uncommitted.drain(..));
            wal.pages = Some(size);
        }
        index += 1;
    }
    // The frame at `index` is bad, or there is none. Frames of this log may follow up to
    // the end of the one transaction that was being written; none may follow that.
    let mut past_transaction = false;
    while index < frames {
        if chain.is_of_this_log(&frame) {
            if past_transaction {
                return Err(WalError::Damaged);
            }
            past_transaction = word(&frame, 4) != Some(0);
        }
        index += 1;
        if index < frames {
            reader.read_exact(&mut frame)?;
        }
    }
    wal.file = Some(file);
    Ok(wal)
}

/// The pages of the first so many frames. At most one number for each frame in the file.
pub(super) fn pages_in(path: &Path, frames: i64) -> io::Result<BTreeSet<u32>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let there = file.metadata()?.len().saturating_sub(HEADER as u64) / FRAME as u64;
    let frames = u64::try_from(frames).unwrap_or(0).min(there);
    let mut pages = BTreeSet::new();
    for index in 0..frames {
        let mut number = [0; 4];
        file.read_exact_at(&mut number, HEADER as u64 + index * FRAME as u64)?;
        pages.insert(u32::from_be_bytes(number));
    }
    Ok(pages)
}

/// The running checksum over header and frames.
struct Chain {
    little_endian: bool,
    salts: [u8; 8],
    sums: (u32, u32),
}

impl Chain {
    fn begin(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0)?;
        let is_known = magic & !1 == MAGIC && word(header, 4)? == FORMAT && word(header, 8)? == PAGE as u32;
        let mut chain = Self { little_endian: magic & 1 == 0, salts: *header.get(16..)?.first_chunk()?, sums: (0, 0) };
        chain.add(header.get(..24)?);
        (is_known && chain.sums == (word(header, 24)?, word(header, 28)?)).then_some(chain)
    }

    /// Page number and, at the end of a transaction, pages of the store, if the frame is the next one.
    fn take(&mut self, frame: &[u8; FRAME]) -> Option<(u32, u32)> {
        if !self.is_of_this_log(frame) {
            return None;
        }
        let before = self.sums;
        self.add(frame.get(..8)?);
        self.add(frame.get(FRAME_HEADER..)?);
        if self.sums != (word(frame, 16)?, word(frame, 20)?) || word(frame, 0)? == 0 {
            self.sums = before;
            return None;
        }
        Some((word(frame, 0)?, word(frame, 4)?))
    }

    fn is_of_this_log(&self, frame: &[u8; FRAME]) -> bool {
        frame.get(8..16).is_some_and(|salts| salts == self.salts)
    }

    fn add(&mut self, bytes: &[u8]) {
        let (mut a, mut b) = self.sums;
        let (pairs, _) = bytes.as_chunks::<8>();
        for [b0, b1, b2, b3, b4, b5, b6, b7] in pairs {
            let (x, y) = ([*b0, *b1, *b2, *b3], [*b4, *b5, *b6, *b7]);
            let (x, y) = if self.little_endian {
                (u32::from_le_bytes(x), u32::from_le_bytes(y))
            } else {
                (u32::from_be_bytes(x), u32::from_be_bytes(y))
            };
            a = a.wrapping_add(x).wrapping_add(b);
            b = b.wrapping_add(y).wrapping_add(a);
        }
        self.sums = (a, b);
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}
