//! What comes of questions to hubs, ours and those that we are asked.

use super::Driver;
use libp2p::request_response::{self, Message};

impl Driver {
    pub(super) fn handle_hub(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        let Self { hubs, connections, shared, .. } = self;
        match event {
            request_response::Event::Message { connection_id, message: Message::Request { request_id, request, channel }, .. } => {
                let remote = connections.direct(connection_id).map(|(_, remote)| remote);
                hubs.asks((request_id, connection_id), shared.source_of(remote), request, channel);
            }
            request_response::Event::Message { message: Message::Response { request_id, response }, .. } => {
                hubs.answered(request_id, Some(response));
            }
            request_response::Event::OutboundFailure { request_id, .. } => hubs.answered(request_id, None),
            request_response::Event::InboundFailure { request_id, .. } => hubs.gone(request_id),
            request_response::Event::ResponseSent { .. } => {}
        }
    }
}
