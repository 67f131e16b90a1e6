//! Opens a node: folder, store, network, core thread.

use super::{Opened, RunConfig, RunError};

/// Opens the node of a data folder. Fails in this build, which has no node thread yet.
pub async fn open(_config: RunConfig) -> Result<Opened, RunError> {
    Err(RunError::new("not_available", "this build cannot run a node yet", "Use a build that has the node thread."))
}
