//! Checks: what shared rooms need beside: the room state, authenticated data of commits, looking from a kept parent,
//! KeyPackages that say where to write to, and which are left.

use super::*;
use crate::world::{Committer, LEAVES_MAX, PackageView};
use symbolon_presence::id::Digest;

const FIRST: Digest = Digest([0xF1; 32]);
const SECOND: Digest = Digest([0xF2; 32]);

fn renewed() -> Proposals {
    Proposals::default()
}

fn set(state: Digest) -> Proposals {
    Proposals { state: Some(state), ..Proposals::default() }
}

/// `a` made a room with the state [`FIRST`] and added `b` and `c`.
fn shared<C: RoomCipher>(lab: &Lab<C>) -> (Party<C>, Party<C>, Party<C>) {
    let (mut a, mut b, mut c) = (lab.party("andi"), lab.party("berta"), lab.party("clara"));
    let (leaf, name) = (a.fresh_leaf(), a.name.clone());
    a.c().create(ROOM, leaf, &name, LIFETIME, Some(FIRST)).unwrap();
    let add = vec![b.package(), c.package()];
    let welcome = a.commits(&Proposals { add, ..renewed() }).1.unwrap();
    for party in [&mut b, &mut c] {
        assert_eq!(party.c().join_welcome(&welcome).unwrap().state, Some(FIRST));
        agree(&mut a, party);
    }
    (a, b, c)
}

impl<C: RoomCipher> Party<C> {
    /// Makes a commit and adopts it; the commit and the Welcome.
    fn commits(&mut self, proposals: &Proposals) -> (Vec<u8>, Option<Vec<u8>>) {
        let pending = self.c().commit(ROOM, proposals, b"").unwrap();
        self.c().adopt(ROOM, pending.epoch).unwrap();
        (pending.commit, pending.welcome)
    }

    fn state(&mut self) -> Option<Digest> {
        self.c().state(ROOM).unwrap()
    }

    fn package_of(&mut self, kind: &PackageKind) -> Vec<u8> {
        let (leaf, name) = (self.fresh_leaf(), self.name.clone());
        self.c().key_package(leaf, &name, LIFETIME, kind).unwrap()
    }
}

/// Every way in shows it, every commit keeps it or names the new one.
pub fn a_room_state_is_seen_by_all_and_changes_only_with_a_commit_that_says_so<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = shared(lab);
    let kept = a.commits(&renewed()).0;
    assert_eq!((b.follow(&kept).state, c.follow(&kept).state), (Some(FIRST), Some(FIRST)));
    let pending = b.c().commit(ROOM, &set(SECOND), b"").unwrap();
    assert_eq!(b.state(), Some(FIRST));
    b.c().adopt(ROOM, pending.epoch).unwrap();
    assert_eq!(a.staged(&pending.commit).state, Some(SECOND));
    assert_eq!(a.state(), Some(FIRST));
    a.c().adopt(ROOM, pending.epoch).unwrap();
    c.follow(&pending.commit);
    for party in [&mut a, &mut b, &mut c] {
        assert_eq!(party.state(), Some(SECOND));
    }
    agree(&mut a, &mut b);
    agree(&mut a, &mut c);
    let mut d = lab.party("dora");
    let info = c.c().offer(ROOM).unwrap();
    assert_eq!(d.c().inspect(&info).unwrap().state, Some(SECOND));
    let commit = d.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    assert_eq!(a.follow(&commit).state, Some(SECOND));
    assert_eq!(d.state(), Some(SECOND));
    agree(&mut a, &mut d);
}

/// The same room cannot be shown with another one, nor can one be brought into a room of two.
pub fn a_wrong_room_state_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, _, _) = shared(lab);
    let mut d = lab.party("dora");
    let info = a.c().offer(ROOM).unwrap();
    let places: Vec<_> = (0..info.len()).filter(|place| info[*place..].starts_with(&FIRST.0)).collect();
    assert!(!places.is_empty());
    let leaf = d.fresh_leaf();
    d.c().share_psk(&PSK.0, &PSK.1).unwrap();
    for place in places {
        let mut altered = info.clone();
        altered[place + 31] ^= 1;
        assert_eq!(d.c().inspect(&altered), Err(CipherError::Broken));
        assert_eq!(d.c().join_external(&altered, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken));
    }
    let (mut e, mut f) = pair(lab);
    let before = e.face();
    assert_eq!(e.c().commit(ROOM, &set(FIRST), b""), Err(CipherError::Broken));
    assert_eq!((e.state(), e.face()), (None, before));
    step(&mut e, &mut f);
}

/// In one commit, which also those see whom it removes, and who comes in by it.
pub fn several_are_added_one_is_removed_and_the_state_set_by_one_commit<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = shared(lab);
    let (mut d, mut e) = (lab.party("dora"), lab.party("emil"));
    let proposals = Proposals { add: vec![d.package(), e.package()], remove: vec![2], state: Some(SECOND) };
    let pending = a.c().commit(ROOM, &proposals, b"why").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    let staged = b.follow(&pending.commit);
    assert_eq!((staged.removed.as_slice(), staged.added.len(), staged.state), ([2].as_slice(), 2, Some(SECOND)));
    assert_eq!((staged.epoch, staged.aad.as_slice(), staged.committer), (pending.epoch, b"why".as_slice(), Committer::Member(0)));
    let names: Vec<_> = staged.added.iter().map(|member| (member.index, member.credential.clone())).collect();
    assert_eq!(names, [(2, b"dora".to_vec()), (3, b"emil".to_vec())]);
    agree(&mut a, &mut b);
    let welcome = pending.welcome.unwrap();
    for party in [&mut d, &mut e] {
        assert_eq!(party.c().join_welcome(&welcome).unwrap().state, Some(SECOND));
        agree(&mut a, party);
    }
    let staged = c.staged(&pending.commit);
    assert_eq!((staged.removed.as_slice(), staged.state, staged.aad.as_slice()), ([2].as_slice(), Some(SECOND), b"why".as_slice()));
    c.c().adopt(ROOM, staged.epoch).unwrap();
    assert_eq!(c.c().export(ROOM, "label", b""), Err(CipherError::Gone));
}

/// It is part of what the committer signs.
pub fn altered_authenticated_data_of_a_commit_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = shared(lab);
    let aad = [0xAD; 300];
    let pending = a.c().commit(ROOM, &set(SECOND), &aad).unwrap();
    let place = pending.commit.windows(aad.len()).position(|window| window == aad).unwrap();
    let before = b.face();
    for byte in [0, 150, 299] {
        let mut altered = pending.commit.clone();
        altered[place + byte] ^= 1;
        assert_eq!(b.open(&altered), Err(CipherError::Broken));
    }
    assert_eq!(b.face(), before);
    assert_eq!(b.follow(&pending.commit).aad, aad);
    assert_eq!(c.follow(&pending.commit).aad, aad);
    // And it is not left over for what comes next.
    a.c().adopt(ROOM, pending.epoch).unwrap();
    let text = a.seal("plain");
    assert!(matches!(b.open(&text), Ok(Opened::Text { aad, .. }) if aad.is_empty()));
    let next = a.commits(&renewed()).0;
    assert_eq!(b.follow(&next).aad, b"");
}

/// What a rival of the adopted commit would do shows before anything is given up for it, and looking changes nothing.
pub fn a_rival_commit_is_looked_at_from_the_kept_parent<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = shared(lab);
    let mut d = lab.party("dora");
    let parent = a.epoch();
    let loser = a.c().commit(ROOM, &renewed(), b"a").unwrap();
    let winner = b.c().commit(ROOM, &Proposals { add: vec![d.package()], remove: vec![], state: Some(SECOND) }, b"b").unwrap();
    assert_eq!(c.c().peek(ROOM, parent, &winner.commit), Err(CipherError::Gone));
    a.c().adopt(ROOM, loser.epoch).unwrap();
    b.c().adopt(ROOM, winner.epoch).unwrap();
    c.follow(&loser.commit);
    let text = a.seal("on the losing branch");
    for party in [&mut a, &mut c] {
        let before = party.face();
        let mut altered = winner.commit.clone();
        *altered.last_mut().unwrap() ^= 1;
        for _ in 0..2 {
            assert_eq!(party.c().peek(ROOM, parent, &altered), Err(CipherError::Broken));
            let seen = party.c().peek(ROOM, parent, &winner.commit).unwrap();
            assert_eq!((seen.parent, seen.epoch, seen.state, seen.aad.as_slice()), (parent, winner.epoch, Some(SECOND), b"b".as_slice()));
            assert_eq!((seen.committer, seen.added.len(), seen.removed.len()), (Committer::Member(1), 1, 0));
            assert_eq!(party.c().adopt(ROOM, winner.epoch), Err(CipherError::Gone));
        }
        assert_eq!(party.c().peek(ROOM, EpochId([9; 32]), &winner.commit), Err(CipherError::Gone));
        assert_eq!(party.c().peek(ROOM, before.0, &winner.commit), Err(CipherError::Gone));
        assert!(matches!(party.c().peek(ROOM, parent, &text), Err(CipherError::Broken | CipherError::Ahead)));
        assert_eq!(party.face(), before);
    }
    // What was opened there before, and what is our own.
    assert_eq!(c.c().peek(ROOM, parent, &loser.commit), Err(CipherError::Used));
    assert_eq!(a.c().peek(ROOM, parent, &loser.commit), Err(CipherError::Broken));
    assert_eq!(c.read(&text), "on the losing branch");
    for party in [&mut a, &mut c] {
        party.c().rewind(ROOM, parent).unwrap();
        assert_eq!(party.follow(&winner.commit).epoch, winner.epoch);
        agree(party, &mut b);
        assert_eq!(party.c().peek(ROOM, parent, &winner.commit), Err(CipherError::Used));
    }
    assert_eq!(d.c().join_welcome(&winner.welcome.unwrap()).unwrap().state, Some(SECOND));
    agree(&mut a, &mut d);
}

/// Somebody enters while a member continues.
pub fn a_newcomers_commit_is_looked_at_from_the_kept_parent_and_uses_no_key_up<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, _), mut c) = (pair(lab), lab.party("clara"));
    let parent = a.epoch();
    let info = a.c().offer(ROOM).unwrap();
    let commit = c.enter(&info);
    a.commits(&renewed());
    assert_eq!(a.c().peek(ROOM, parent, &commit), Err(CipherError::Broken));
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    for _ in 0..2 {
        let seen = a.c().peek(ROOM, parent, &commit).unwrap();
        assert_eq!((seen.committer, seen.added[0].credential.as_slice(), seen.aad.len()), (Committer::External, b"clara".as_slice(), 0));
    }
    a.c().rewind(ROOM, parent).unwrap();
    a.follow(&commit);
    agree(&mut a, &mut c);
}

/// A branch of several epochs is dropped for another one of several.
pub fn a_longer_branch_is_left_for_its_rival_epoch_by_epoch<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = shared(lab);
    let parent = a.epoch();
    for n in 0..3 {
        let commit = a.commits(&set(Digest([n; 32]))).0;
        c.follow(&commit);
    }
    agree(&mut a, &mut c);
    let other: Vec<_> = (10..14).map(|n| b.commits(&set(Digest([n; 32]))).0).collect();
    for party in [&mut a, &mut c] {
        assert_eq!(party.c().peek(ROOM, parent, &other[0]).unwrap().state, Some(Digest([10; 32])));
        // The next one is of an epoch that the parent does not know yet.
        assert_eq!(party.c().peek(ROOM, parent, &other[1]), Err(CipherError::Ahead));
        party.c().rewind(ROOM, parent).unwrap();
        assert_eq!(party.state(), Some(FIRST));
        for (n, commit) in (10..14).zip(&other) {
            assert_eq!(party.follow(commit).state, Some(Digest([n; 32])));
        }
        agree(party, &mut b);
    }
}

/// The others stay; an unknown name in the list is none.
pub fn parents_that_are_not_wanted_any_more_are_forgotten<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let epochs: Vec<_> = (0..5).map(|_| step(&mut a, &mut b)).collect();
    let before = a.face();
    a.c().forget_parents(ROOM, &[epochs[1], epochs[3], EpochId([9; 32])]).unwrap();
    assert_eq!(a.face(), before);
    for gone in [epochs[0], epochs[2], epochs[4]] {
        assert_eq!(a.c().rewind(ROOM, gone), Err(CipherError::Gone));
        assert_eq!(a.c().peek(ROOM, gone, b""), Err(CipherError::Gone));
    }
    a.c().rewind(ROOM, epochs[3]).unwrap();
    assert_eq!(a.epoch(), epochs[3]);
    a.c().rewind(ROOM, epochs[1]).unwrap();
    assert_eq!(a.epoch(), epochs[1]);
    a.c().forget_parents(ROOM, &[]).unwrap();
    b.c().rewind(ROOM, epochs[1]).unwrap();
    step(&mut a, &mut b);
}

/// Nobody is added beyond, and nobody enters a full room by themselves.
pub fn a_room_has_at_most_as_many_leaves_as_the_bound<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, mut b, _), mut c, mut d) = (shared(lab), lab.party("many"), lab.party("dora"));
    let places = LEAVES_MAX - 3;
    let mut add: Vec<_> = (0..=places).map(|_| c.package()).collect();
    let before = a.face();
    assert_eq!(a.c().commit(ROOM, &Proposals { add: add.clone(), ..renewed() }, b""), Err(CipherError::Broken));
    assert_eq!(a.face(), before);
    let one_more = add.split_off(places);
    // As large as it may be, and so with one that goes and one that comes.
    let (full, _) = a.commits(&Proposals { add, ..renewed() });
    assert_eq!(b.follow(&full).added.len(), places);
    let info = a.c().offer(ROOM).unwrap();
    let leaf = d.fresh_leaf();
    d.c().share_psk(&PSK.0, &PSK.1).unwrap();
    assert_eq!(d.c().inspect(&info), Err(CipherError::Broken));
    assert_eq!(d.c().join_external(&info, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken));
    assert_eq!(a.c().commit(ROOM, &Proposals { add: one_more.clone(), ..renewed() }, b""), Err(CipherError::Broken));
    let swapped = a.commits(&Proposals { add: one_more, remove: vec![2], state: None }).0;
    b.follow(&swapped);
    assert_eq!(b.c().members(ROOM).unwrap().len(), LEAVES_MAX);
    agree(&mut a, &mut b);
}

/// With and without a queue, of last resort or not, it says what was put in; an altered one says nothing.
pub fn a_package_shows_what_was_put_in<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    for kind in [
        PackageKind::default(),
        PackageKind { last_resort: true, queue: Vec::new() },
        PackageKind { last_resort: false, queue: vec![7; crate::world::QUEUE_MAX] },
        PackageKind { last_resort: true, queue: b"here".to_vec() },
    ] {
        let package = a.package_of(&kind);
        let leaf = a.leaf.get().unwrap();
        let expected = PackageView { leaf, credential: b"andi".to_vec(), lifetime: LIFETIME, kind };
        assert_eq!(b.c().inspect_package(&package), Ok(expected));
        for place in (0..package.len()).step_by(17).chain([package.len() - 1]) {
            let mut altered = package.clone();
            altered[place] ^= 1;
            assert_eq!(b.c().inspect_package(&altered), Err(CipherError::Broken), "byte {place}");
        }
        assert_eq!(b.c().inspect_package(&[package.as_slice(), &[0]].concat()), Err(CipherError::Broken));
        // A leaf has one package at most.
        assert_eq!(a.c().key_package(leaf, b"", LIFETIME, &PackageKind::default()), Err(CipherError::Broken));
    }
    let leaf = a.fresh_leaf();
    let long = PackageKind { last_resort: false, queue: vec![7; crate::world::QUEUE_MAX + 1] };
    assert_eq!(a.c().key_package(leaf, b"", LIFETIME, &long), Err(CipherError::Broken));
}

/// In two rooms at once, with one leaf, which stays until nothing needs it.
pub fn a_package_of_last_resort_serves_more_than_once<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, _, _), mut e, mut d) = (shared(lab), lab.party("emil"), lab.party("dora"));
    e.create(OTHER);
    let package = d.package_of(&PackageKind { last_resort: true, queue: b"queue".to_vec() });
    let leaf = d.leaf.get().unwrap();
    let proposals = Proposals { add: vec![package], ..renewed() };
    let first = a.commits(&proposals).1.unwrap();
    let second = e.c().commit(OTHER, &proposals, b"").unwrap();
    e.c().adopt(OTHER, second.epoch).unwrap();
    assert_eq!(d.c().welcome_leaf(&first), Ok(leaf));
    assert_eq!(d.c().join_welcome(&first).unwrap().room, ROOM);
    agree(&mut a, &mut d);
    assert_eq!(d.c().welcome_leaf(second.welcome.as_ref().unwrap()), Ok(leaf));
    assert_eq!(d.c().join_welcome(second.welcome.as_ref().unwrap()).unwrap().room, OTHER);
    // Neither the end of one room nor of the package takes the leaf from the other room.
    d.c().forget(OTHER).unwrap();
    let text = d.seal("still in the first");
    assert_eq!(a.read(&text), "still in the first");
    d.c().drop_package(leaf).unwrap();
    assert_eq!(d.c().welcome_leaf(second.welcome.as_ref().unwrap()), Err(CipherError::Gone));
    let text = d.seal("and after the package");
    assert_eq!(a.read(&text), "and after the package");
    d.c().forget(ROOM).unwrap();
    // Now it is gone.
    assert_eq!(d.c().create(OTHER, leaf, b"dora", LIFETIME, None), Err(CipherError::Broken));
}

/// Its Welcomes do not open any more, and its leaf is gone.
pub fn an_erased_package_opens_no_welcome<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, _, _), mut d) = (shared(lab), lab.party("dora"));
    for last_resort in [false, true] {
        let package = d.package_of(&PackageKind { last_resort, queue: Vec::new() });
        let leaf = d.leaf.get().unwrap();
        let welcome = a.c().commit(ROOM, &Proposals { add: vec![package], ..renewed() }, b"").unwrap().welcome.unwrap();
        a.c().reject(ROOM).unwrap();
        assert_eq!(d.c().welcome_leaf(&welcome), Ok(leaf));
        assert_eq!(a.c().welcome_leaf(&welcome), Err(CipherError::Gone));
        for _ in 0..2 {
            d.c().drop_package(leaf).unwrap();
        }
        assert_eq!(d.c().welcome_leaf(&welcome), Err(CipherError::Gone));
        assert_eq!(d.c().join_welcome(&welcome), Err(CipherError::Gone));
        assert_eq!(d.c().key_package(leaf, b"dora", LIFETIME, &PackageKind::default()), Err(CipherError::Broken));
    }
    // A leaf without a package stays, also that of a room.
    let leaf = d.fresh_leaf();
    d.c().drop_package(leaf).unwrap();
    d.c().create(OTHER, leaf, b"dora", LIFETIME, None).unwrap();
    d.c().drop_package(leaf).unwrap();
    d.c().seal(OTHER, b"alone", b"").unwrap();
}

/// A room that is held is neither left nor changed by a Welcome that leads into it once more.
pub fn a_welcome_into_a_held_room_is_viewed_and_not_entered<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, _, _), mut d) = (shared(lab), lab.party("dora"));
    let welcome = a.commits(&Proposals { add: vec![d.package()], ..renewed() }).1.unwrap();
    d.c().join_welcome(&welcome).unwrap();
    let place = a.c().members(ROOM).unwrap().into_iter().find(|member| Some(member.leaf) == d.leaf.get()).unwrap().index;
    a.commits(&Proposals { remove: vec![place], ..renewed() });
    let again = a.commits(&Proposals { add: vec![d.package()], ..renewed() }).1.unwrap();
    let before = d.c().epoch(ROOM).unwrap();
    let view = d.c().view_welcome(&again, "label").unwrap();
    assert_eq!((view.room, view.exported), (ROOM, a.c().export(ROOM, "label", &[]).unwrap()));
    assert_eq!(d.c().join_welcome(&again), Err(CipherError::Broken));
    assert_eq!(d.c().epoch(ROOM), Ok(before));
    d.seal("in the room as it was");
    d.c().forget(ROOM).unwrap();
    assert_eq!(d.c().view_welcome(&again, "label").unwrap(), view);
    d.c().join_welcome(&again).unwrap();
    agree(&mut a, &mut d);
}

/// Which of several it is; looking uses nothing up.
pub fn a_welcome_names_the_package_it_is_for<C: RoomCipher>(lab: &Lab<C>) {
    let ((mut a, mut b, _), mut d) = (shared(lab), lab.party("dora"));
    let packages: Vec<_> = (0..3).map(|_| (d.package(), d.leaf.get().unwrap())).collect();
    let (package, leaf) = packages[1].clone();
    let text = a.seal("no Welcome");
    let welcome = a.commits(&Proposals { add: vec![package], ..renewed() }).1.unwrap();
    for _ in 0..2 {
        assert_eq!(d.c().welcome_leaf(&welcome), Ok(leaf));
    }
    for noise in [&text, &b"noise".to_vec(), &Vec::new()] {
        assert_eq!(d.c().welcome_leaf(noise), Err(CipherError::Broken));
    }
    assert_eq!(b.c().welcome_leaf(&welcome), Err(CipherError::Gone));
    assert_eq!(b.c().view_welcome(&welcome, "label"), Err(CipherError::Gone));
    for _ in 0..2 {
        let view = d.c().view_welcome(&welcome, "label").unwrap();
        assert_eq!((view.room, view.exported), (ROOM, a.c().export(ROOM, "label", &[]).unwrap()));
        assert_eq!((view.members, view.state), (a.c().members(ROOM).unwrap(), a.c().state(ROOM).unwrap()));
        assert_eq!(d.c().epoch(ROOM), Err(CipherError::Gone), "it was not entered");
    }
    d.c().join_welcome(&welcome).unwrap();
    assert_eq!(d.c().welcome_leaf(&welcome), Err(CipherError::Gone));
    agree(&mut a, &mut d);
}
