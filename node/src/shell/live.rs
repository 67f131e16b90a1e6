//! The real parts of the turn loop: [`Core`], MLS rooms, libp2p.

use super::parts::{LoadFailed, Machine, Parts, Transport, TurnCipher};
use crate::lan::LanHandle;
use crate::mls::{MlsCipher, MlsRows, RowsError};
use crate::net::NetHandle;
use crate::store::MlsTable;
use crate::store::Store;
use std::rc::Rc;
use symbolon_core::seam::{Action, Announcement, Event, Input, NetAction, Network};
use symbolon_core::table::Change;
use symbolon_core::world::{CipherError, Shelf, World};
use symbolon_core::{Core, CoreConfig, LoadError, TurnFailed};
use symbolon_presence::time::Timestamp;

impl Machine for Core {
    fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed> {
        Self::handle(self, now, input, world)
    }

    fn close_turn(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed> {
        Self::close_turn(self, now, world)
    }

    fn is_learned_again(&self) -> bool {
        Self::is_learned_again(self)
    }

    fn poll_change(&mut self) -> Option<Change> {
        Self::poll_change(self)
    }

    fn poll_action(&mut self) -> Option<Action> {
        Self::poll_action(self)
    }

    fn poll_event(&mut self) -> Option<Event> {
        Self::poll_event(self)
    }

    fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        Self::poll_timeout(self)
    }

    fn moves(&self) -> bool {
        Self::moves(self)
    }
}

impl MlsRows for MlsTable {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Self::get(self, key).map_err(|_| RowsError)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        Self::put(self, key, value).map_err(|_| RowsError)
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        Self::delete(self, key).map_err(|_| RowsError)
    }
}

impl TurnCipher for MlsCipher<MlsTable> {
    fn flush(&mut self) -> Result<(), CipherError> {
        Self::flush(self)
    }
}

/// The network and, where it is looked at, the LAN.
pub(crate) struct Ways {
    pub(crate) net: NetHandle,
    pub(crate) lan: Option<LanHandle>,
}

impl Transport for Ways {
    fn act(&mut self, action: NetAction) {
        self.net.act(action);
    }

    fn announce(&mut self, shown: Vec<(Network, Announcement)>) {
        if let Some(lan) = &self.lan {
            lan.announce(shown);
        }
    }

    fn reset(&mut self) {
        self.net.reset();
        if let Some(lan) = &self.lan {
            lan.reset();
        }
    }
}

/// Makes core and cipher over the store.
#[derive(Debug)]
pub struct LiveParts {
    /// What the core is given at its first start in this process.
    pub config: CoreConfig,
}

impl Parts for LiveParts {
    type Machine = Core;
    type Cipher = MlsCipher<MlsTable>;

    fn cipher(&mut self, store: &Rc<Store>) -> Self::Cipher {
        MlsCipher::new(MlsTable::new(store.clone()))
    }

    fn machine(&mut self, shelf: &dyn Shelf, now: Timestamp, rng_seed: [u8; 32]) -> Result<Core, LoadFailed> {
        // A rename by flag holds once: the user may choose another name while the node runs.
        let config = CoreConfig { name: self.config.name.take(), ..self.config.clone() };
        Core::load(config, shelf, now, rng_seed).map_err(|error| match error {
            LoadError::BadName => LoadFailed("the name is empty, longer than 64 bytes, or has control characters"),
            LoadError::Store(TurnFailed(what)) => LoadFailed(what),
        })
    }
}
