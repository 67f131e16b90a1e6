//! What the handlers share.

use super::door::Door;
use super::events::EventLog;
use super::tokens::{Token, Tokens};
use crate::handle::NodeHandle;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) node: NodeHandle,
    pub(super) tokens: Tokens,
    pub(super) log: Arc<EventLog>,
    pub(super) door: Door,
    pub(super) address: SocketAddr,
    pub(super) hosts: [String; 3],
}

impl ApiState {
    pub(super) fn node(&self) -> &NodeHandle {
        &self.0.node
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    pub(super) fn log(&self) -> &Arc<EventLog> {
        &self.0.log
    }

    /// What a request's `Host` may say.
    pub(super) fn hosts(&self) -> &[String] {
        &self.0.hosts
    }

    pub(super) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(super) fn page_address(&self, token: &Token) -> String {
        format!("http://{}/?token={}", self.0.address, token.secret())
    }
}
