//! The last that is done before the swarm ends.

use super::Driver;
use futures::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// How long closing connections may take at a stop.
const GOODBYE: Duration = Duration::from_millis(400);
/// How long servers may take for our last records.
const LAST_RECORDS: Duration = Duration::from_secs(2);

impl Driver {
    /// Lets servers that know of our last records take them.
    pub(super) async fn finish_publishing(&mut self) {
        let taken = async {
            while self.dht.is_taking() || self.lookups.are_taking() {
                let event = self.swarm.select_next_some().await;
                self.handle_event(event);
            }
        };
        let _ = timeout(LAST_RECORDS, taken).await;
    }

    pub(super) async fn say_goodbye(&mut self) {
        self.connections.close_all(&mut self.swarm);
        self.hushed = true;
        let closing = async {
            while !self.connections.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.handle_event(event);
            }
        };
        let _ = timeout(GOODBYE, closing).await;
    }
}
