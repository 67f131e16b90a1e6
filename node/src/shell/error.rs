//! Why the turn loop ends by itself.

use crate::store::{OpenError, StoreError};

/// Why the loop ended before it was asked to.
#[derive(Debug)]
pub enum RunError {
    /// The store is damaged.
    Store(OpenError),
    /// The store failed where nothing can proceed without it.
    Failed(StoreError),
    /// The core could not be loaded.
    Load(&'static str),
    /// The folder is to become a device of its own before a core is made again.
    Moves,
    /// The operating system refused a thread's means.
    System(std::io::Error),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Failed(error) => write!(f, "the store failed: {error}"),
            Self::Load(what) => write!(f, "the node's state cannot be read: {what}"),
            Self::Moves => f.write_str("the folder becomes a device of its own"),
            Self::System(error) => write!(f, "the core cannot run: {error}"),
        }
    }
}

impl std::error::Error for RunError {}
