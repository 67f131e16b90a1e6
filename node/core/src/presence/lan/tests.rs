//! What anybody on the LAN can show, and what comes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::clear_cipher::ClearCipher;
use crate::command::Trust;
use crate::fixture::Empty;
use crate::rows::{Friend, FriendState};
use crate::turn::Out;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::RoomId;
use symbolon_presence::kdf::Secret;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const FRIEND: PeerId = PeerId([7; 32]);
const KEY: PublicKeyBytes = PublicKeyBytes([9; 32]);

fn friendship() -> FriendshipSecret {
    FriendshipSecret { revision: 0, secret: Secret::from_bytes([5; 32]) }
}

/// A node with one friend, on the LAN.
fn on_the_lan(now: Timestamp, f: impl FnOnce(&mut Lan, &mut State, &mut Turn<'_>)) -> Vec<Action> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, now, &mut rng, &mut out).unwrap();
    let friend = Friend {
        renewing: None,
        reentries: None,
        resent: None,
        lacks: None,
        unknown: None,
        version: None,
        person: None,
        follows: None,
        says: None,
        peer: FRIEND,
        petname: "Ben".into(),
        room: RoomId([1; 32]),
        conversation: RoomId([1; 32]),
        state: FriendState::Mutual,
        trust: Trust::Verified,
        blocked: false,
        devices: Vec::new(),
        friendship: Some(friendship()),
        second_root: None,
        since: now,
        unread: 0,
        presence: None,
        giving: false,
        read_to: None,
        held: Vec::new(),
    };
    state.friends.insert(FRIEND, friend);
    let mut cipher = ClearCipher::new([1; 32]);
    let mut turn = Turn { now, sure: now, stamp: now, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out };
    let mut lan = Lan::default();
    lan.up(&state, &mut turn, PublicKeyBytes([2; 32]), true, vec![(1, list(1))]);
    f(&mut lan, &mut state, &mut turn);
    out.actions.into_iter().collect()
}

/// One place, another for each number, as a node shows it.
fn list(host: u8) -> LanPlaces {
    LanPlaces::decode(&[1, 10, 9, 0, host, 0, 9]).unwrap()
}

/// The same as it is dialled.
fn place(host: u8) -> Address {
    Address(vec![4, 10, 9, 0, host, 6, 0, 9])
}

/// What the friend's node shows, when it listens on this host.
fn shown_at(instance: u8, host: u8, now: Timestamp) -> Sighting {
    let (instance, hour, places) = ([instance; 8], hour_of(now), list(host));
    let tag = friendship().lan_tag(&instance, hour, &KEY, &places);
    let shown = Announcement { instance, hour, tag, places, name: None };
    Sighting { shown, transport: KEY, places: vec![place(host)], near: vec![place(host)] }
}

/// The same, on the host with the number of the instance.
fn shown(instance: u8, now: Timestamp) -> Sighting {
    shown_at(instance, instance, now)
}

/// A stranger's node, one of many.
fn stranger(number: u64) -> Sighting {
    let (instance, name) = (number.to_be_bytes(), Some(format!("Guest {number}")));
    let shown = Announcement { instance, hour: hour_of(NOW), tag: [1; 16], places: list(1), name };
    Sighting { shown, transport: KEY, places: vec![place(1)], near: vec![place(1)] }
}

#[test]
fn a_friend_is_recognised_by_the_tag_and_followed_when_it_moves() {
    on_the_lan(NOW, |lan, state, _| {
        assert_eq!(lan.sighted(state, NOW, shown(1, NOW)), Some(FRIEND));
        assert_eq!(lan.places(&FRIEND), [place(1)]);
        assert_eq!(lan.sighted(state, NOW, shown(1, NOW)), None, "nothing new");
        assert_eq!(lan.sighted(state, NOW, shown_at(1, 8, NOW)), Some(FRIEND));
        assert_eq!(lan.places(&FRIEND), [place(8)]);
        assert_eq!(lan.view(NOW).unwrap().friends, 1);
        lan.unsighted(&[1; 8]);
        assert!(lan.places(&FRIEND).is_empty());
    });
}

#[test]
fn the_next_hours_tag_of_a_friend_at_the_same_place_is_no_news() {
    on_the_lan(NOW, |lan, state, _| {
        assert_eq!(lan.sighted(state, NOW, shown(1, NOW)), Some(FRIEND));
        let later = NOW.after(HOUR);
        assert_eq!(lan.sighted(state, later, shown(1, later)), None);
        assert_eq!(lan.places(&FRIEND).len(), 1);
    });
}

#[test]
fn a_node_that_has_not_shown_itself_for_two_hours_is_forgotten() {
    on_the_lan(NOW, |lan, state, turn| {
        lan.sighted(state, NOW, shown(1, NOW));
        turn.now = NOW.after(HOUR);
        lan.renew(state, turn);
        assert_eq!((lan.seen.len(), lan.places(&FRIEND).len()), (1, 1), "its tag may still be on its way");
        turn.now = NOW.after(2 * HOUR);
        lan.renew(state, turn);
        assert!(lan.seen.is_empty() && lan.places(&FRIEND).is_empty());
    });
}

#[test]
fn a93_a_tag_of_another_hour_instance_key_or_secret_is_nobodys() {
    on_the_lan(NOW, |lan, state, _| {
        let old = NOW.0 - 3 * HOUR;
        let instance = Sighting { shown: Announcement { instance: [2; 8], ..shown(1, NOW).shown }, ..shown(1, NOW) };
        let hour = Sighting { shown: Announcement { hour: hour_of(NOW) + 1, ..shown(3, NOW).shown }, ..shown(3, NOW) };
        let key = Sighting { transport: PublicKeyBytes([4; 32]), ..shown(4, NOW) };
        let mut secret = shown(5, NOW);
        secret.shown.tag =
            FriendshipSecret { revision: 1, secret: Secret::from_bytes([6; 32]) }.lan_tag(&[5; 8], hour_of(NOW), &KEY, &list(5));
        for (what, sighting) in
            [("three hours old", shown(6, Timestamp(old))), ("instance", instance), ("hour", hour), ("key", key), ("secret", secret)]
        {
            assert_eq!(lan.sighted(state, NOW, sighting), None, "{what}");
            assert!(lan.places(&FRIEND).is_empty(), "{what}: nobody is called");
        }
    });
}

#[test]
fn a93_a_friends_record_with_another_address_or_port_is_nobodys_and_nothing_of_it_is_dialled() {
    on_the_lan(NOW, |lan, state, _| {
        let good = shown(1, NOW);
        let [host, port, more] = [&[1, 10, 9, 0, 66, 0, 9][..], &[1, 10, 9, 0, 1, 0, 8], &[1, 10, 9, 0, 1, 0, 9, 1, 10, 9, 0, 66, 0, 9]]
            .map(|list| {
                let mut repeated = good.clone();
                repeated.shown.places = LanPlaces::decode(list).unwrap();
                (repeated.places, repeated.near) = (vec![place(66)], vec![place(66)]);
                repeated
            });
        for (what, repeated) in [("address", host), ("port", port), ("one more", more)] {
            assert_eq!(lan.sighted(state, NOW, repeated), None, "{what}");
            assert!(lan.places(&FRIEND).is_empty(), "{what}: nobody is called");
            lan.seen.clear();
        }
        assert_eq!(lan.sighted(state, NOW, good), Some(FRIEND));
    });
}

#[test]
fn each_network_is_shown_its_own_places_under_an_instance_of_its_own() {
    let actions = on_the_lan(NOW, |lan, state, turn| {
        lan.moved(state, turn, vec![(1, list(1)), (2, list(2))]);
        lan.moved(state, turn, vec![(1, list(1)), (2, list(2))]);
        lan.moved(state, turn, vec![(2, list(3))]);
        lan.moved(state, turn, (0..100).map(|network| (network, list(4))).collect());
    });
    let shown: Vec<_> = actions.iter().map(|action| if let Action::Announce(shown) = action { shown } else { panic!() }).collect();
    let [first, second, third, last] = shown.as_slice() else { panic!("{actions:?}") };
    assert_eq!((first.len(), second.len(), third.len(), last.len()), (1, 2, 1, LAN_NETWORKS_MAX));
    assert_eq!(first[0], second[0], "what has not changed is shown as before");
    let (one, two) = (&second[0].1, &second[1].1);
    assert!(one.instance != two.instance && one.tag != two.tag);
    assert_eq!((&one.places, &two.places), (&list(1), &list(2)));
    let moved = &third[0].1;
    assert!(moved.instance == two.instance && moved.places == list(3) && moved.tag != two.tag);
}

/// A friend's device that was last heard at a moment.
fn with_device(state: &mut State, number: u8, heard: Option<Timestamp>) -> (PeerId, DeviceId) {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(number));
    let identity = symbolon_presence::identity::Identity::generate(&mut rng, NOW, 365 * symbolon_presence::time::DAY);
    let device = identity.chain.verify(NOW).unwrap();
    let keys = symbolon_relay::grant::MailboxKeys::random(&mut rng);
    let entry = symbolon_relay::put::MailboxEntry::own(&keys, identity.signing.public(), Vec::new(), Vec::new());
    state.save_device(crate::rows::Device { heard, ..crate::rows::Device::new(device.device, device.peer, identity.chain.clone(), entry) });
    let friend = Friend { peer: device.peer, devices: vec![device.device], ..crate::fixture::friend(u64::from(number)) };
    state.friends.insert(device.peer, friend);
    (device.peer, device.device)
}

/// Somebody is taken out now.
fn take_out(state: &mut State, turn: &mut Turn<'_>) {
    let who = crate::fixture::peer(77);
    crate::presence::grant(state, turn, &who, &[]);
    crate::presence::revoke(state, turn, &who);
}

#[test]
fn strangers_are_asked_eight_a_minute_for_friends_not_met_since_somebody_was_taken_out_and_only_without_servers() {
    on_the_lan(NOW, |lan, state, turn| {
        let mut delivery = Delivery::default();
        let (_, lost) = with_device(state, 11, Some(Timestamp(NOW.0 - HOUR)));
        let (_, met) = with_device(state, 12, Some(NOW.after(2 * MINUTE)));
        let ask = |lan: &mut Lan, state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, until: u64| {
            let mut asked = Vec::new();
            while turn.now < NOW.after(until) {
                lan.watch(state, turn.now, false);
                if let Some((device, places)) = lan.ask(state, delivery, turn) {
                    assert!(places.iter().all(|place| place.0[1] == 10), "on a network of ours");
                    asked.push((turn.now, device));
                }
                turn.now = turn.now.after(500);
            }
            asked
        };
        for number in 0..40 {
            lan.sighted(state, NOW, stranger(1_000 + number));
        }
        let far = Sighting { near: Vec::new(), ..stranger(2_000) };
        lan.sighted(state, NOW, far);
        assert_eq!(ask(lan, state, &delivery, turn, 3 * MINUTE), [], "nobody was taken out");

        take_out(state, turn);
        turn.now = NOW;
        lan.watch(state, turn.now, true);
        assert_eq!(lan.ask_due(), None, "a server tells them");
        let asked = ask(lan, state, &delivery, turn, 4 * MINUTE);
        assert!(asked.iter().all(|(at, device)| *device == lost && at.since(NOW) >= LAN_ASK_DELAY), "{met:?} was met since");
        assert!((22..=24).contains(&asked.len()), "{} in three minutes", asked.len());
        for pair in asked.windows(2) {
            assert!(pair[1].0.since(pair[0].0) >= LAN_ASK_PAUSE);
        }
        let rest = ask(lan, state, &delivery, turn, 60 * MINUTE);
        assert_eq!(asked.len() + rest.len(), 40, "each that is on a network of ours once, as long as it shows the same");
        lan.watch(state, turn.now, true);
        lan.sighted(state, turn.now, stranger(3_000));
        assert_eq!(lan.ask(state, &delivery, turn), None, "there is a server again");
        let _ = &mut delivery;
    });
}

#[test]
fn a93_nobody_writes_over_what_a_friend_shows() {
    on_the_lan(NOW, |lan, state, _| {
        lan.sighted(state, NOW, shown(1, NOW)).unwrap();
        let mut forged = shown_at(1, 6, NOW);
        forged.shown.tag[0] ^= 1;
        assert_eq!(lan.sighted(state, NOW, forged), None);
        assert_eq!(lan.places(&FRIEND), [place(1)]);
    });
}

#[test]
fn a93_ten_thousand_instances_take_bounded_room_and_do_not_drive_out_a_friend() {
    on_the_lan(NOW, |lan, state, _| {
        lan.sighted(state, NOW, shown(1, NOW)).unwrap();
        for number in 0..10_000 {
            let minute = number / 100;
            assert_eq!(lan.sighted(state, NOW.after(minute * MINUTE / 4), stranger(1_000_000 + number)), None);
            assert!(lan.seen.len() <= LAN_SEEN_MAX);
        }
        assert_eq!(lan.seen.len(), LAN_SEEN_MAX, "the cache was filled");
        assert_eq!(lan.places(&FRIEND), [place(1)]);
        let mut fresh = Lan { own: lan.own.take(), ..Lan::default() };
        for number in 0..1_000 {
            fresh.sighted(state, NOW, stranger(number));
        }
        assert_eq!(fresh.seen.len(), LAN_NEW_MAX, "no more than these in a minute");
        assert_eq!(fresh.sighted(state, NOW, shown(2, NOW)), Some(FRIEND), "a friend is found behind them");
    });
}

#[test]
fn a93_the_work_of_a_minute_is_bounded_and_the_next_one_begins_again() {
    on_the_lan(NOW, |lan, state, _| {
        for number in 0..1_000 {
            lan.sighted(state, NOW, stranger(number));
        }
        assert_eq!(lan.minute.tags, 1_000, "one tag for each node and friend, whether taken in or not");
        lan.minute.tags = LAN_TAGS_MAX;
        assert_eq!(lan.sighted(state, NOW, shown(1, NOW)), None);
        assert_eq!(lan.sighted(state, NOW.after(MINUTE), shown(1, NOW)), Some(FRIEND));
    });
}

#[test]
fn a_sighting_without_places_or_with_endless_ones_is_nothing_or_cut() {
    on_the_lan(NOW, |lan, state, _| {
        assert_eq!(lan.sighted(state, NOW, Sighting { places: Vec::new(), ..shown(1, NOW) }), None);
        let long = Sighting { places: vec![Address(vec![1; Address::MAX_LEN + 1])], ..shown(1, NOW) };
        assert_eq!(lan.sighted(state, NOW, long), None);
        let many: Vec<Address> = (0..100).map(place).collect();
        let many = Sighting { places: many.clone(), near: many, ..shown(1, NOW) };
        assert_eq!(lan.sighted(state, NOW, many), Some(FRIEND));
        assert_eq!(lan.places(&FRIEND).len(), ADDRESSES_MAX);
    });
}

#[test]
fn who_becomes_a_friend_is_found_among_what_was_seen_before() {
    on_the_lan(NOW, |lan, state, _| {
        state.friends.get_mut(&FRIEND).unwrap().friendship = None;
        assert_eq!(lan.sighted(state, NOW, shown(1, NOW)), None);
        state.friends.get_mut(&FRIEND).unwrap().friendship = Some(friendship());
        lan.look_again(state);
        assert_eq!(lan.places(&FRIEND), [place(1)]);
    });
}

#[test]
fn the_name_is_shown_to_strangers_for_ten_minutes_and_theirs_no_longer() {
    let actions = on_the_lan(NOW, |lan, state, turn| {
        lan.sighted(state, NOW, stranger(1));
        assert_eq!(lan.view(NOW).unwrap().strangers, ["Guest 1"]);
        assert_eq!(lan.next_due(), Some(NOW.after(LAN_VISIBLE)));
        turn.now = NOW.after(LAN_VISIBLE);
        lan.renew(state, turn);
        let hidden = lan.view(turn.now).unwrap();
        assert!(hidden.strangers.is_empty() && hidden.visible_until.is_none());
    });
    let [Action::Announce(first), Action::Announce(second)] = actions.as_slice() else { panic!("{actions:?}") };
    let ([(1, first)], [(1, second)]) = (first.as_slice(), second.as_slice()) else { panic!("{actions:?}") };
    assert!(first.name.is_some() && second.name.is_none() && first.instance == second.instance);
}

#[test]
fn each_hour_has_a_tag_of_its_own() {
    let actions = on_the_lan(NOW, |lan, state, turn| {
        turn.now = lan.next_due().unwrap();
        lan.renew(state, turn);
        turn.now = lan.next_due().unwrap();
        lan.renew(state, turn);
        lan.renew(state, turn);
    });
    let tags: std::collections::BTreeSet<[u8; 16]> =
        actions.iter().map(|action| if let Action::Announce(shown) = action { shown[0].1.tag } else { panic!() }).collect();
    assert_eq!((actions.len(), tags.len()), (3, 2), "the second only hides the name");
}

#[test]
fn without_a_server_those_seen_first_make_up_a_dht_and_friends_before_strangers() {
    let neighbours = |turn: &mut Turn<'_>| {
        let last = turn.out.actions.pop_back();
        turn.out.actions.clear();
        match last {
            Some(Action::Net(NetAction::Neighbours(places))) => Some(places),
            _ => None,
        }
    };
    on_the_lan(NOW, |lan, state, turn| {
        lan.sighted(state, NOW, stranger(1));
        turn.now = NOW.after(2 * NEIGHBOURS_DELAY);
        lan.choose_neighbours(turn, false);
        assert_eq!(neighbours(turn), None, "a stranger is shown nothing that the user has not allowed");
    });
    on_the_lan(NOW, |lan, state, turn| {
        lan.has_dht = true;
        lan.choose_neighbours(turn, false);
        for number in 0..LAN_NEW_MAX as u64 {
            let places: Vec<Address> = (0..5).map(|place| Address(vec![number as u8, place])).collect();
            let near = places[1..].to_vec();
            lan.sighted(state, NOW.after(number), Sighting { places, near, ..stranger(number) });
        }
        turn.now = NOW.after(NEIGHBOURS_DELAY - 1);
        lan.choose_neighbours(turn, false);
        assert_eq!(neighbours(turn), None, "a server may still be met");
        turn.now = NOW.after(NEIGHBOURS_DELAY);
        assert_eq!(lan.next_due(), Some(turn.now));
        lan.choose_neighbours(turn, false);
        let first: Vec<Address> = (0..NEIGHBOURS_MAX as u8).flat_map(|number| [1, 2].map(|place| Address(vec![number, place]))).collect();
        assert_eq!(neighbours(turn), Some(Some(first)));
        lan.choose_neighbours(turn, false);
        assert_eq!(neighbours(turn), None, "nothing new");

        lan.sighted(state, turn.now, shown(200, NOW));
        lan.choose_neighbours(turn, false);
        let places = neighbours(turn).unwrap().unwrap();
        assert_eq!(places[0], place(200));
        assert_eq!(places.len(), 1 + (NEIGHBOURS_MAX - 1) * NEIGHBOUR_PLACES_MAX);

        lan.seen.clear();
        lan.choose_neighbours(turn, false);
        assert_eq!(neighbours(turn), Some(Some(Vec::new())), "what was kept waits for who comes next");

        lan.choose_neighbours(turn, true);
        assert_eq!(neighbours(turn), Some(None), "there is a server");
        lan.choose_neighbours(turn, false);
        assert_eq!(neighbours(turn), None, "it is waited for again before");
    });
}
