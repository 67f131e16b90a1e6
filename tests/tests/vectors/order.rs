//! Shared rooms: what members agree on, and which of several commits stands.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::order::{Committer, Rival, winner};
use symbolon_core::wire::Role;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, EpochId, PeerId};
use symbolon_tests::samples::{self, ROOM};

pub fn vectors() -> Vec<Value> {
    let roster = samples::roster();
    let users: Vec<Value> = roster.users.iter().map(|user| json!([hex(user.user.as_bytes()), user.role as u8, user.came_in])).collect();
    let leaves: Vec<Value> = roster
        .leaves
        .iter()
        .map(|row| json!([hex(row.leaf.as_bytes()), hex(row.user.as_bytes()), hex(row.device.as_bytes()), row.came_in]))
        .collect();
    vec![
        vector(
            "roster",
            "Name, topic, users with role and the number of the epoch they came in with, leaves by signature key; its hash stands in the group context.",
            json!({ "name": roster.name, "topic": roster.topic, "users": users, "leaves": leaves }),
            json!({ "roster": hex(codec::encode(&roster)), "hash": hex(roster.hash().as_bytes()) }),
        ),
        rivals(),
    ]
}

/// Each beside all that follow it: the first stands.
fn rivals() -> Value {
    let member = |leaf: u32, role, removes: &[u8]| {
        let user = PeerId([u8::try_from(leaf).expect("small"); 32]);
        let removes = removes.iter().map(|n| PeerId([*n; 32])).collect();
        Rival { epoch: EpochId([0xe0; 32]), by: Committer::Member { leaf, user, role }, removes }
    };
    let joiner = Committer::External { user: PeerId([8; 32]), device: DeviceId([8; 16]) };
    let mut ranked = vec![
        member(5, Role::Owner, &[2]),
        member(2, Role::Admin, &[4]),
        member(3, Role::Admin, &[4]),
        member(4, Role::Member, &[]),
        member(1, Role::Owner, &[]),
        Rival { epoch: EpochId([0xe0; 32]), by: joiner, removes: [].into() },
    ];
    for (n, rival) in ranked.iter_mut().enumerate() {
        rival.epoch = EpochId([u8::try_from(n).expect("small"); 32]);
    }
    let mut order = Vec::new();
    let mut left = ranked.clone();
    while let Some(first) = winner(&ROOM, 7, &left) {
        order.push(hex(first.as_bytes()));
        left.retain(|rival| rival.epoch != first);
    }
    let given: Vec<Value> = ranked
        .iter()
        .map(|rival| {
            let removes: Vec<String> = rival.removes.iter().map(|user| hex(user.as_bytes())).collect();
            let (leaf, role, device) = match rival.by {
                Committer::Member { leaf, role, .. } => (Some(leaf), Some(role as u8), None),
                Committer::External { device, .. } => (None, None, Some(hex(device.as_bytes()))),
            };
            json!({ "epoch": hex(rival.epoch.as_bytes()), "leaf": leaf, "role": role, "device": device, "removes": removes })
        })
        .collect();
    vector(
        "order of rivals",
        "Six commits of one parent epoch; the first of those that are left stands. Removals by role, then the lowest rank; a device that joins is last.",
        json!({ "room": hex(ROOM.as_bytes()), "epoch": 7, "rivals": given }),
        json!({ "order": order }),
    )
}
