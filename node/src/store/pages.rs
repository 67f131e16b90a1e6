//! One page of the store's file, as SQLCipher 4 writes it, and whether it is genuine.
//!
//! A page is 4,096 B: ciphertext 4,048, IV 16, HMAC-SHA256 32. The HMAC covers ciphertext,
//! IV and page number (4 B, little-endian); on page 1 the ciphertext begins after the
//! 16-byte salt. Its key is PBKDF2-HMAC-SHA512 (2 rounds) of the store's key with the
//! salt, each byte XOR 0x3A. Source: SQLCipher's design page and `sqlcipher_page_hmac`.
//!
//! Checking pages without SQLite means that a damaged file is refused before anything
//! that could write has opened it, with a time limit, and page by page.

use crate::folder::key::StoreKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Bytes of the salt at the beginning of the file.
pub(super) const SALT: usize = 16;
const MAC: usize = 32;
const SALT_MASK: u8 = 0x3A;
/// SQLite's lock-byte page, at 1 GiB, is never written.
const LOCK_PAGE: u32 = 0x4000_0000 / PAGE as u32 + 1;

/// Checks pages of one store.
#[derive(Clone)]
pub(super) struct PageSeal(Hmac<Sha256>);

impl PageSeal {
    /// Derives the checking key. `None` never happens: HMAC takes keys of any length.
    pub(super) fn new(key: &StoreKey) -> Option<Self> {
        let mut block = [0; SALT + 4];
        for (byte, salt) in block.iter_mut().zip(key.salt) {
            *byte = salt ^ SALT_MASK;
        }
        if let Some(counter) = block.last_mut() {
            *counter = 1;
        }
        let round =
            |message: &[u8]| Some(Hmac::<Sha512>::new_from_slice(key.key.as_ref()).ok()?.chain_update(message).finalize().into_bytes());
        let first = round(&block)?;
        let second = round(&first)?;
        let mut mac_key = Zeroizing::new([0; 32]);
        for (byte, (a, b)) in mac_key.iter_mut().zip(first.iter().zip(second.iter())) {
            *byte = a ^ b;
        }
        Hmac::new_from_slice(mac_key.as_ref()).ok().map(Self)
    }

    /// Whether `page` is what was written as page `number` (counted from 1) of this store.
    pub(super) fn is_genuine(&self, number: u32, page: &[u8; PAGE]) -> bool {
        if number == LOCK_PAGE {
            return true;
        }
        let Some((body, mac)) = page.split_last_chunk::<MAC>() else { return false };
        let body = if number == 1 { body.get(SALT..).unwrap_or_default() } else { body };
        self.0.clone().chain_update(body).chain_update(number.to_le_bytes()).verify_slice(mac).is_ok()
    }
}
