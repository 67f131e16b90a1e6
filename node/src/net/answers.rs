//! What the task that owns the swarm tells the core, in order.

use crate::net::limits::{DHT_ANSWERS_MAX, DHT_QUERIES_MAX};
use symbolon_core::seam::Input;
use tokio::sync::mpsc;

/// A queue of its own: the core's may be full for a while, and the task does not wait.
#[derive(Debug, Clone)]
pub(super) struct Answers(mpsc::Sender<Input>);

impl Answers {
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        let (answers, mut waiting) = mpsc::channel((DHT_ANSWERS_MAX + 1) * DHT_QUERIES_MAX);
        tokio::spawn(async move {
            while let Some(input) = waiting.recv().await {
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
        });
        Self(answers)
    }

    pub(super) fn tell(&self, input: Input) {
        // Full only when the core has stood still for hundreds of answers; it gives up on them by itself.
        let _ = self.0.try_send(input);
    }
}
