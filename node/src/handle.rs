//! How the face (local API, command line) talks to the running node.

use crate::health::Health;
use std::sync::Arc;
use symbolon_core::command::{Command, CommandError, Reply};
use symbolon_core::seam::Event;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Commands waiting for the core thread; the next caller waits.
pub const COMMAND_QUEUE: usize = 256;
/// Events kept for a slow subscriber; then it hears that it lagged and reads again.
pub const EVENT_QUEUE: usize = 1_024;

/// One command on its way to the core thread.
#[derive(Debug)]
pub struct CommandRequest {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reply, CommandError>>,
}

/// A numbered event. Numbers rise by one and start again with each process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedEvent {
    /// Its number.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// The node has stopped and answers nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// A running node, as seen by its face. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    commands: mpsc::Sender<CommandRequest>,
    events: broadcast::Sender<NumberedEvent>,
    stop: Arc<watch::Sender<bool>>,
    health: Health,
}

impl NodeHandle {
    /// Joins the ends of a node. The other ends belong to the core thread.
    pub fn new(
        commands: mpsc::Sender<CommandRequest>,
        events: broadcast::Sender<NumberedEvent>,
        stop: Arc<watch::Sender<bool>>,
        health: Health,
    ) -> Self {
        Self { commands, events, stop, health }
    }

    /// What is known of the node's condition beside what the core tells.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Carries out one command. The answer comes once its turn is durable.
    pub async fn command(&self, command: Command) -> Result<Result<Reply, CommandError>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(CommandRequest { command, reply }).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<NumberedEvent> {
        self.events.subscribe()
    }

    /// Asks the node to stop cleanly.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves when a stop was asked for.
    pub async fn stopping(&self) {
        let mut watch = self.stop.subscribe();
        // An error means that the sender is gone, which is as good as a stop.
        let _ = watch.wait_for(|stop| *stop).await;
    }
}
