//! Checks: rooms, GroupInfos, external commits, Welcomes.

use super::*;

/// A new room has one member, at position 0, with its credential.
pub fn a_room_has_its_creator_as_only_member<C: RoomCipher>(lab: &Lab<C>) {
    let mut a = lab.party("andi");
    let epoch = a.create(ROOM);
    assert_eq!(a.epoch(), epoch);
    let members = a.c().members(ROOM).unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].index, 0);
    assert_eq!(members[0].credential, b"andi");
    assert_eq!(Some(members[0].leaf), a.leaf.get());
}

/// Neither a room that exists nor a leaf that is not ours can be used.
pub fn a_room_is_not_created_twice_nor_with_a_strangers_leaf<C: RoomCipher>(lab: &Lab<C>) {
    let mut a = lab.party("andi");
    a.create(ROOM);
    let before = a.face();
    let leaf = a.c().fresh_leaf().unwrap();
    assert_eq!(a.c().create(ROOM, leaf, b"", LIFETIME, None), Err(CipherError::Broken));
    assert_eq!(a.face(), before);
    assert_eq!(a.c().create(OTHER, LeafKey([9; 32]), b"", LIFETIME, None), Err(CipherError::Broken));
    assert_eq!(a.c().key_package(LeafKey([9; 32]), b"", LIFETIME, &PackageKind::default()), Err(CipherError::Broken));
    assert_eq!(a.c().epoch(OTHER), Err(CipherError::Gone));
}

/// An outsider sees what the creator knows; looking does not make a room.
pub fn a_group_info_shows_room_epoch_and_members_and_changes_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let mut d = lab.party("dora");
    let before = a.face();
    let info = a.c().offer(ROOM).unwrap();
    assert_eq!(a.face(), before);
    let view = d.c().inspect(&info).unwrap();
    assert_eq!((view.room, view.epoch), (ROOM, a.epoch()));
    assert_eq!(view.members, a.c().members(ROOM).unwrap());
    assert_eq!(d.c().epoch(ROOM), Err(CipherError::Gone));
    assert_eq!(b.c().inspect(&info), Ok(view));
    agree(&mut a, &mut c);
}

/// Every altered or missing byte is noticed.
pub fn an_altered_group_info_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let leaf = b.fresh_leaf();
    b.c().share_psk(&PSK.0, &PSK.1).unwrap();
    // Not every byte, since the real cipher takes a while for each.
    for place in (0..info.len()).step_by(7).chain([info.len() - 1]) {
        let mut altered = info.clone();
        altered[place] ^= 1;
        assert_eq!(b.c().inspect(&altered), Err(CipherError::Broken), "byte {place}");
        assert_eq!(b.c().join_external(&altered, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken), "byte {place}");
    }
    assert_eq!(b.c().inspect(&info[..info.len() - 1]), Err(CipherError::Broken));
    assert_eq!(b.c().inspect(&[info.as_slice(), &[0]].concat()), Err(CipherError::Broken));
    assert_eq!(b.c().epoch(ROOM), Err(CipherError::Gone));
    // Nothing was used up.
    b.c().join_external(&info, &PSK.0, leaf, b"", LIFETIME).unwrap();
}

/// Both sides see the newcomer, and the commit says who it is.
pub fn an_external_commit_with_the_pre_shared_key_brings_both_to_one_epoch<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    let first = a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let commit = b.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    let staged = a.staged(&commit);
    assert_eq!((staged.parent, staged.committer), (first, crate::world::Committer::External));
    assert_eq!(staged.removed, []);
    assert_eq!(staged.added.len(), 1);
    assert_eq!(staged.added[0].credential, b"berta");
    assert_eq!(Some(staged.added[0].leaf), b.leaf.get());
    a.c().adopt(ROOM, staged.epoch).unwrap();
    assert_eq!(a.epoch(), staged.epoch);
    agree(&mut a, &mut b);
    assert_eq!(a.c().members(ROOM).unwrap()[1], staged.added[0]);
}

/// The opener holds another secret under the same identifier.
pub fn a_commit_with_another_pre_shared_key_changes_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let commit = b.enter(&info);
    a.c().share_psk(&PSK.0, &[99; 32]).unwrap();
    let before = a.face();
    assert_eq!(a.open(&commit), Err(CipherError::Broken));
    assert_eq!(a.face(), before);
    // With the right one it opens after all.
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    a.follow(&commit);
    agree(&mut a, &mut b);
}

/// The opener holds none.
pub fn a_commit_whose_pre_shared_key_is_unknown_changes_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let commit = b.enter(&info);
    let before = a.face();
    assert_eq!(a.open(&commit), Err(CipherError::Broken));
    assert_eq!(a.face(), before);
}

/// The joiner needs it, too.
pub fn joining_without_knowing_the_pre_shared_key_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let leaf = b.fresh_leaf();
    assert_eq!(b.c().join_external(&info, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken));
    assert_eq!(b.c().epoch(ROOM), Err(CipherError::Gone));
}

/// It is erased on both sides by the commit that carries it.
pub fn a_pre_shared_key_is_used_once<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let mut c = lab.party("clara");
    let info = a.c().offer(ROOM).unwrap();
    let commit = c.enter(&info);
    assert_eq!(a.open(&commit), Err(CipherError::Broken));
    b.create(OTHER);
    let other = b.c().offer(OTHER).unwrap();
    let leaf = c.fresh_leaf();
    assert_eq!(c.c().join_external(&other, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken));
}

/// One that was taken back is as good as never shared; taking it back twice harms nothing.
pub fn a_pre_shared_key_taken_back_is_unknown<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let commit = b.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    a.c().unshare_psk(&PSK.0).unwrap();
    a.c().unshare_psk(&PSK.0).unwrap();
    assert_eq!(a.open(&commit), Err(CipherError::Broken));
}

/// Two enter by the same GroupInfo: the second is refused and the room is unharmed.
pub fn an_external_commit_to_an_epoch_that_has_passed_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = (lab.party("andi"), lab.party("berta"), lab.party("clara"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let (first, second) = (b.enter(&info), c.enter(&info));
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    a.follow(&first);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    let before = a.face();
    assert_eq!(a.open(&second), Err(CipherError::Gone));
    assert_eq!(a.open(&first), Err(CipherError::Gone));
    assert_eq!(a.face(), before);
    let text = b.seal("still here");
    assert_eq!(a.read(&text), "still here");
    // The one that came too late enters again.
    c.c().forget(ROOM).unwrap();
    let info = a.c().offer(ROOM).unwrap();
    let third = c.enter(&info);
    a.follow(&third);
    agree(&mut a, &mut c);
}

/// Neither by commit nor by Welcome.
pub fn a_room_that_is_held_is_not_entered_again_before_it_is_forgotten<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let before = b.face();
    let info = a.c().offer(ROOM).unwrap();
    let leaf = b.c().fresh_leaf().unwrap();
    b.c().share_psk(&PSK.0, &PSK.1).unwrap();
    assert_eq!(b.c().join_external(&info, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken));
    let add = vec![b.c().key_package(leaf, b"berta", LIFETIME, &PackageKind::default()).unwrap()];
    let pending = a.c().commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    let welcome = pending.welcome.unwrap();
    assert_eq!(b.c().join_welcome(&welcome), Err(CipherError::Broken));
    assert_eq!(b.face(), before);
    b.c().forget(ROOM).unwrap();
    assert_eq!(b.c().join_welcome(&welcome).unwrap().room, ROOM);
}

/// The newcomer by Welcome writes and reads.
pub fn a_welcome_brings_the_newcomer_into_the_room<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let text = c.seal("hello");
    assert_eq!(a.read(&text), "hello");
    assert_eq!(b.read(&text), "hello");
    let text = b.seal("welcome");
    assert_eq!(c.read(&text), "welcome");
}

/// ATTACKS.md R3.
pub fn a_welcome_for_a_package_of_somebody_else_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, _) = pair(lab);
    let (mut c, mut d) = (lab.party("clara"), lab.party("dora"));
    d.package();
    let add = vec![c.package()];
    let pending = a.c().commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    assert_eq!(d.c().join_welcome(&pending.welcome.unwrap()), Err(CipherError::Gone));
    assert_eq!(d.c().epoch(ROOM), Err(CipherError::Gone));
}

/// ATTACKS.md R3: the same Welcome again, or a second one to the same package.
pub fn a_package_is_used_once<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, _), mut b) = (pair(lab), lab.party("bruno"));
    let mut c = lab.party("clara");
    let add = vec![c.package()];
    let proposals = Proposals { add, ..Proposals::default() };
    let first = a.c().commit(ROOM, &proposals, b"").unwrap().welcome.unwrap();
    b.create(OTHER);
    let second = b.c().commit(OTHER, &proposals, b"").unwrap().welcome.unwrap();
    c.c().join_welcome(&first).unwrap();
    assert_eq!(c.c().join_welcome(&second), Err(CipherError::Gone));
    assert_eq!(c.c().join_welcome(&first), Err(CipherError::Gone));
    c.c().forget(ROOM).unwrap();
    assert_eq!(c.c().join_welcome(&first), Err(CipherError::Gone));
}

/// The package still serves the Welcome as it was sent.
pub fn an_altered_welcome_is_refused_and_uses_nothing_up<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, _), mut c) = (pair(lab), lab.party("clara"));
    let add = vec![c.package()];
    let pending = a.c().commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    let welcome = pending.welcome.unwrap();
    for place in (0..welcome.len()).step_by(11).chain([welcome.len() - 1]) {
        let mut altered = welcome.clone();
        altered[place] ^= 1;
        let refused = c.c().join_welcome(&altered).unwrap_err();
        // An altered name of the package is a package that is not ours.
        assert!(matches!(refused, CipherError::Broken | CipherError::Gone), "byte {place}");
    }
    assert_eq!(c.c().epoch(ROOM), Err(CipherError::Gone));
    assert_eq!(c.c().join_welcome(&welcome).unwrap().epoch, pending.epoch);
}
