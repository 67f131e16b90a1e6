//! What `up -v` tells on stderr: that something happened, never to whom. No line holds an id, a name, an
//! address or a text, so a log may be shown to somebody who helps.

use crate::api;
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
    if let Event::Online { online: true, .. } = event {
        tracing::info!("a link to a friend is open");
    } else if let Event::Online { online: false, .. } = event {
        tracing::info!("the last link to a friend has ended");
    } else if let Event::Request(_) = event {
        tracing::info!("a request is new or has changed");
    } else if let Event::Warning(warning) = event {
        tracing::info!(?warning, "the node has something to say: see `symbolon status`");
    } else {
        let (kind, _) = api::event(event);
        tracing::debug!(kind, "something is new or has changed");
    }
}
