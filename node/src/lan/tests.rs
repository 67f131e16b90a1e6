//! What is shown on the LAN, and what is read of it.

#![allow(clippy::unwrap_used)]
use super::networks::tests::networks;
use super::*;
use mdns_sd::{ResolvedService, ScopedIp};
use std::net::Ipv4Addr;
use symbolon_core::seam::LanPlaces;

fn shared() -> Shared {
    Shared {
        mode: LanMode::Friends,
        face: Mutex::new(Face::new(PublicKeyBytes(libp2p_key()))),
        sockets: Sockets::new(false, &[]),
        shown: Mutex::default(),
        again: Notify::new(),
    }
}

/// A point of the curve: the base point of RFC 8032.
fn libp2p_key() -> [u8; 32] {
    let mut key = [0x66; 32];
    key[0] = 0x58;
    key
}

/// QUIC and TCP at 192.0.2.7, and TCP at a link-local address.
fn list() -> LanPlaces {
    let cable = [&[3, 0xfe, 0x80][..], &[0; 13], &[1, 0x0f, 0xa1]].concat();
    LanPlaces::decode(&[&[0, 192, 0, 2, 7, 0x0f, 0xa2, 1, 192, 0, 2, 7, 0x0f, 0xa1][..], &cable].concat()).unwrap()
}

fn announcement(name: Option<&str>) -> Announcement {
    Announcement { instance: [0xab; 8], hour: 500_000, tag: [0xcd; 16], places: list(), name: name.map(ToOwned::to_owned) }
}

/// What a reader sees of a record that it hears on one interface, from this address.
fn heard_from(info: ServiceInfo, ip: Ipv4Addr, index: u32) -> ResolvedService {
    let mut service = info.as_resolved_service();
    let interface = mdns_sd::InterfaceId { name: "if".into(), index };
    service.addresses = std::collections::HashSet::from([ScopedIp::V4(mdns_sd::ScopedIpV4::new(ip, interface))]);
    service
}

fn texts(places: &[symbolon_core::seam::Address]) -> Vec<String> {
    let text = |place| crate::net::address_to_text(place).unwrap();
    places.iter().map(|place| text(place).split("/p2p/").next().unwrap().to_owned()).collect()
}

#[test]
fn what_is_shown_reads_back_with_its_list_and_the_address_records_are_not_dialled() {
    let shared = shared();
    let info = shared.record(2, &announcement(Some("Andi"))).unwrap();
    let here = networks(&[(2, "192.0.2.1", 24)]);
    let sighting = sighting_of(&heard_from(info.clone(), Ipv4Addr::new(192, 0, 2, 66), 2), &here).unwrap();
    assert_eq!(sighting.shown, announcement(Some("Andi")));
    assert_eq!(sighting.transport, held(&shared.face).transport);
    let all = ["/ip4/192.0.2.7/udp/4002/quic-v1", "/ip4/192.0.2.7/tcp/4001", "/ip6zone/2/ip6/fe80::1/tcp/4001"];
    assert_eq!(texts(&sighting.places), all, "not 192.0.2.66");
    assert_eq!(texts(&sighting.near), all);
    assert!(sighting.places.iter().all(symbolon_core::seam::Address::is_bounded));

    let elsewhere = networks(&[(2, "10.9.0.1", 24)]);
    let sighting = sighting_of(&heard_from(info.clone(), Ipv4Addr::new(10, 9, 0, 66), 3), &elsewhere).unwrap();
    assert_eq!(texts(&sighting.places).len(), 3);
    assert_eq!(texts(&sighting.near), ["/ip6zone/3/ip6/fe80::1/tcp/4001"], "a stranger is called on a network of ours alone");
    let nowhere = sighting_of(&info.as_resolved_service(), &here).unwrap();
    assert_eq!(texts(&nowhere.places), all[..2], "nobody knows on which cable it was");
}

#[test]
fn hidden_node_shows_no_name_and_nothing_but_numbers() {
    let service = shared().record(2, &announcement(None)).unwrap().as_resolved_service();
    assert_eq!(sighting_of(&service, &networks(&[])).unwrap().shown.name, None);
    let keys: Vec<&str> = service.get_properties().iter().map(mdns_sd::TxtProperty::key).collect();
    assert_eq!(keys, ["v", "h", "g", "k", "a"]);
    for property in service.get_properties().iter().filter(|property| property.key() != "a") {
        assert!(property.val_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", property.key());
    }
    assert_eq!(service.get_fullname(), "abababababababab._symbolon._udp.local.");
}

#[test]
fn each_instance_has_a_host_name_of_its_own_and_another_one_after_a_new_transport_key() {
    let shared = shared();
    let host = |instance| {
        let shown = Announcement { instance, ..announcement(None) };
        shared.record(2, &shown).unwrap().get_hostname().to_owned()
    };
    let first = host([1; 8]);
    assert_eq!(host([1; 8]), first);
    assert_ne!(host([2; 8]), first);
    *held(&shared.face) = Face::new(PublicKeyBytes(libp2p_key()));
    assert_ne!(host([1; 8]), first);
}

#[test]
fn records_of_another_form_are_nobodys() {
    let list = BASE64URL_NOPAD.encode(list().as_bytes());
    let good = [("v", "2"), ("h", "5"), ("g", &"cd".repeat(16)), ("k", &HEXLOWER.encode(&libp2p_key())), ("a", &list)];
    let here = networks(&[]);
    let read = |name: &str, text: &[(&str, &str)]| {
        let info = ServiceInfo::new(SERVICE, name, "x.local.", "192.0.2.7", 1, text).unwrap();
        sighting_of(&info.as_resolved_service(), &here)
    };
    assert!(read(&"ab".repeat(8), &good).is_some_and(|sighting| sighting.places.len() == 2));
    for name in ["ab", "Andi's laptop", &"zz".repeat(8), &"ab".repeat(9)] {
        assert!(read(name, &good).is_none(), "{name}");
    }
    let long = BASE64URL_NOPAD.encode(&[1, 10, 9, 0, 1, 0, 9].repeat(LanPlaces::MAX + 1));
    let bad = [
        ("v", "1"),
        ("h", "-1"),
        ("h", "99999999999"),
        ("g", "cd"),
        ("g", ""),
        ("k", "00"),
        ("k", "xyz"),
        ("a", ""),
        ("a", "AQ"),
        ("a", "AQoJAAEACQ=="),
        ("a", "AQoJAAEAAA"),
        ("a", "AX8AAAEACQ"),
        ("a", &long),
    ];
    for (key, value) in bad {
        let bad: Vec<_> = good.iter().map(|(k, v)| if *k == key { (*k, value) } else { (*k, *v) }).collect();
        assert!(read(&"ab".repeat(8), &bad).is_none(), "{key}={value}");
    }
    assert!(read(&"ab".repeat(8), &good[..4]).is_none(), "a record without a list");
}
