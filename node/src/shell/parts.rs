//! What the turn loop is put together from: core, room cipher and transport, each behind a trait.

use crate::store::Store;
use std::rc::Rc;
use symbolon_core::TurnFailed;
use symbolon_core::seam::{Action, Announcement, Event, Input, NetAction, Network};
use symbolon_core::table::Change;
use symbolon_core::world::{CipherError, RoomCipher, Shelf, World};
use symbolon_presence::time::Timestamp;

/// The core as the loop drives it.
pub trait Machine {
    /// Takes in one input. Fails only when the store does.
    fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed>;
    /// Ends the turn: whatever is written once for all its inputs.
    fn close_turn(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed>;
    /// Whether what the turn has written is learned again, should it be lost: it may become durable together with the
    /// next turn. Asked once after `close_turn`.
    fn is_learned_again(&self) -> bool;
    /// The next write, in order. Asked after each `handle` and `close_turn`.
    fn poll_change(&mut self) -> Option<Change>;
    /// The next action, in order. Asked once the turn is durable.
    fn poll_action(&mut self) -> Option<Action>;
    /// The next event, in order. Asked once the turn is durable.
    fn poll_event(&mut self) -> Option<Event>;
    /// When the core wants an [`Input::Tick`], and what for.
    fn poll_timeout(&self) -> Option<(Timestamp, &'static str)>;
    /// Whether this folder is to become a device of its own. Asked once the turn is durable.
    fn moves(&self) -> bool {
        false
    }
}

/// A room cipher that keeps its writes back until the turn ends.
pub trait TurnCipher: RoomCipher {
    /// Writes everything kept back into the open turn.
    fn flush(&mut self) -> Result<(), CipherError>;
}

/// Makes core and cipher from the store: at start, and again after each failed turn.
pub trait Parts {
    /// Whether the loop itself logs that a turn has failed.
    const LOGS_FAILURES: bool = true;
    /// The core.
    type Machine: Machine;
    /// The room cipher.
    type Cipher: TurnCipher;

    /// Makes the room cipher.
    fn cipher(&mut self, store: &Rc<Store>) -> Self::Cipher;
    /// Loads the core. Its changes, if any, become part of the first turn.
    fn machine(&mut self, shelf: &dyn Shelf, now: Timestamp, rng_seed: [u8; 32]) -> Result<Self::Machine, LoadFailed>;
}

/// The core cannot be loaded from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadFailed(pub &'static str);

/// Where actions go. Nothing here waits.
pub trait Transport {
    /// Does something on the network.
    fn act(&mut self, action: NetAction);
    /// See [`Action::Announce`].
    fn announce(&mut self, shown: Vec<(Network, Announcement)>);
    /// The core has lost its memory of links, dials and own addresses: ends every link and
    /// dial, each with its [`Input::LinkDown`] or [`Input::DialFailed`] (a core that does not
    /// know them ignores these), and tells [`Input::Addresses`] again.
    fn reset(&mut self);
}
