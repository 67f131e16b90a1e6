//! Checks: commits, members, names of epochs, the exporter.

use super::*;

/// ATTACKS.md R2: nothing of it shows before.
pub fn a_commit_of_ours_is_pending_until_it_is_adopted<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let before = a.face();
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    assert_eq!((pending.parent, &pending.welcome), (before.0, &None));
    assert_ne!(pending.epoch, pending.parent);
    assert_eq!(a.face(), before);
    let text = a.seal("meanwhile");
    assert_eq!(b.read(&text), "meanwhile");
    // One at a time.
    assert_eq!(a.c().commit(ROOM, &Proposals::default(), b""), Err(CipherError::Broken));
    a.c().adopt(ROOM, pending.epoch).unwrap();
    assert_eq!(a.epoch(), pending.epoch);
    b.follow(&pending.commit);
    agree(&mut a, &mut b);
}

/// It cannot be adopted any more, and another can be made.
pub fn a_rejected_commit_of_ours_leaves_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let before = a.face();
    let pending = a.c().commit(ROOM, &Proposals { remove: vec![1], ..Proposals::default() }, b"").unwrap();
    a.c().reject(ROOM).unwrap();
    assert_eq!(a.face(), before);
    assert_eq!(a.c().adopt(ROOM, pending.epoch), Err(CipherError::Gone));
    a.c().reject(ROOM).unwrap();
    step(&mut a, &mut b);
}

/// The other side, too, moves only by `adopt`.
pub fn a_commit_of_another_is_staged_until_it_is_adopted<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    let before = b.face();
    let staged = b.staged(&pending.commit);
    assert_eq!((staged.parent, staged.epoch), (pending.parent, pending.epoch));
    assert_eq!(staged.committer, crate::world::Committer::Member(0));
    assert_eq!((staged.added, staged.removed), (vec![], vec![]));
    assert_eq!(b.face(), before);
    let text = b.seal("meanwhile");
    assert_eq!(a.read(&text), "meanwhile");
    b.c().adopt(ROOM, staged.epoch).unwrap();
    assert_eq!(b.epoch(), pending.epoch);
    assert_eq!(b.c().adopt(ROOM, staged.epoch), Err(CipherError::Gone));
}

/// A text of that branch stays ahead, one of the room opens.
pub fn a_rejected_commit_of_another_leaves_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let early = a.seal("early");
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    let before = b.face();
    let staged = b.staged(&pending.commit);
    b.c().reject(ROOM).unwrap();
    assert_eq!(b.face(), before);
    assert_eq!(b.c().adopt(ROOM, staged.epoch), Err(CipherError::Gone));
    assert_eq!(b.read(&early), "early");
    // Its key is used up, as a text's is.
    assert_eq!(b.open(&pending.commit), Err(CipherError::Used));
    a.c().reject(ROOM).unwrap();
    step(&mut b, &mut a);
}

/// Neither a made-up epoch nor the one the room is in.
pub fn adopting_what_was_not_seen_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let before = a.face();
    let pending = b.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    for epoch in [EpochId([7; 32]), before.0, pending.epoch] {
        assert_eq!(a.c().adopt(ROOM, epoch), Err(CipherError::Gone));
    }
    assert_eq!(a.face(), before);
}

/// By its members and by a newcomer.
pub fn an_altered_commit_is_refused_and_changes_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, mut b), mut c) = (pair(lab), lab.party("clara"));
    let info = a.c().offer(ROOM).unwrap();
    let external = c.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    let member = b.c().commit(ROOM, &Proposals::default(), b"").unwrap().commit;
    let before = a.face();
    for commit in [&external, &member] {
        for place in (0..commit.len()).step_by(13).chain([commit.len() - 1]) {
            let mut altered = commit.clone();
            altered[place] ^= 1;
            let refused = a.open(&altered).unwrap_err();
            assert!(matches!(refused, CipherError::Broken | CipherError::Ahead | CipherError::Gone), "byte {place}: {refused:?}");
        }
    }
    assert_eq!(a.face(), before);
    a.staged(&external);
    a.c().reject(ROOM).unwrap();
    a.follow(&member);
}

/// As a duplicate of the one that was followed, and as the loser of a race.
pub fn a_commit_for_an_epoch_that_has_passed_is_gone<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let winner = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    let loser = b.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    a.c().adopt(ROOM, winner.epoch).unwrap();
    c.follow(&winner.commit);
    let before = c.face();
    assert_eq!(c.open(&loser.commit), Err(CipherError::Gone));
    assert_eq!(c.open(&winner.commit), Err(CipherError::Gone));
    assert_eq!(c.face(), before);
    // The loser follows while its own is pending, which is dropped by that.
    b.follow(&winner.commit);
    assert_eq!(b.c().adopt(ROOM, loser.epoch), Err(CipherError::Gone));
    agree(&mut b, &mut c);
    step(&mut b, &mut a);
}

/// Members stay, the exporter changes.
pub fn a_commit_without_proposals_renews_the_epoch_for_all<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let before = a.face();
    let pending = b.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    b.c().adopt(ROOM, pending.epoch).unwrap();
    a.follow(&pending.commit);
    c.follow(&pending.commit);
    let after = a.face();
    assert_eq!(before.1, after.1);
    assert_ne!(before.0, after.0);
    assert_ne!(before.2, after.2);
    agree(&mut a, &mut b);
    agree(&mut a, &mut c);
    let text = a.seal("on we go");
    assert_eq!((b.read(&text), c.read(&text)), ("on we go".into(), "on we go".into()));
}

/// Several at once.
pub fn adding_names_the_leaf_and_position_of_the_newcomer<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let (mut c, mut d) = (lab.party("clara"), lab.party("dora"));
    let add = vec![c.package(), d.package()];
    let pending = a.c().commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    let staged = b.follow(&pending.commit);
    let welcome = pending.welcome.unwrap();
    for party in [&mut c, &mut d] {
        let joined = party.c().join_welcome(&welcome).unwrap();
        assert_eq!((joined.room, joined.epoch, joined.commit), (ROOM, pending.epoch, vec![]));
        agree(&mut b, party);
    }
    assert_eq!(staged.added, b.c().members(ROOM).unwrap()[2..]);
    assert_eq!(staged.added[0].credential, b"clara");
    assert_eq!((staged.added[0].index, staged.added[1].index), (2, 3));
    assert_eq!(Some(staged.added[1].leaf), d.leaf.get());
}

/// ATTACKS.md A60 in small.
pub fn a_removed_member_is_out_and_the_others_go_on<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let last = a.seal("for all");
    let pending = a.c().commit(ROOM, &Proposals { remove: vec![1], ..Proposals::default() }, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    let staged = c.follow(&pending.commit);
    assert_eq!((staged.removed, staged.added), (vec![1], vec![]));
    agree(&mut a, &mut c);
    assert_eq!(b.read(&last), "for all");
    let text = a.seal("without you");
    assert_eq!(b.open(&text), Err(CipherError::Ahead));
    let staged = b.staged(&pending.commit);
    assert_eq!((staged.removed.as_slice(), staged.parent), ([1].as_slice(), pending.parent));
    // The name of an epoch that one may not enter is one's own.
    assert!(![pending.epoch, pending.parent].contains(&staged.epoch));
    b.c().adopt(ROOM, staged.epoch).unwrap();
    assert_eq!(b.epoch(), staged.epoch);
    assert_eq!(b.c().members(ROOM).unwrap(), a.c().members(ROOM).unwrap());
    assert_eq!(b.open(&text), Err(CipherError::Gone));
    assert_eq!(b.c().seal(ROOM, b"", b""), Err(CipherError::Gone));
    assert_eq!(b.c().offer(ROOM), Err(CipherError::Gone));
    assert_eq!(b.c().commit(ROOM, &Proposals::default(), b""), Err(CipherError::Gone));
    assert_eq!(b.c().export(ROOM, "label", b""), Err(CipherError::Gone));
    assert_eq!(c.read(&text), "without you");
    b.c().forget(ROOM).unwrap();
    step(&mut c, &mut a);
}

/// Positions are taken from the left; the commit's own report agrees.
pub fn a_freed_position_is_taken_by_the_next_newcomer<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, _) = trio(lab);
    let (mut d, mut e) = (lab.party("dora"), lab.party("emil"));
    // Replaced within one commit.
    let proposals = Proposals { add: vec![d.package()], remove: vec![2], state: None };
    let pending = a.c().commit(ROOM, &proposals, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    let staged = b.follow(&pending.commit);
    assert_eq!((staged.removed.as_slice(), staged.added[0].index), ([2].as_slice(), 2));
    d.c().join_welcome(&pending.welcome.unwrap()).unwrap();
    agree(&mut b, &mut d);
    // The middle one leaves, and a newcomer enters by itself.
    let pending = d.c().commit(ROOM, &Proposals { remove: vec![1], ..Proposals::default() }, b"").unwrap();
    d.c().adopt(ROOM, pending.epoch).unwrap();
    a.follow(&pending.commit);
    let info = d.c().offer(ROOM).unwrap();
    let commit = e.enter(&info);
    for party in [&mut a, &mut d] {
        party.c().share_psk(&PSK.0, &PSK.1).unwrap();
        assert_eq!(party.follow(&commit).added[0].index, 1);
        agree(party, &mut e);
    }
}

/// The room stays usable.
pub fn bad_proposals_are_refused<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, mut b), mut c) = (pair(lab), lab.party("clara"));
    let before = a.face();
    let package = c.package();
    let mut altered = package.clone();
    *altered.last_mut().unwrap() ^= 1;
    let text = b.seal("text");
    for proposals in [
        Proposals { remove: vec![0], ..Proposals::default() },
        Proposals { remove: vec![2], ..Proposals::default() },
        Proposals { remove: vec![u32::MAX], ..Proposals::default() },
        Proposals { add: vec![altered], ..Proposals::default() },
        Proposals { add: vec![text.clone()], ..Proposals::default() },
        Proposals { remove: vec![1, 1], ..Proposals::default() },
        Proposals { add: vec![package.clone(), package], ..Proposals::default() },
    ] {
        assert_eq!(a.c().commit(ROOM, &proposals, b""), Err(CipherError::Broken));
        assert_eq!(a.face(), before);
    }
    assert_eq!(a.read(&text), "text");
    step(&mut a, &mut b);
}

/// Over creation, joining, commits of both sides and another room.
pub fn epochs_are_named_alike_by_all_and_never_twice<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let mut seen = vec![a.epoch()];
    for round in 0..4 {
        let epoch = if round % 2 == 0 { step(&mut a, &mut b) } else { step(&mut b, &mut a) };
        assert_eq!((a.epoch(), b.epoch()), (epoch, epoch));
        seen.push(epoch);
    }
    seen.push(a.create(OTHER));
    // A commit that never was adopted has a name of its own, too.
    seen.push(a.c().commit(ROOM, &Proposals::default(), b"").unwrap().epoch);
    seen.push(b.c().commit(ROOM, &Proposals::default(), b"").unwrap().epoch);
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

/// And agrees between members.
pub fn the_exporter_differs_by_label_context_epoch_and_room<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    a.create(OTHER);
    let mut seen = vec![a.c().export(OTHER, "one", b"").unwrap()];
    for _ in 0..2 {
        for (label, context) in [("one", b"".as_slice()), ("two", b""), ("one", b"c"), ("onec", b""), ("", b"one")] {
            let secret = a.c().export(ROOM, label, context).unwrap();
            assert_eq!(b.c().export(ROOM, label, context), Ok(secret));
            seen.push(secret);
        }
        step(&mut a, &mut b);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 11);
}
