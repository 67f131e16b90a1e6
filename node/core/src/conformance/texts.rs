//! Checks: application messages, and what is gone.

use super::*;

/// Sender, epoch, content and authenticated data arrive.
pub fn texts_go_both_ways_with_their_sender_and_authenticated_data<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let members = a.c().members(ROOM).unwrap();
    for round in 0..3u8 {
        let (from_a, from_b) = (a.c().seal(ROOM, &[round], b"aad").unwrap(), b.c().seal(ROOM, b"", &[round]).unwrap());
        assert_eq!((from_a.epoch, from_b.epoch), (a.epoch(), a.epoch()));
        let opened = b.open(&from_a.bytes).unwrap();
        let expected = Opened::Text { sender: members[0].clone(), epoch: from_a.epoch, plaintext: vec![round], aad: b"aad".to_vec() };
        assert_eq!(opened, expected);
        let opened = a.open(&from_b.bytes).unwrap();
        let expected = Opened::Text { sender: members[1].clone(), epoch: from_b.epoch, plaintext: Vec::new(), aad: vec![round] };
        assert_eq!(opened, expected);
    }
}

/// Within the tolerance, order does not matter.
pub fn twenty_texts_in_reversed_order_all_open<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let texts: Vec<_> = (0..20).map(|n| a.seal(&n.to_string())).collect();
    for (n, text) in texts.iter().enumerate().rev() {
        assert_eq!(b.read(text), n.to_string());
    }
    for text in &texts {
        assert_eq!(b.open(text), Err(CipherError::Used));
    }
}

/// A second time it is used.
pub fn a_text_opens_once<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let text = a.seal("once");
    assert_eq!(b.read(&text), "once");
    for _ in 0..2 {
        assert_eq!(b.open(&text), Err(CipherError::Used));
    }
    let next = a.seal("next");
    assert_eq!(b.read(&next), "next");
    assert_eq!(b.open(&text), Err(CipherError::Used));
}

/// Keys of skipped texts are kept for 1,024 generations.
pub fn a_text_too_far_out_of_order_is_gone<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let texts: Vec<_> = (0..1_026).map(|n| a.seal(&n.to_string())).collect();
    assert_eq!(b.read(&texts[1_025]), "1025");
    assert_eq!(b.open(&texts[1]), Err(CipherError::Gone));
    assert_eq!(b.open(&texts[0]), Err(CipherError::Gone));
    assert_eq!(b.read(&texts[2]), "2");
}

/// ATTACKS.md R1 in small: nothing is used up by what is refused.
pub fn every_altered_byte_of_a_text_is_refused_and_the_text_still_opens<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let text = a.seal("altered on the way");
    let before = b.face();
    for place in 0..text.len() {
        let mut altered = text.clone();
        altered[place] ^= 0x80;
        let refused = b.open(&altered).unwrap_err();
        // The epoch's number stands in clear.
        assert!(matches!(refused, CipherError::Broken | CipherError::Ahead | CipherError::Gone), "byte {place}: {refused:?}");
    }
    for length in 0..text.len() {
        assert_eq!(b.open(&text[..length]), Err(CipherError::Broken));
    }
    assert_eq!(b.open(&[text.as_slice(), &[0]].concat()), Err(CipherError::Broken));
    assert_eq!(b.face(), before);
    assert_eq!(b.read(&text), "altered on the way");
}

/// Whatever call it is given to.
pub fn noise_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, _) = pair(lab);
    let leaf = a.c().fresh_leaf().unwrap();
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    for noise in [Vec::new(), vec![0], vec![0, 1, 0, 2], vec![0xFF; 64], vec![0; 300], vec![0; 2 * 1024 * 1024], vec![0; 5 * 1024 * 1024]] {
        assert_eq!(a.open(&noise), Err(CipherError::Broken));
        assert_eq!(a.c().inspect(&noise), Err(CipherError::Broken));
        assert_eq!(a.c().join_external(&noise, &PSK.0, leaf, b"", LIFETIME), Err(CipherError::Broken));
        assert_eq!(a.c().join_welcome(&noise), Err(CipherError::Broken));
        assert_eq!(a.c().commit(ROOM, &Proposals { add: vec![noise], ..Proposals::default() }, b""), Err(CipherError::Broken));
    }
    // Well-formed, but not what the call takes.
    let info = a.c().offer(ROOM).unwrap();
    let package = a.package();
    for foreign in [&info, &package] {
        assert_eq!(a.open(foreign), Err(CipherError::Broken));
        assert_eq!(a.c().join_welcome(foreign), Err(CipherError::Broken));
    }
}

/// Also when its sender is a member of both.
pub fn a_text_of_another_room_is_refused<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    a.create(OTHER);
    let info = a.c().offer(OTHER).unwrap();
    let commit = b.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    let Opened::Commit(staged) = a.c().open(OTHER, &commit).unwrap() else { panic!("not a commit") };
    a.c().adopt(OTHER, staged.epoch).unwrap();
    let text = a.c().seal(OTHER, b"text", b"").unwrap().bytes;
    assert_eq!(b.open(&text), Err(CipherError::Broken));
    assert!(b.c().open(OTHER, &text).is_ok());
    // Whose epoch has a higher number.
    for _ in 0..2 {
        let pending = a.c().commit(OTHER, &Proposals::default(), b"").unwrap();
        a.c().adopt(OTHER, pending.epoch).unwrap();
    }
    let text = a.c().seal(OTHER, b"text", b"").unwrap().bytes;
    assert_eq!(b.open(&text), Err(CipherError::Broken));
    assert_eq!(b.c().open(OTHER, &text), Err(CipherError::Ahead));
}

/// A reflected text is not taken for anybody's.
pub fn ones_own_text_does_not_open<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let text = a.seal("mine");
    assert_eq!(a.open(&text), Err(CipherError::Broken));
    assert_eq!(b.read(&text), "mine");
}

/// The text overtook the commit.
pub fn a_text_of_a_later_epoch_is_ahead_and_opens_when_it_has_come<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    let text = a.seal("early");
    let before = b.face();
    assert_eq!(b.open(&text), Err(CipherError::Ahead));
    assert_eq!(b.face(), before);
    b.follow(&pending.commit);
    assert_eq!(b.read(&text), "early");
}

/// Two past epochs are kept.
pub fn texts_of_two_past_epochs_open_and_older_ones_are_gone<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let mut texts = Vec::new();
    for n in 0..3u8 {
        texts.push((a.epoch(), a.c().seal(ROOM, &[n], b"").unwrap().bytes, a.c().seal(ROOM, &[n], b"").unwrap().bytes));
        step(&mut a, &mut b);
    }
    assert_eq!(b.open(&texts[0].1), Err(CipherError::Gone));
    for (epoch, first, second) in &texts[1..] {
        for text in [second, first] {
            let Opened::Text { epoch: of, .. } = b.open(text).unwrap() else { panic!("not a text") };
            assert_eq!(of, *epoch);
            assert_eq!(b.open(text), Err(CipherError::Used));
        }
    }
}

/// The newcomer has no keys of earlier epochs.
pub fn a_text_from_before_joining_is_gone<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, _) = pair(lab);
    let (mut c, mut d) = (lab.party("clara"), lab.party("dora"));
    let text = a.seal("before");
    let info = a.c().offer(ROOM).unwrap();
    let commit = c.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    a.follow(&commit);
    assert_eq!(c.open(&text), Err(CipherError::Gone));
    let text = a.seal("before");
    let add = vec![d.package()];
    let pending = a.c().commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    d.c().join_welcome(&pending.welcome.unwrap()).unwrap();
    assert_eq!(d.open(&text), Err(CipherError::Gone));
    assert_eq!(d.open(&pending.commit), Err(CipherError::Gone));
}

/// Also when its position has a new owner since.
pub fn the_sender_of_a_past_epoch_is_named_as_it_was_then<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b, mut c) = trio(lab);
    let mut d = lab.party("dora");
    let old = c.c().members(ROOM).unwrap()[2].clone();
    let text = c.seal("last words");
    let pending = a.c().commit(ROOM, &Proposals { remove: vec![2], ..Proposals::default() }, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    b.follow(&pending.commit);
    let pending = a.c().commit(ROOM, &Proposals { add: vec![d.package()], ..Proposals::default() }, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    b.follow(&pending.commit);
    assert_ne!(b.c().members(ROOM).unwrap()[2], old);
    let Opened::Text { sender, .. } = b.open(&text).unwrap() else { panic!("not a text") };
    assert_eq!(sender, old);
}

/// Nothing is made up for a room that never was.
pub fn an_unknown_room_is_gone_for_every_call<C: RoomCipher>(lab: &Lab<C>) {
    let mut a = lab.party("andi");
    all_gone(&mut a, b"noise");
}

/// Its texts, its epochs, its exporter.
pub fn a_forgotten_room_is_gone<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let text = a.seal("too late");
    step(&mut a, &mut b);
    b.c().forget(ROOM).unwrap();
    all_gone(&mut b, &text);
    b.restart();
    all_gone(&mut b, &text);
}

fn all_gone<C: RoomCipher>(party: &mut Party<C>, bytes: &[u8]) {
    let gone = CipherError::Gone;
    assert_eq!(party.c().offer(ROOM), Err(gone));
    assert_eq!(party.c().seal(ROOM, b"", b""), Err(gone));
    assert_eq!(party.c().open(ROOM, bytes), Err(gone));
    assert_eq!(party.c().commit(ROOM, &Proposals::default(), b""), Err(gone));
    assert_eq!(party.c().adopt(ROOM, EpochId([0; 32])), Err(gone));
    assert_eq!(party.c().reject(ROOM), Err(gone));
    assert_eq!(party.c().rewind(ROOM, EpochId([0; 32])), Err(gone));
    assert_eq!(party.c().peek(ROOM, EpochId([0; 32]), bytes), Err(gone));
    assert_eq!(party.c().complete(ROOM), Err(gone));
    assert_eq!(party.c().forget_parents(ROOM, &[]), Err(gone));
    assert_eq!(party.c().state(ROOM), Err(gone));
    assert_eq!(party.c().forget(ROOM), Err(gone));
    assert_eq!(party.c().epoch(ROOM), Err(gone));
    assert_eq!(party.c().members(ROOM), Err(gone));
    assert_eq!(party.c().export(ROOM, "label", b""), Err(gone));
}

/// ATTACKS.md R1: the epoch is read before anything is authenticated. Whatever number a
/// forger writes, the room stays as it is and true texts open.
pub fn a_forged_epoch_changes_nothing<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    step(&mut a, &mut b);
    let text = a.seal("true");
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    let before = b.face();
    for message in [&text, &pending.commit] {
        let marker = ROOM.as_bytes();
        let place = message.windows(marker.len()).position(|window| window == marker).unwrap() + marker.len();
        // The number follows the room in both ciphers' bytes.
        for (offset, value) in (0..9).flat_map(|offset| [0u8, 1, 3, 0x1B, 0xFF].map(|value| (offset, value))) {
            let mut forged = message.clone();
            if std::mem::replace(&mut forged[place + offset], value) == value {
                continue;
            }
            let refused = b.open(&forged).unwrap_err();
            assert!(matches!(refused, CipherError::Ahead | CipherError::Gone | CipherError::Broken), "{refused:?}");
            assert_eq!(b.c().adopt(ROOM, pending.epoch), Err(CipherError::Gone));
        }
    }
    assert_eq!(b.face(), before);
    assert_eq!(b.read(&text), "true");
    b.follow(&pending.commit);
}

/// Used keys stay used, kept ones kept, pending commits pending.
pub fn the_state_survives_a_restart<C: RoomCipher>(lab: &Lab<C>) {
    let (mut a, mut b) = pair(lab);
    let (used, skipped) = (a.seal("used"), a.seal("skipped"));
    let last = a.seal("last");
    assert_eq!(b.read(&used), "used");
    assert_eq!(b.read(&last), "last");
    let pending = b.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    let face = b.face();
    a.restart();
    b.restart();
    assert_eq!(b.face(), face);
    assert_eq!(b.open(&used), Err(CipherError::Used));
    assert_eq!(b.read(&skipped), "skipped");
    let more = a.seal("more");
    assert_eq!(b.read(&more), "more");
    b.c().adopt(ROOM, pending.epoch).unwrap();
    a.follow(&pending.commit);
    agree(&mut a, &mut b);
}
