//! Somebody at a node's folder while the node is off: the core of the folder does what no honest node does, and the node that is
//! started afterwards sends it.

use super::server::now;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use symbolon_core::table::Table;
use symbolon_core::world::{Shelf, ShelfMut, World};
use symbolon_core::{Core, CoreConfig};
use symbolon_node::folder::Folder;
use symbolon_node::mls::MlsCipher;
use symbolon_node::store::{MlsTable, Turn};
use symbolon_presence::time::Timestamp;
use symbolon_tests::node::Node;

fn apply(core: &mut Core, turn: &mut Turn<'_>) {
    while let Some(change) = core.poll_change() {
        turn.apply(&change).unwrap();
    }
}

/// One turn in the folder of a node that was stopped.
pub(super) fn inside<T>(node: &Node, does: impl FnOnce(&mut Core, Timestamp, &mut World<'_>) -> T) -> T {
    static TURN: AtomicU64 = AtomicU64::new(1);
    let mut seed = [0x1d; 32];
    seed[..8].copy_from_slice(&TURN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let folder = Folder::open(node.folder()).unwrap();
    let store = Rc::new(folder.open_store(None).unwrap());
    let mut cipher = MlsCipher::new(MlsTable::new(store.clone()));
    let (mut turn, at) = (store.begin().unwrap(), now());
    let config = CoreConfig { name: None, lookups: Vec::new(), lan_dht: false, hub: false };
    let mut core = Core::load(config, &turn, at, seed).unwrap();
    apply(&mut core, &mut turn);
    let done = does(&mut core, at, &mut World { cipher: &mut cipher, shelf: &turn });
    apply(&mut core, &mut turn);
    core.close_turn(at, &mut World { cipher: &mut cipher, shelf: &turn }).unwrap();
    apply(&mut core, &mut turn);
    cipher.flush().unwrap();
    turn.commit().unwrap();
    done
}

/// The rows of a table in the folder of a node that was stopped.
pub(super) fn rows(node: &Node, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = Folder::open(node.folder()).unwrap().open_store(None).unwrap();
    store.begin().unwrap().range(table, &[], 1_024).unwrap()
}
