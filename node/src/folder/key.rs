//! The store's key, as it lies in the folder: in the clear, or sealed under a passphrase.
//!
//! The key itself is random in both cases, so that a passphrase can later be changed by
//! replacing one small file. Both files also carry the store's 16-byte salt, which stands
//! at the beginning of the store: with it, a key and a store that do not belong together
//! are distinguished from a damaged store. Each ends with a checksum, so that a damaged key file is
//! distinguished from a wrong passphrase.
//!
//! ```text
//! store.key   "symbolon key  1\n"  key 32  salt 16                                  checksum 16
//! store.salt  "symbolon salt 1\n"  memory 4  passes 4  lanes 4  argon salt 16
//!                                  salt 16  key sealed by ChaCha20-Poly1305 48      checksum 16
//! ```
//! Numbers are big-endian, memory is in KiB, the checksum is the first half of SHA-256 over
//! everything before it. The sealing key is Argon2id (RFC 9106) of the passphrase; it is used
//! for one sealing only (fresh argon salt each time), so its nonce is zero. Everything before
//! the sealed key is its associated data.

use super::{Folder, write};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Name of the file with the key in the clear.
pub const KEY_FILE: &str = "store.key";
/// Name of the file with the key sealed under a passphrase.
pub const SALT_FILE: &str = "store.salt";
/// Longest passphrase, in bytes.
pub const PASSPHRASE_MAX: usize = 1024;

/// Argon2id for new folders: 64 MiB, 3 passes, 1 lane (RFC 9106 section 4, second choice, with one lane).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// The most that a file may ask of us.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;

const KEY_MAGIC: &[u8; 16] = b"symbolon key  1\n";
const SALT_MAGIC: &[u8; 16] = b"symbolon salt 1\n";
const CHECKSUM: usize = 16;
const FILE_LIMIT: u64 = 4096;

/// The key of a store and the salt of its file.
#[derive(Clone)]
pub struct StoreKey {
    /// Encrypts the store (SQLCipher raw key).
    pub(crate) key: Zeroizing<[u8; 32]>,
    /// First bytes of the store's file. Not secret.
    pub(crate) salt: [u8; 16],
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

impl StoreKey {
    /// Draws a key and a salt from the operating system.
    pub fn random() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let mut salt = [0; 16];
        getrandom::fill(key.as_mut()).map_err(io::Error::other)?;
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        Ok(Self { key, salt })
    }
}

/// What the user knows and the disk does not.
#[derive(Clone)]
pub struct Passphrase {
    text: Zeroizing<Vec<u8>>,
    /// The whole file, if it has more than its first line: folders of before were sealed under that.
    whole: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// Takes a passphrase; `None` when it is empty or longer than [`PASSPHRASE_MAX`].
    pub fn new(text: &[u8]) -> Option<Self> {
        (1..=PASSPHRASE_MAX).contains(&text.len()).then(|| Self { text: Zeroizing::new(text.to_vec()), whole: None })
    }

    /// Reads a passphrase from a file that nobody else can read: its first line, without the line's end.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "no passphrase, or a longer one than 1024 bytes");
        let mut file = fs::File::open(path)?;
        // Asked of the file that is open: a name can be changed in between. A pipe has one reader.
        let metadata = file.metadata()?;
        let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
        if metadata.is_file() && (metadata.mode() & 0o044 != 0 || !is_ours) {
            return Err(PassphraseError::Exposed);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_MAX + 3));
        (&mut file).take(PASSPHRASE_MAX as u64 + 3).read_to_end(&mut bytes)?;
        let line = |text: &[u8]| Self::new(text.strip_suffix(b"\r").unwrap_or(text));
        let whole = line(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
        let first = line(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default());
        let passphrase = first.or_else(|| whole.clone()).ok_or_else(invalid)?;
        let whole = whole.map(|whole| whole.text).filter(|whole| *whole != passphrase.text);
        Ok(Self { whole, ..passphrase })
    }
}

/// Why there is no passphrase.
#[derive(Debug)]
pub enum PassphraseError {
    /// Other users can read the file, or it is somebody else's.
    Exposed,
    /// It cannot be read, or holds no passphrase.
    Io(io::Error),
}

impl From<io::Error> for PassphraseError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How the key lies in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// In the clear beside the store: anyone who reads the disk reads the store.
    Plain,
    /// Sealed under a passphrase.
    Passphrase,
}

/// Why there is no key. Nothing was changed.
#[derive(Debug)]
pub enum KeyError {
    /// The passphrase does not open this folder.
    WrongPassphrase {
        /// The file it was tried on.
        file: PathBuf,
    },
    /// The folder needs a passphrase and none was given.
    PassphraseNeeded {
        /// The sealed key's file.
        file: PathBuf,
    },
    /// A passphrase was given and the folder's key lies in the clear.
    PassphraseNotUsed {
        /// The clear key's file.
        file: PathBuf,
    },
    /// The folder holds a clear key and a sealed one.
    TwoKeys {
        /// The clear key's file.
        file: PathBuf,
    },
    /// There is a store but no key.
    Missing {
        /// Where the key should be.
        file: PathBuf,
    },
    /// The key's file is damaged.
    Damaged {
        /// The key's file.
        file: PathBuf,
    },
    /// The operating system refused.
    Io {
        /// The key's file.
        file: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WrongPassphrase { file } => write!(f, "wrong passphrase: it does not open {}", file.display()),
            Self::PassphraseNeeded { file } => write!(f, "the key in {} is sealed under a passphrase and none was given", file.display()),
            Self::PassphraseNotUsed { file } => {
                write!(f, "a passphrase was given, but the key of this folder lies in the clear in {}", file.display())
            }
            Self::TwoKeys { file } => write!(f, "both {} and {SALT_FILE} are there; only one can be right", file.display()),
            Self::Missing { file } => write!(f, "there is a store ({}) but its key is missing: {}", super::STORE_FILE, file.display()),
            Self::Damaged { file } => write!(f, "the key file is damaged: {}", file.display()),
            Self::Io { file, error } => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for KeyError {}

impl Folder {
    /// How the key lies in the folder; `None` when there is none yet.
    pub fn key_kind(&self) -> Result<Option<KeyKind>, KeyError> {
        let (plain, sealed) = (self.path().join(KEY_FILE), self.path().join(SALT_FILE));
        let exists = |file: &Path| file.try_exists().map_err(|error| KeyError::Io { file: file.to_path_buf(), error });
        match (exists(&plain)?, exists(&sealed)?) {
            (true, true) => Err(KeyError::TwoKeys { file: plain }),
            (true, false) => Ok(Some(KeyKind::Plain)),
            (false, true) => Ok(Some(KeyKind::Passphrase)),
            (false, false) => Ok(None),
        }
    }

    /// Reads the store's key; `None` when there is none yet.
    pub fn load_key(&self, passphrase: Option<&Passphrase>) -> Result<Option<StoreKey>, KeyError> {
        let Some(kind) = self.key_kind()? else { return Ok(None) };
        let file = self.path().join(file_of(kind));
        let read = || match write::read_bounded(&file, FILE_LIMIT) {
            Ok(bytes) => Ok(Zeroizing::new(bytes.unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(KeyError::Damaged { file: file.clone() }),
            Err(error) => Err(KeyError::Io { file: file.clone(), error }),
        };
        match (kind, passphrase) {
            (KeyKind::Plain, Some(_)) => Err(KeyError::PassphraseNotUsed { file }),
            (KeyKind::Passphrase, None) => Err(KeyError::PassphraseNeeded { file }),
            (KeyKind::Plain, None) => decode_plain(&read()?).map(Some).ok_or(KeyError::Damaged { file: file.clone() }),
            (KeyKind::Passphrase, Some(passphrase)) => match unseal_either(&read()?, passphrase) {
                Ok(key) => Ok(Some(key)),
                Err(UnsealError::Damaged) => Err(KeyError::Damaged { file: file.clone() }),
                Err(UnsealError::WrongPassphrase) => Err(KeyError::WrongPassphrase { file: file.clone() }),
            },
        }
    }

    /// Writes the store's key, once, when the folder is founded.
    pub(crate) fn save_key(&self, key: &StoreKey, passphrase: Option<&Passphrase>) -> Result<(), KeyError> {
        let kind = if passphrase.is_some() { KeyKind::Passphrase } else { KeyKind::Plain };
        let file = self.path().join(file_of(kind));
        let bytes = match passphrase {
            None => Ok(encode_plain(key)),
            Some(passphrase) => seal(key, passphrase),
        };
        bytes.and_then(|bytes| write::replace_private(&file, &bytes)).map_err(|error| KeyError::Io { file, error })
    }
}

fn file_of(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Plain => KEY_FILE,
        KeyKind::Passphrase => SALT_FILE,
    }
}

fn encode_plain(key: &StoreKey) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(80));
    bytes.extend_from_slice(KEY_MAGIC);
    bytes.extend_from_slice(key.key.as_ref());
    bytes.extend_from_slice(&key.salt);
    append_checksum(&mut bytes);
    bytes
}

fn decode_plain(bytes: &[u8]) -> Option<StoreKey> {
    let body = checked_body(bytes)?.strip_prefix(KEY_MAGIC)?;
    let (key, salt) = body.split_first_chunk::<32>()?;
    Some(StoreKey { key: Zeroizing::new(*key), salt: salt.try_into().ok()? })
}

fn seal(key: &StoreKey, passphrase: &Passphrase) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut argon_salt = [0; 16];
    getrandom::fill(&mut argon_salt).map_err(io::Error::other)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(140));
    bytes.extend_from_slice(SALT_MAGIC);
    for number in [MEMORY_KIB, PASSES, LANES] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&argon_salt);
    bytes.extend_from_slice(&key.salt);
    let failed = || io::Error::other("the key could not be sealed");
    let sealing = stretch(&passphrase.text, &argon_salt, MEMORY_KIB, PASSES, LANES).ok_or_else(failed)?;
    let cipher = ChaCha20Poly1305::new(&Key::from(*sealing));
    let sealed = cipher.encrypt(&Nonce::default(), Payload { msg: key.key.as_ref(), aad: &bytes }).map_err(|_| failed())?;
    bytes.extend_from_slice(&sealed);
    append_checksum(&mut bytes);
    Ok(bytes)
}

enum UnsealError {
    Damaged,
    WrongPassphrase,
}

/// Opens the key with the first line of the passphrase's file, or else with all of it.
fn unseal_either(bytes: &[u8], passphrase: &Passphrase) -> Result<StoreKey, UnsealError> {
    match (unseal(bytes, &passphrase.text), &passphrase.whole) {
        (Err(UnsealError::WrongPassphrase), Some(whole)) => unseal(bytes, whole),
        (result, _) => result,
    }
}

fn unseal(bytes: &[u8], passphrase: &[u8]) -> Result<StoreKey, UnsealError> {
    let damaged = || UnsealError::Damaged;
    let body = checked_body(bytes).ok_or_else(damaged)?;
    let (aad, sealed) = body.split_last_chunk::<48>().ok_or_else(damaged)?;
    let rest = aad.strip_prefix(SALT_MAGIC).ok_or_else(damaged)?;
    let (memory, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (passes, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (lanes, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (argon_salt, salt) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
    let salt = salt.try_into().map_err(|_| UnsealError::Damaged)?;
    let (memory, passes, lanes) = (u32::from_be_bytes(*memory), u32::from_be_bytes(*passes), u32::from_be_bytes(*lanes));
    if memory > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
        return Err(UnsealError::Damaged);
    }
    let sealing = stretch(passphrase, argon_salt, memory, passes, lanes).ok_or_else(damaged)?;
    let cipher = ChaCha20Poly1305::new(&Key::from(*sealing));
    let opened = cipher.decrypt(&Nonce::default(), Payload { msg: sealed, aad }).map_err(|_| UnsealError::WrongPassphrase)?;
    let opened = Zeroizing::new(opened);
    let key = opened.as_slice().try_into().map_err(|_| UnsealError::Damaged)?;
    Ok(StoreKey { key: Zeroizing::new(key), salt })
}

fn stretch(passphrase: &[u8], salt: &[u8; 16], memory: u32, passes: u32, lanes: u32) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(passphrase, salt, key.as_mut()).ok()?;
    Some(key)
}

fn append_checksum(bytes: &mut Vec<u8>) {
    let digest = Sha256::digest(&bytes);
    bytes.extend(digest.iter().take(CHECKSUM));
}

fn checked_body(bytes: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    (Sha256::digest(body).iter().take(CHECKSUM).eq(checksum)).then_some(body)
}

#[cfg(test)]
mod tests;
