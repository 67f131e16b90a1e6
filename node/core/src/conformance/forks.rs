//! Checks: kept parents, rewinding, settling.

use super::*;

/// As it was: members, exporter, and it can continue from there.
pub fn rewinding_returns_to_the_parent_epoch<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let before = a.face();
    let (skipped, read) = (b.seal("skipped"), b.seal("read"));
    assert_eq!(a.read(&read), "read");
    let pending = a.c().commit(ROOM, &Proposals { remove: vec![1], ..Proposals::default() }, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    a.c().rewind(ROOM, before.0).unwrap();
    assert_eq!(a.face(), before);
    assert_eq!(a.c().adopt(ROOM, pending.epoch), Err(CipherError::Gone));
    assert_eq!(a.c().rewind(ROOM, before.0), Err(CipherError::Gone));
    assert_eq!(a.read(&skipped), "skipped");
    assert_eq!(a.open(&read), Err(CipherError::Used));
    let text = a.seal("back again");
    assert_eq!(b.read(&text), "back again");
    step(&mut a, &mut b);
    step(&mut b, &mut a);
}

/// Rewinding must not make a text arrive twice.
pub fn texts_of_the_parent_epoch_open_after_rewinding_unless_they_were_used<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let texts: Vec<_> = (0..4).map(|n| a.seal(&n.to_string())).collect();
    assert_eq!(b.read(&texts[0]), "0");
    let parent = b.epoch();
    for _ in 0..2 {
        let pending = b.c().commit(ROOM, &Proposals::default(), b"").unwrap();
        b.c().adopt(ROOM, pending.epoch).unwrap();
    }
    // Opened from one and from two epochs later.
    assert_eq!(b.read(&texts[2]), "2");
    b.c().rewind(ROOM, parent).unwrap();
    assert_eq!(b.open(&texts[0]), Err(CipherError::Used));
    assert_eq!(b.open(&texts[2]), Err(CipherError::Used));
    assert_eq!(b.read(&texts[3]), "3");
    assert_eq!(b.read(&texts[1]), "1");
}

/// Neither before nor after the room has reached the same number by another way.
pub fn texts_of_the_dropped_branch_do_not_open_after_rewinding<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let parent = step(&mut a, &mut b);
    let dropped = step(&mut a, &mut b);
    let text = b.seal("of the dropped branch");
    a.c().rewind(ROOM, parent).unwrap();
    assert_eq!(a.open(&text), Err(CipherError::Ahead));
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    assert_ne!(pending.epoch, dropped);
    a.c().adopt(ROOM, pending.epoch).unwrap();
    assert_eq!(a.open(&text), Err(CipherError::Broken));
    b.c().rewind(ROOM, parent).unwrap();
    b.follow(&pending.commit);
    agree(&mut a, &mut b);
}

/// Two members commit at once; all come together on one branch.
pub fn the_other_of_two_rival_commits_can_be_followed_after_rewinding<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let parent = a.epoch();
    let of_a = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    let of_b = b.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    a.c().adopt(ROOM, of_a.epoch).unwrap();
    b.c().adopt(ROOM, of_b.epoch).unwrap();
    c.follow(&of_a.commit);
    // The commit of b wins.
    assert_eq!(c.open(&of_b.commit), Err(CipherError::Gone));
    for party in [&mut a, &mut c] {
        party.c().rewind(ROOM, parent).unwrap();
        party.follow(&of_b.commit);
        agree(party, &mut b);
    }
    let text = a.seal("together");
    assert_eq!((b.read(&text), c.read(&text)), ("together".into(), "together".into()));
    step(&mut c, &mut a);
}

/// The room itself is untouched.
pub fn settling_makes_rewinding_impossible<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let parent = a.epoch();
    step(&mut a, &mut b);
    let before = a.face();
    a.c().complete(ROOM).unwrap();
    assert_eq!(a.c().rewind(ROOM, parent), Err(CipherError::Gone));
    assert_eq!(a.face(), before);
    a.c().complete(ROOM).unwrap();
    let later = a.epoch();
    step(&mut a, &mut b);
    a.c().rewind(ROOM, later).unwrap();
    assert_eq!(a.epoch(), later);
}

/// The bound on what a room keeps.
pub fn sixteen_parents_are_kept_and_the_oldest_goes<C: RoomCipher>(lab: &Lab<C>) {
    let mut a = lab.party("andi");
    let mut epochs = vec![a.create(ROOM)];
    for _ in 0..17 {
        let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
        a.c().adopt(ROOM, pending.epoch).unwrap();
        epochs.push(pending.epoch);
    }
    assert_eq!(a.c().rewind(ROOM, epochs[0]), Err(CipherError::Gone));
    assert_eq!(a.epoch(), epochs[17]);
    a.c().rewind(ROOM, epochs[1]).unwrap();
    assert_eq!(a.epoch(), epochs[1]);
}

/// And keeps those before.
pub fn rewinding_over_several_epochs_drops_them_all<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let epochs: Vec<_> = (0..4).map(|_| step(&mut a, &mut b)).collect();
    let text = b.seal("too far");
    a.c().rewind(ROOM, epochs[1]).unwrap();
    assert_eq!(a.epoch(), epochs[1]);
    assert_eq!(a.open(&text), Err(CipherError::Ahead));
    for dropped in &epochs[1..] {
        assert_eq!(a.c().rewind(ROOM, *dropped), Err(CipherError::Gone));
    }
    a.c().rewind(ROOM, epochs[0]).unwrap();
    b.c().rewind(ROOM, epochs[0]).unwrap();
    agree(&mut a, &mut b);
    step(&mut a, &mut b);
}
