//! Where a node is on one network: its record there says it, and its tag binds it.

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is spoken at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// QUIC version 1, over UDP.
    Quic,
    /// TCP.
    Tcp,
}

/// One address with one port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanPlace {
    /// The address.
    pub ip: IpAddr,
    /// What is spoken there.
    pub carrier: Carrier,
    /// The port.
    pub port: u16,
}

/// A list of places: at least one, at most [`LanPlaces::MAX`], each of which somebody could
/// answer at. It has one encoding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanPlaces(Vec<u8>);

impl LanPlaces {
    /// Most places in one list.
    pub const MAX: usize = 8;
    /// The longest list, in bytes: kind, IPv6 address and port of each place.
    pub const MAX_LEN: usize = Self::MAX * (1 + 16 + 2);

    /// A list of the first of these that somebody could answer at; none when there are none.
    pub fn new(places: impl IntoIterator<Item = LanPlace>) -> Option<Self> {
        let mut bytes = Vec::new();
        for place in places.into_iter().filter(LanPlace::is_dialable).take(Self::MAX) {
            let kind = u8::from(place.carrier == Carrier::Tcp) | u8::from(place.ip.is_ipv6()) << 1;
            bytes.push(kind);
            match place.ip {
                IpAddr::V4(ip) => bytes.extend(ip.octets()),
                IpAddr::V6(ip) => bytes.extend(ip.octets()),
            }
            bytes.extend(place.port.to_be_bytes());
        }
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// Reads a list; none when it is of another form, or names a place at which nobody could answer.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            let (place, behind) = LanPlace::read(rest)?;
            count += 1;
            if count > Self::MAX || !place.is_dialable() {
                return None;
            }
            rest = behind;
        }
        (count > 0).then(|| Self(bytes.to_vec()))
    }

    /// The list as it enters the tag.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The places, in order.
    pub fn iter(&self) -> impl Iterator<Item = LanPlace> + '_ {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (place, behind) = LanPlace::read(rest)?;
            rest = behind;
            Some(place)
        })
    }
}

impl LanPlace {
    /// Reads one place, and says what is behind it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&kind, rest) = bytes.split_first()?;
        let (ip, rest) = match kind {
            0 | 1 => {
                let (ip, rest) = rest.split_first_chunk::<4>()?;
                (IpAddr::V4(Ipv4Addr::from(*ip)), rest)
            }
            2 | 3 => {
                let (ip, rest) = rest.split_first_chunk::<16>()?;
                (IpAddr::V6(Ipv6Addr::from(*ip)), rest)
            }
            _ => return None,
        };
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let carrier = if kind & 1 == 1 { Carrier::Tcp } else { Carrier::Quic };
        Some((Self { ip, carrier, port: u16::from_be_bytes(*port) }, rest))
    }

    /// Whether another machine could answer there. An IPv4 address in the form of an IPv6 one does
    /// not count: it would look like another address.
    fn is_dialable(&self) -> bool {
        let is_hopeless = match self.ip {
            IpAddr::V4(ip) => ip.is_broadcast() || ip.octets().first() == Some(&0),
            IpAddr::V6(ip) => ip.to_ipv4().is_some(),
        };
        self.port != 0 && !is_hopeless && !self.ip.is_loopback() && !self.ip.is_unspecified() && !self.ip.is_multicast()
    }
}

impl fmt::Debug for LanPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LanPlace(..)")
    }
}

impl fmt::Debug for LanPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LanPlaces(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn place(ip: &str, carrier: Carrier, port: u16) -> LanPlace {
        LanPlace { ip: ip.parse().unwrap(), carrier, port }
    }

    #[test]
    fn a_list_reads_back_in_order_and_half_a_place_is_none() {
        let places = [place("10.9.0.1", Carrier::Quic, 4002), place("10.9.0.1", Carrier::Tcp, 4001), place("fe80::1", Carrier::Tcp, 4001)];
        let list = LanPlaces::new(places).unwrap();
        assert_eq!(list.as_bytes().len(), 7 + 7 + 19);
        assert_eq!(LanPlaces::decode(list.as_bytes()), Some(list.clone()));
        assert_eq!(list.iter().collect::<Vec<_>>(), places);
        for cut in 0..list.as_bytes().len() {
            let read = LanPlaces::decode(list.as_bytes().get(..cut).unwrap());
            assert_eq!(read.is_some(), [7, 14].contains(&cut), "{cut} bytes");
        }
    }

    #[test]
    fn nobody_is_sent_to_themselves_to_all_or_to_nobody() {
        let hopeless = [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.251",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::fb",
            "::ffff:10.9.0.1",
            "::ffff:127.0.0.1",
            "::10.9.0.1",
        ];
        for ip in hopeless {
            let bad = place(ip, Carrier::Tcp, 4001);
            assert_eq!(LanPlaces::new([bad]), None, "{ip}");
            let octets = match bad.ip {
                IpAddr::V4(ip) => [&[1][..], &ip.octets()].concat(),
                IpAddr::V6(ip) => [&[3][..], &ip.octets()].concat(),
            };
            assert_eq!(LanPlaces::decode(&[&octets[..], &[0, 9]].concat()), None, "{ip}");
        }
        assert_eq!(LanPlaces::decode(&[1, 10, 9, 0, 1, 0, 0]), None, "port 0");
        assert_eq!(LanPlaces::decode(&[4, 10, 9, 0, 1, 0, 9]), None, "another kind");
        assert_eq!(LanPlaces::decode(&[]), None);
    }

    #[test]
    fn a_list_is_bounded_and_its_longest_one_fits_into_one_string_of_a_record() {
        let many = (1..100).map(|port| place("2001:db8::1", Carrier::Quic, port));
        let list = LanPlaces::new(many).unwrap();
        assert_eq!((list.iter().count(), list.as_bytes().len()), (LanPlaces::MAX, LanPlaces::MAX_LEN));
        let longer = [list.as_bytes(), &[1, 10, 9, 0, 1, 0, 9]].concat();
        assert_eq!(LanPlaces::decode(&longer), None);
        assert!("a=".len() + data_encoding::BASE64URL_NOPAD.encode_len(LanPlaces::MAX_LEN) <= 255);
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_they_are_a_bounded_list_with_one_encoding_or_none(bytes in proptest::collection::vec(prop_oneof![0_u8..5, any::<u8>()], 0..400)) {
            if let Some(list) = LanPlaces::decode(&bytes) {
                prop_assert!(bytes.len() <= LanPlaces::MAX_LEN && list.as_bytes() == bytes);
                let places: Vec<LanPlace> = list.iter().collect();
                prop_assert!((1..=LanPlaces::MAX).contains(&places.len()));
                prop_assert_eq!(LanPlaces::new(places), Some(list));
            }
        }
    }
}
