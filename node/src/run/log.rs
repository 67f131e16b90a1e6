//! What `up -v` tells on stderr: that something happened, never to whom. No line holds an id, a name, an
//! address or a text, so a log may be shown to somebody who helps.

use crate::handle::NodeHandle;
use symbolon_core::seam::Event;
use tokio::sync::broadcast::error::RecvError;

/// Tells until the node ends.
pub(super) async fn tell(handle: NodeHandle) {
    let mut events = handle.subscribe();
    loop {
        match events.recv().await {
            Ok(numbered) => line(&numbered.event),
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "more happened than could be said"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn line(event: &Event) {
    match event {
        Event::Online { online: true, .. } => tracing::info!("a link to a friend is open"),
        Event::Online { online: false, .. } => tracing::info!("the last link to a friend has ended"),
        Event::Request(_) => tracing::info!("a request is new or has changed"),
        Event::Friend(_) => tracing::debug!("a friend is new or has changed"),
        Event::Room(_) => tracing::debug!("a room is new or has changed"),
        Event::Drafts => tracing::debug!("something else is being written"),
        Event::Message { .. } => tracing::debug!("a message has come"),
        Event::MessageState { .. } => tracing::debug!("a message of ours has got further"),
        Event::Warning(warning) => tracing::info!(?warning, "the node has something to say: see `symbolon status`"),
    }
}
