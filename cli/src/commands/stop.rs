//! `stop`: ends the node, and comes back when its process has ended.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use serde_json::json;
use std::time::{Duration, Instant};
use symbolon_node::folder::is_in_use;

/// How long a node may take.
const STOP_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn run(client: &Client, output: Output) -> Result<(), Failure> {
    client.post("/api/v1/stop", &json!({}))?;
    let end = Instant::now() + STOP_WITHIN;
    // The folder is held until the process ends.
    while is_in_use(client.folder()) {
        if Instant::now() > end {
            return Err(Failure::new("timed_out", "the node has not stopped yet", "Look again in a moment with `symbolon status`."));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    output.show(&json!({ "event": "stopped" }), |_| "The node has stopped.\n".to_owned())
}
