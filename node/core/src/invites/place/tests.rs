#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn ip4(last: u8, end: &[&[u8]]) -> Address {
    Address([&[IP4, 192, 0, 2, last], end.concat().as_slice()].concat())
}

fn dns(name: &str, end: &[&[u8]]) -> Address {
    Address([&[DNS4, name.len() as u8], name.as_bytes(), end.concat().as_slice()].concat())
}

fn written(places: &[Place]) -> Vec<u8> {
    let mut bytes = Vec::new();
    places.iter().for_each(|place| place.put(&mut bytes));
    bytes
}

fn read(bytes: &[u8]) -> Option<Vec<Place>> {
    let (mut rest, mut places) = (bytes, Vec::new());
    while !rest.is_empty() {
        places.push(Place::read(&mut rest)?);
    }
    Some(places)
}

#[test]
fn ports_of_one_host_are_one_place_and_keys_are_left_out() {
    let tcp = ip4(1, &[TCP, &[0x12, 0x34]]);
    let keyed = ip4(1, &[UDP, &[0x12, 0x34], QUIC, KEY, &[3, 1, 2, 3]]);
    let places = Place::of(&[tcp.clone(), keyed], false);
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].addresses(), [ip4(1, &[UDP, &[0x12, 0x34], QUIC]), tcp]);
    assert_eq!(written(&places).len(), 7, "four bytes of address, two of port");
    let other = Place::of(&[ip4(1, &[TCP, &[0, 1]]), ip4(1, &[UDP, &[0, 2], QUIC]), ip4(1, &[TCP, &[0, 3]])], true);
    assert_eq!((other.len(), written(&other[..1]).len()), (2, 9));
}

#[test]
fn what_stands_behind_a_relay_is_no_place_of_a_link_and_odd_addresses_are_taken_as_they_are() {
    let circuit = ip4(1, &[TCP, &[0, 1], KEY, &[2, 1, 2], &[0xa2, 0x02], KEY, &[38], &[7; 38]]);
    assert!(Place::of(&[circuit, Address(Vec::new()), Address(vec![9; PLAIN_MAX + 1])], false).is_empty());
    let link_local = Address([&[IP6, 0xfe, 0x80], [0; 14].as_slice(), TCP, &[0, 1]].concat());
    assert!(Place::of(&[link_local], false).is_empty());
    let odd = Address(b"node 7".to_vec());
    let places = Place::of(&[odd.clone(), odd.clone()], true);
    assert_eq!((places.len(), places[0].addresses()), (1, vec![odd]));
    assert_eq!(read(&written(&places)), Some(places));
}

#[test]
fn no_address_has_two_forms() {
    let plain = |address: &Address| [&[0, address.0.len() as u8], address.0.as_slice()].concat();
    assert_eq!(read(&plain(&ip4(1, &[TCP, &[0, 1]]))), None, "it has a shorter one");
    assert!(read(&plain(&Address(b"node".to_vec()))).is_some());
    assert_eq!(read(&[1, 192, 0, 2, 1]), None, "no port");
    assert_eq!(read(&[0, 0]), None, "no address");
    assert_eq!(read(&[6 | HAS_TCP, 0, 0, 1]), None, "no such host");
}

#[test]
fn a_server_always_has_its_place_and_the_rest_is_filled_best_first() {
    let own = |last| Place::of(&[ip4(last, &[TCP, &[0, 1]])], false);
    let server = |name: &str| Place::of(&[dns(name, &[TCP, &[0, 1]])], true);
    let ours: Vec<Place> = (0..9).flat_map(own).collect();
    let long = server(&"x".repeat(49));
    let all = fit(ours.clone(), [long.clone(), server("relay.example")].concat(), 60);
    assert_eq!(all, [ours[..1].to_vec(), long].concat(), "53 bytes of the server, and 7 of ours");
    let all = fit(ours.clone(), [server(&"x".repeat(70)), server("relay.example")].concat(), 60);
    assert_eq!((all.len(), all.last().unwrap().is_server), (7, true));
    assert_eq!(all[..6], ours[..6]);
    assert_eq!(fit(ours, Vec::new(), 60).len(), 8);
    assert!(fit(Vec::new(), Vec::new(), 60).is_empty());
}

fn addresses() -> impl Strategy<Value = Address> {
    let hosts = prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| [&[IP4], ip.as_slice()].concat()),
        any::<[u8; 16]>().prop_map(|ip| [&[IP6], ip.as_slice()].concat()),
        ("[a-z.]{1,40}", prop_oneof![Just(DNS), Just(DNS4), Just(DNS6)]).prop_map(|(name, code)| [
            &[code, name.len() as u8],
            name.as_bytes()
        ]
        .concat()),
    ];
    let ends = prop_oneof![
        any::<[u8; 2]>().prop_map(|port| [TCP, &port].concat()),
        any::<[u8; 2]>().prop_map(|port| [UDP, &port, QUIC].concat()),
    ];
    prop_oneof![
        (hosts, ends).prop_map(|(host, end)| Address([host, end].concat())),
        prop::collection::vec(any::<u8>(), 1..=PLAIN_MAX).prop_map(Address),
    ]
}

proptest! {
    #[test]
    fn places_read_back_and_lead_to_the_same_addresses(addresses in prop::collection::vec(addresses(), 0..6), is_server: bool) {
        let places = Place::of(&addresses, is_server);
        let bytes = written(&places);
        prop_assert_eq!(read(&bytes), Some(places.clone()));
        let led: Vec<Address> = places.iter().flat_map(Place::addresses).collect();
        for address in &addresses {
            let Some(Host::Plain(_)) = Host::of(address).filter(|_| address.0[0] != IP6) else { continue };
            prop_assert!(led.contains(address));
        }
        prop_assert!(led.len() <= addresses.len() && led.iter().all(Address::is_bounded));
    }

    #[test]
    fn bytes_that_are_read_are_written_the_same_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
        if let Some(places) = read(&bytes) {
            let again = written(&places);
            prop_assert_eq!(read(&again), Some(places));
            prop_assert!(again.len() <= bytes.len());
        }
    }
}
