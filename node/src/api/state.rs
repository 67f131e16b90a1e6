//! What the handlers share.

use super::door::Door;
use super::events::EventLog;
use super::tokens::{Token, Tokens};
use crate::handle::NodeHandle;
use serde_json::Value;
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
    /// What the API says of itself.
    pub(super) describe: fn() -> Value,
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

    pub(super) fn describe(&self) -> Value {
        (self.0.describe)()
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
