//! What waits for the core: commands and network inputs, taken in turns.
//!
//! Bounded by its channels: [`COMMAND_QUEUE`](crate::handle::COMMAND_QUEUE) and
//! [`INPUT_QUEUE`](super::INPUT_QUEUE). It takes nothing out before there is room in a turn.

use crate::handle::CommandRequest;
use symbolon_core::seam::Input;
use tokio::sync::mpsc;

/// One thing for the core.
pub(super) enum Item {
    Command(CommandRequest),
    Input(Input),
}

/// The receiving ends of both queues. A queue without senders is set aside.
pub(super) struct Inbox {
    commands: Option<mpsc::Receiver<CommandRequest>>,
    inputs: Option<mpsc::Receiver<Input>>,
    /// Whose turn it is, so that neither queue starves the other.
    inputs_first: bool,
}

impl Inbox {
    pub(super) fn new(commands: mpsc::Receiver<CommandRequest>, inputs: mpsc::Receiver<Input>) -> Self {
        // What the network knew at the start comes before the first command.
        Self { commands: Some(commands), inputs: Some(inputs), inputs_first: true }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let are_commands = self.commands.as_ref().is_none_or(mpsc::Receiver::is_empty);
        are_commands && self.inputs.as_ref().is_none_or(mpsc::Receiver::is_empty)
    }

    /// Waits for the next item; network inputs only `with_inputs`. Taken or left whole when
    /// the waiting is given up.
    pub(super) async fn wait(&mut self, with_inputs: bool) -> Item {
        if let Some(item) = self.next(with_inputs) {
            return item;
        }
        loop {
            let Self { commands, inputs, .. } = self;
            let inputs_open = with_inputs && inputs.is_some();
            tokio::select! {
                biased;
                command = receive(commands), if commands.is_some() => match command {
                    Some(command) => {
                        self.inputs_first = true;
                        return Item::Command(command);
                    }
                    None => self.commands = None,
                },
                input = receive(inputs), if inputs_open => match input {
                    Some(input) => {
                        self.inputs_first = false;
                        return Item::Input(input);
                    }
                    None => self.inputs = None,
                },
                else => return std::future::pending().await,
            }
        }
    }

    /// The next item that is there already, from either queue in turns.
    pub(super) fn next(&mut self, with_inputs: bool) -> Option<Item> {
        for _ in 0..2 {
            let item = if self.inputs_first {
                let input = self.inputs.as_mut().filter(|_| with_inputs).and_then(|inputs| inputs.try_recv().ok());
                input.map(Item::Input)
            } else {
                self.commands.as_mut().and_then(|commands| commands.try_recv().ok()).map(Item::Command)
            };
            self.inputs_first = !self.inputs_first;
            if item.is_some() {
                return item;
            }
        }
        None
    }
}

async fn receive<T>(queue: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match queue {
        Some(queue) => queue.recv().await,
        None => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use symbolon_core::command::Command;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_the_network_knew_at_the_start_comes_before_the_first_command() {
        let (commands, take_commands) = mpsc::channel(4);
        let (inputs, take_inputs) = mpsc::channel(4);
        inputs.try_send(Input::Addresses(Vec::new())).unwrap();
        for _ in 0..2 {
            commands.try_send(CommandRequest { command: Command::Status, reply: oneshot::channel().0 }).unwrap();
        }
        let mut inbox = Inbox::new(take_commands, take_inputs);
        assert!(matches!(inbox.wait(true).await, Item::Input(Input::Addresses(_))));
        assert!(matches!(inbox.wait(true).await, Item::Command(_)));
        inputs.try_send(Input::Addresses(Vec::new())).unwrap();
        assert!(matches!(inbox.wait(true).await, Item::Input(_)), "by turns");
        assert!(matches!(inbox.wait(true).await, Item::Command(_)));
    }
}
