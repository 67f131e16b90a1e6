#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::command::Path;
use crate::limits::{FETCH_AGAIN, LOOK_PAUSE, LOOK_ROUNDS};
use crate::seam::Source;
use rand_core::{Rng, SeedableRng};
use symbolon_presence::codec;
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::sign::SigningKey;
use symbolon_relay::grant::MailboxKeys;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn relay(number: u8) -> RelayLink {
    let keys = MailboxKeys::random(&mut rng(u64::from(number)));
    let receipt = SigningKey::from_seed(&[number; 32]).public();
    RelayLink { mailbox_key: keys.public(), receipt, places: vec![Address(vec![4, number])] }
}

fn key() -> Secret {
    Secret::from_bytes([9; 32])
}

fn search() -> Search {
    Search::new(&key(), rng(1))
}

fn actions(search: &mut Search) -> Vec<NetAction> {
    std::iter::from_fn(|| search.poll_action()).collect()
}

/// A relay that was reached, and the nonce of what it is asked.
fn linked(search: &mut Search, link: LinkId) -> Nonce {
    let dial = actions(search).into_iter().find_map(|action| if let NetAction::Dial(dial, _) = action { Some(dial) } else { None });
    search.handle(NOW, &Input::LinkUp { link, dial, path: Path::Direct, source: Source::default(), keys: None });
    asked(search).expect("it is asked")
}

fn asked(search: &mut Search) -> Option<Nonce> {
    let question = |action| {
        let NetAction::Send(_, bytes) = action else { return None };
        if let Frame::Fetch(fetch) = Frame::decode(&bytes).unwrap() { Some(fetch.nonce) } else { None }
    };
    actions(search).into_iter().find_map(question)
}

fn fetched(nonce: Nonce, handed: Handed) -> Input {
    Input::Frame(LinkId(1), Frame::Fetched(Fetched { nonce, handed }).encode())
}

#[test]
fn a_relay_that_says_whatever_it_likes_for_ever_is_given_up() {
    let mut search = search();
    assert!(search.ask(relay(1), NOW));
    linked(&mut search, LinkId(1));
    let mut noise = rng(2);
    for count in 0..FETCH_FRAMES_MAX {
        assert!(!search.is_over(NOW), "after {count} frames");
        let mut bytes = vec![0; usize::try_from(noise.next_u32() % 64).unwrap()];
        noise.fill_bytes(&mut bytes);
        search.handle(NOW, &Input::Frame(LinkId(1), bytes));
    }
    assert!(search.is_over(NOW));
    assert_eq!(search.endings(), [Some(Ending::Nothing)]);
    assert!(actions(&mut search).iter().any(|action| matches!(action, NetAction::Close(LinkId(1), _))));
}

#[test]
fn a_relay_that_is_silent_is_called_four_times_and_the_search_ends() {
    let mut search = search();
    assert!(search.ask(relay(1), NOW));
    let (mut now, mut dials) = (NOW, 0);
    while !search.is_over(now) {
        dials += actions(&mut search).iter().filter(|action| matches!(action, NetAction::Dial(..))).count();
        now = search.next_due().unwrap();
        search.tick(now);
    }
    assert_eq!((dials, search.endings()), (4, vec![Some(Ending::Silent)]));
    assert!(now.since(NOW) <= 4 * (FETCH_DEADLINE + FETCH_AGAIN));
}

/// What somebody puts back who was handed the first piece of an older capsule and then this.
fn put_back(then: impl FnOnce([Vec<Piece>; 2]) -> Piece) -> Vec<Stock> {
    let mut search = search();
    let there = relay(1);
    assert!(search.ask(there.clone(), NOW));
    let keys = CapsuleKeys::new(&key());
    let seal = |piece: &Piece| keys.seal(&there.mailbox(), 0, piece, &mut rng(5));
    let both = [3, 4].map(|version| Piece::cut(version, &[7; 9_000]).unwrap());
    let first = seal(&both[0][0]);
    let nonce = linked(&mut search, LinkId(1));
    search.handle(NOW, &fetched(nonce, Handed::Package(first.clone())));
    let nonce = asked(&mut search).unwrap();
    search.handle(NOW, &fetched(nonce, Handed::Package(seal(&then(both)))));
    assert_eq!((search.endings(), search.found().len()), (vec![Some(Ending::Parts)], 0));
    let stock = |action| {
        let NetAction::Send(_, bytes) = action else { return None };
        if let Frame::Stock(stock) = Frame::decode(&bytes).unwrap() { Some(stock) } else { None }
    };
    let stocks: Vec<Stock> = actions(&mut search).into_iter().filter_map(stock).collect();
    for stock in &stocks {
        assert!(stock.verify(&there.mailbox()).is_ok() && stock.version > NOW.0, "above what lies there");
        assert!(stock.packages.is_empty() && stock.last.as_ref().is_some_and(|last| **last == first));
    }
    stocks
}

#[test]
fn what_was_handed_out_is_put_back_unless_another_capsule_was_left_meanwhile() {
    assert_eq!(put_back(|[old, _]| old[0].clone()).len(), 1, "there is no more");
    assert_eq!(put_back(|[_, new]| new[1].clone()).len(), 0, "a newer one, of which nothing is taken away");
}

#[test]
fn a_search_that_is_broken_off_and_begun_again_has_all_pieces_and_puts_all_back() {
    let (there, keys) = (relay(1), CapsuleKeys::new(&key()));
    let pieces = Piece::cut(3, &[7; 9_000]).unwrap();
    let sealed: Vec<Vec<u8>> = pieces.iter().map(|piece| keys.seal(&there.mailbox(), 0, piece, &mut rng(5))).collect();
    let hand = |search: &mut Search, nonce, at: usize| search.handle(NOW, &fetched(nonce, Handed::Package(sealed[at].clone())));
    let mut first = search();
    assert!(first.ask(there.clone(), NOW));
    let nonce = linked(&mut first, LinkId(1));
    hand(&mut first, nonce, 0);
    let taken = first.take_taken();
    assert!(taken.len() == 1 && first.take_taken().is_empty(), "each is said once");
    drop(first);
    for is_all in [false, true] {
        let mut again = search();
        let of = |at: usize| Taken { relay: there.mailbox(), number: 0, package: sealed[at].clone() };
        // What is of another relay, or no piece, is passed over.
        let junk = [Taken { relay: relay(2).mailbox(), ..of(1) }, Taken { package: vec![1; 4_096], ..of(1) }, Taken { number: 1, ..of(1) }];
        let rest = if is_all { vec![of(1), of(2)] } else { Vec::new() };
        again.go_on(taken.iter().cloned().chain(junk).chain(rest).collect());
        assert!(again.ask(there.clone(), NOW));
        if is_all {
            let dial =
                actions(&mut again).into_iter().find_map(|action| if let NetAction::Dial(dial, _) = action { Some(dial) } else { None });
            again.handle(NOW, &Input::LinkUp { link: LinkId(1), dial, path: Path::Direct, source: Source::default(), keys: None });
        } else {
            let nonce = linked(&mut again, LinkId(1));
            hand(&mut again, nonce, 1);
            let nonce = asked(&mut again).unwrap();
            hand(&mut again, nonce, 2);
        }
        assert_eq!(again.found().iter().map(|capsule| capsule.bytes.len()).collect::<Vec<_>>(), [9_000]);
        let stock = |action| {
            let NetAction::Send(_, bytes) = action else { return None };
            if let Frame::Stock(stock) = Frame::decode(&bytes).unwrap() { Some(stock.packages.len() + 1) } else { None }
        };
        assert_eq!(actions(&mut again).into_iter().find_map(stock), Some(3), "all three");
    }
}

#[test]
fn only_what_was_sealed_under_the_words_names_relays_and_no_more_than_eight_are_asked() {
    let mut search = search();
    search.look_at(vec![vec![Address(vec![4, 1])]], NOW);
    let places = CapsuleKeys::new(&key()).places();
    let slot = places.slot(day_of(NOW));
    let id = slot.id().unwrap();
    let record = |relays: Vec<RelayLink>| slot.seal(NOW, &codec::encode(&CapsulePlaces { relays }), &mut rng(3)).unwrap();
    let others = CapsuleKeys::new(&Secret::from_bytes([8; 32])).places().slot(day_of(NOW));
    let forged = others.seal(NOW, &codec::encode(&CapsulePlaces { relays: vec![relay(1)] }), &mut rng(3)).unwrap();
    let unkeyed = RelayLink { mailbox_key: PublicKeyBytes([0; 32]), ..relay(1) };
    for bad in [forged, vec![0; 40], record(vec![unkeyed]), record((1..=4).map(relay).collect())] {
        search.handle(NOW, &Input::Found(id, bad));
        assert!(search.endings().is_empty(), "nobody is asked by it");
    }
    for from in 0..5 {
        search.handle(NOW, &Input::Found(id, record((1..=3).map(|number| relay(3 * from + number)).collect())));
    }
    assert_eq!(search.endings().len(), ASKED_MAX);
    search.handle(NOW, &Input::Found(id, record(vec![relay(1)])));
    assert_eq!(search.endings().len(), ASKED_MAX, "each once");
}

/// A node that the LAN shows, near or far.
fn shown(number: u8, is_near: bool) -> Input {
    let place =
        symbolon_presence::lan::LanPlace { ip: [10, 9, 0, number].into(), carrier: symbolon_presence::lan::Carrier::Tcp, port: 4_001 };
    let places = symbolon_presence::lan::LanPlaces::new(vec![place]).unwrap();
    let shown = crate::seam::Announcement { instance: [number; 8], hour: 0, tag: [0; 16], places, name: None };
    let places = vec![Address(vec![4, number])];
    let near = if is_near { places.clone() } else { Vec::new() };
    Input::Sighted(Sighting { shown, transport: PublicKeyBytes([number; 32]), places, near })
}

fn servers_asked(search: &mut Search) -> Vec<Vec<Address>> {
    let asked = |action| if let NetAction::Resolve(_, Look::Servers(servers)) = action { Some(servers) } else { None };
    let mut all: Vec<Vec<Address>> = actions(search).into_iter().filter_map(asked).flatten().collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn nodes_on_the_lan_are_asked_where_no_relay_was_named_and_the_first_sixteen_alone() {
    let mut search = search();
    search.look_at(Vec::new(), NOW);
    assert!(servers_asked(&mut search).is_empty() && !search.has_company());
    search.handle(NOW, &shown(1, true));
    assert_eq!(servers_asked(&mut search), [vec![Address(vec![4, 1])]], "at once");
    search.handle(NOW, &shown(1, true));
    search.handle(NOW, &shown(200, false));
    assert!(servers_asked(&mut search).is_empty(), "neither twice, nor elsewhere than on a network of this machine");
    for number in 2..=100 {
        search.handle(NOW, &shown(number, true));
    }
    assert_eq!(servers_asked(&mut search).len(), LOOK_NEAR_MAX - 1, "all others that are shown are passed over");
    search.tick(NOW.after(LOOK_PAUSE));
    assert_eq!(servers_asked(&mut search).len(), LOOK_NEAR_MAX, "all again");
    let mut now = NOW;
    for _ in 0..LOOK_ROUNDS {
        assert!(!search.is_over(now));
        now = now.after(LOOK_PAUSE);
        search.tick(now);
    }
    assert!(search.is_over(now) && search.has_company());
    actions(&mut search);
    search.handle(now, &shown(150, true));
    assert!(actions(&mut search).is_empty(), "it has ended");
}

#[test]
fn where_the_lan_shows_nobody_the_search_is_over_after_two_rounds() {
    let mut search = search();
    search.look_at(Vec::new(), NOW);
    search.tick(NOW.after(LOOK_PAUSE));
    assert!(!search.is_over(NOW.after(LOOK_PAUSE)));
    let end = NOW.after(2 * LOOK_PAUSE);
    search.tick(end);
    assert!(search.is_over(end) && servers_asked(&mut search).is_empty() && search.endings().is_empty());
}

#[test]
fn a_capsule_of_a_clock_that_was_ahead_hides_none_that_is_true() {
    let mut search = search();
    search.tick(NOW);
    let ahead = NOW.after(2 * DAY).0;
    for version in [NOW.0 - 5, ahead, NOW.0, ahead + 1] {
        Piece::cut(version, &[7; 9_000]).unwrap().into_iter().for_each(|piece| search.keep(piece));
    }
    let made: Vec<u64> = search.found().iter().map(|capsule| capsule.made.0).collect();
    assert_eq!(made, [NOW.0, NOW.0 - 5, ahead + 1, ahead]);
}
