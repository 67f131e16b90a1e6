//! Tests ask for packages and use them, as rooms of several people do.

use crate::Core;
use crate::packages::{self, VerifiedPackage};
use crate::turn::TurnFailed;
use crate::wire::{LeafOwner, Seat, Ways};
use crate::world::World;
use symbolon_presence::id::{PeerId, PublicKeyBytes};
use symbolon_presence::time::Timestamp;

/// A package of a friend's device, of which everything was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchedPackage {
    /// Whose.
    pub peer: PeerId,
    /// The leaf's signature public key.
    pub leaf: PublicKeyBytes,
    /// By which the device is added.
    pub key_package: Vec<u8>,
    /// Whether others may be given the same one.
    pub last_resort: bool,
    /// At how many relays the device may be written to.
    pub relays: usize,
    /// What members of a room hear of it.
    pub seat: Seat,
}

impl std::fmt::Debug for FetchedPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FetchedPackage(..)")
    }
}

impl Core {
    /// Asks for a package of a friend's first device.
    pub fn fetch_package(&mut self, now: Timestamp, friend: PeerId, world: &mut World<'_>) -> Result<(), TurnFailed> {
        let Self { machines, rng, out } = self;
        machines.state.clock.turn(now);
        let mut turn = machines.state.turn(rng, &mut *world.cipher, world.shelf, out);
        let device = machines.state.friends.get(&friend).and_then(|friend| friend.devices.first().copied());
        let Some(device) = device else { return Err(TurnFailed("no such friend")) };
        machines.packages.keep_at_hand(device);
        machines.packages.fetch(&machines.state, &mut machines.delivery, &mut machines.relays, &mut turn, device);
        machines.close_turn(&mut turn)
    }

    /// What has become of that since this was last asked, or why there is none.
    pub fn take_packages(&mut self) -> Vec<Result<FetchedPackage, String>> {
        let shown = |package: VerifiedPackage| FetchedPackage {
            peer: package.device.peer,
            leaf: package.leaf,
            key_package: package.key_package,
            last_resort: package.last_resort,
            relays: package.relays.len(),
            seat: Seat {
                owner: LeafOwner { leaf: package.leaf, chain: Some(package.chain), key: package.key },
                ways: Ways {
                    name: String::new(),
                    own: package.own,
                    relay_mailboxes: package.relays,
                    seed: package.seed,
                    capabilities: package.capabilities,
                },
            },
        };
        let done = self.machines.packages.take_fetched_at_hand().into_iter();
        done.map(|fetched| fetched.map(shown).map_err(|why| format!("{why:?}"))).collect()
    }

    /// Of how many devices it makes sense to ask for one again, since this was last asked.
    pub fn take_ready(&mut self) -> usize {
        self.machines.packages.take_ready_at_hand().len()
    }

    /// As if a Welcome had come to this leaf. Whether it was a package of ours that may be used.
    pub fn use_package(&mut self, now: Timestamp, leaf: &PublicKeyBytes, world: &mut World<'_>) -> Result<bool, TurnFailed> {
        let Self { machines, rng, out } = self;
        machines.state.clock.turn(now);
        let mut turn = machines.state.turn(rng, &mut *world.cipher, world.shelf, out);
        let is_ours = packages::used(&mut machines.state, &mut turn, leaf).is_some();
        machines.close_turn(&mut turn)?;
        Ok(is_ours)
    }
}
