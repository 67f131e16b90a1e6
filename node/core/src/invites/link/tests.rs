#![allow(clippy::unwrap_used)]

use super::*;
use crate::invites::cards::CardLink;
use crate::seam::Address;
use proptest::prelude::*;
use symbolon_presence::time::DAY;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn ip6(last: u8, port: u8) -> [Address; 2] {
    let host = [&[0x29, 0x20, 0x01, 0x0d, 0xb8], [0; 11].as_slice(), &[last]].concat();
    [[host.as_slice(), &[0x91, 2, 1, port, 0xcd, 3]].concat(), [host.as_slice(), &[6, 2, port]].concat()].map(Address)
}

fn link(own: &[Address], servers: &[Address]) -> InviteLink {
    let secret = InviteSecret::from_bytes([7; 16]);
    InviteLink::new(secret, PeerId([9; 32]), NOW.after(7 * DAY), Place::of(own, false), Place::of(servers, true))
}

#[test]
fn a_link_holds_two_ipv6_hosts_with_two_ports_each_and_a_name_in_195_characters() {
    let name = Address([&[0x36, 13], b"relay.example".as_slice(), &[6, 0, 80]].concat());
    let full = link(&[ip6(1, 1), ip6(2, 2), ip6(3, 3)].concat(), &[name]);
    assert_eq!(full.places.len(), 3, "the third host is left out, so that the server has its place");
    let text = full.text();
    assert!((190..=LINK_MAX).contains(&text.len()), "{}", text.len());
    assert_eq!(InviteLink::read(&text), Ok(full));
    assert_eq!(PLACES_ROOM, 60);
    assert_eq!(link(&[], &[]).text().len(), 99);
}

#[test]
fn a_link_reads_back_in_capitals_and_with_space_around_it_and_says_when_it_ends() {
    let good = link(&ip6(1, 1), &[]);
    assert_eq!(InviteLink::read(&format!(" {}\n", good.text().to_uppercase())), Ok(good.clone()));
    assert!(good.expires >= NOW.after(7 * DAY) && good.expires.since(NOW.after(7 * DAY)) < END_UNIT);
}

#[test]
fn a_link_with_any_letter_altered_left_out_or_doubled_is_bad() {
    let text = link(&ip6(1, 1), &[]).text();
    for at in LINK_PREFIX.len()..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[at] = if altered[at] == b'a' { b'b' } else { b'a' };
        assert_eq!(InviteLink::read(std::str::from_utf8(&altered).unwrap()), Err(LinkError::Bad), "letter {at}");
        let (head, tail) = text.split_at(at);
        assert_eq!(InviteLink::read(&format!("{head}{}", &tail[1..])), Err(LinkError::Bad));
        assert_eq!(InviteLink::read(&format!("{head}{}{tail}", &tail[..1])), Err(LinkError::Bad));
    }
    let long = format!("symbolon:{}", "a".repeat(OLD_LINK_MAX));
    for bad in ["", "symbolon", "symbolon:", "symbolon:a", "symbolon:relay:aaaa", "symbolön:aaaaaaaa", &long] {
        assert_eq!(InviteLink::read(bad), Err(LinkError::Bad));
    }
}

#[test]
fn a_link_is_found_in_whatever_was_pasted() {
    let good = link(&ip6(1, 1), &[]);
    let text = good.text();
    let (head, tail) = text.split_at(72);
    let letters = &text[LINK_PREFIX.len()..];
    let pasted = [
        format!("{head}\n{tail}"),
        format!("> {head}\r\n> {tail}\r\n"),
        format!("<{text}>"),
        format!("\"{text}\"."),
        format!("Here it is: {text}, see you"),
        format!("Here it is: {text} see you soon on it"),
        format!("symbolon%3A{letters}"),
        format!("SYMBOLON://{}", letters.to_uppercase()),
        format!("{}\u{200b}{}", text.split_at(50).0, text.split_at(50).1),
    ];
    for pasted in pasted {
        assert!(is_link(&pasted) && InviteLink::find(&pasted) == Ok(good.clone()), "{pasted}");
    }
    for bad in [&text[..60], "symbolon", "symbolon: and words", &format!("{head}-{tail}")] {
        assert_eq!(InviteLink::find(bad), Err(LinkError::Bad), "{bad}");
    }
    for relay in ["symbolon:relay:aaaa", "Take this: SYMBOLON:RELAY:AAAA"] {
        assert_eq!(InviteLink::find(relay), Err(LinkError::Relay), "{relay}");
    }
    let endless = "symbolon:".repeat(50_000);
    assert_eq!(InviteLink::find(&endless), Err(LinkError::Bad));
    assert_eq!(InviteLink::find(&format!("symbolon:{}", "a ".repeat(50_000))), Err(LinkError::Bad));
}

#[test]
fn a_link_that_an_older_build_has_made_is_told_from_a_damaged_one() {
    let old = [[1, 0xa3].as_slice(), &[5; 700]].concat();
    let text = |bytes: &[u8]| format!("{LINK_PREFIX}{}", base32().encode(&[bytes, &check(bytes)].concat()));
    assert_eq!(InviteLink::read(&text(&old)), Err(LinkError::Old));
    let mut damaged = text(&old);
    damaged.replace_range(100..101, "7");
    assert_eq!(InviteLink::read(&damaged), Err(LinkError::Bad));
    assert_eq!(InviteLink::read(&text(&[4; 60])), Err(LinkError::Bad), "of a build that is still to come");
}

#[test]
fn a_room_s_card_and_an_invite_are_told_from_each_other() {
    let invite = link(&[], &[]);
    let hubs = vec![vec![Address(vec![4, 192, 0, 2, 1, 6, 0, 80])]];
    let card = CardLink::new(invite.secret.clone(), invite.peer, invite.expires, &hubs);
    assert_eq!(CardLink::find(&format!("knock <{}> soon", card.text())), Ok(card.clone()));
    assert_eq!(card.servers(), hubs);
    assert_eq!(InviteLink::find(&card.text()), Err(LinkError::Card));
    assert_eq!(CardLink::find(&invite.text()), Err(LinkError::Invite));
    assert!(card.text().len() <= LINK_MAX);
}

#[test]
fn a_link_with_more_places_than_have_room_is_bad() {
    let mut long = link(&[], &[]);
    long.places = (0..11).flat_map(|last| Place::of(&[Address(vec![4, 192, 0, 2, last, 6, 0, 80])], false)).collect();
    assert_eq!(InviteLink::read(&long.text()), Err(LinkError::Bad));
    long.places.truncate(8);
    assert_eq!(InviteLink::read(&long.text()), Ok(long));
}

proptest! {
    #[test]
    fn bytes_behind_a_right_check_are_a_link_in_one_way_or_none(bytes in prop::collection::vec(any::<u8>(), 0..130), first in 0..4u8) {
        let bytes = [&[first], bytes.as_slice()].concat();
        let text = format!("{LINK_PREFIX}{}", base32().encode(&[bytes.as_slice(), &check(&bytes)].concat()));
        if let Ok(link) = InviteLink::read(&text) {
            prop_assert_eq!(link.text(), text.clone());
            prop_assert!(text.len() <= LINK_MAX);
        }
    }
}
