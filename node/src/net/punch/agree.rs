//! What two nodes say to each other before they punch: `/libp2p/dcutr`, as libp2p has it.
//!
//! The dialled side opens the stream and says its addresses, the dialler answers with its own;
//! the first then says "now" and waits for half of the time that the answer took, so that both
//! dial at the same moment.

use crate::net::endpoint::Endpoint;
use crate::net::limits::{CANDIDATES_MAX, PUNCH_GRACE, PUNCH_MESSAGE_MAX};
use crate::net::lock::lock;
use crate::net::seen::Seen;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{Multiaddr, PeerId as TransportId};
use std::io;
use std::sync::Mutex;
use std::time::Instant;

/// The two kinds of message.
const CONNECT: u64 = 100;
const SYNC: u64 = 300;
/// The fields of a message: a varint, and byte strings that repeat.
const KIND: u64 = 1 << 3;
const ADDRESS: u64 = 2 << 3 | 2;

/// A message: protobuf, behind a varint with its length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    kind: u64,
    addresses: Vec<Vec<u8>>,
}

impl Message {
    fn connect(addresses: &[Endpoint]) -> Self {
        Self { kind: CONNECT, addresses: addresses.iter().map(|endpoint| endpoint.multiaddr().to_vec()).collect() }
    }

    fn sync() -> Self {
        Self { kind: SYNC, addresses: Vec::new() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_varint(KIND, &mut body);
        put_varint(self.kind, &mut body);
        for address in &self.addresses {
            put_varint(ADDRESS, &mut body);
            put_varint(address.len() as u64, &mut body);
            body.extend_from_slice(address);
        }
        body
    }

    /// Reads a message. Fields that nobody knows are passed over, as protobuf wants it.
    pub(super) fn decode(mut rest: &[u8]) -> Option<Self> {
        let mut message = Self { kind: 0, addresses: Vec::new() };
        while !rest.is_empty() {
            let tag = take_varint(&mut rest)?;
            match (tag, tag & 7) {
                (KIND, _) => message.kind = take_varint(&mut rest)?,
                (ADDRESS, _) => {
                    let address = take_bytes(&mut rest)?;
                    // A few are tried; a message is short, so that the others cost little.
                    message.addresses.push(address.to_vec());
                }
                (_, 0) => drop(take_varint(&mut rest)?),
                (_, 1) => rest = rest.get(8..)?,
                (_, 2) => drop(take_bytes(&mut rest)?),
                (_, 5) => rest = rest.get(4..)?,
                _ => return None,
            }
        }
        (message.kind == CONNECT || message.kind == SYNC).then_some(message)
    }

    fn places(&self) -> Vec<Multiaddr> {
        self.addresses.iter().filter_map(|bytes| Multiaddr::try_from(bytes.clone()).ok()).collect()
    }
}

fn put_varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap_or(0));
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(from)?).ok()?;
    let bytes = from.get(..length)?;
    *from = from.get(length..)?;
    Some(bytes)
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, message: &Message) -> io::Result<()> {
    let body = message.encode();
    let mut bytes = Vec::with_capacity(body.len() + 2);
    put_varint(body.len() as u64, &mut bytes);
    bytes.extend_from_slice(&body);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, wanted: u64) -> io::Result<Message> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut length = 0usize;
    for shift in [0, 7] {
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        let [byte] = byte;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        if shift == 7 {
            return Err(invalid());
        }
    }
    if length > PUNCH_MESSAGE_MAX {
        return Err(invalid());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Message::decode(&body).filter(|message| message.kind == wanted).ok_or_else(invalid)
}

/// The addresses that may be sent now; none is no agreement.
fn told(seen: &Mutex<Seen>, relay: Option<TransportId>) -> io::Result<Vec<Endpoint>> {
    let candidates = lock(seen).candidates(relay, Instant::now());
    if candidates.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(candidates) }
}

/// The dialled side: says its addresses, hears the other's, says when. Ends when it is to dial.
pub(super) async fn begin<S>(mut stream: S, seen: &Mutex<Seen>, relay: Option<TransportId>) -> io::Result<Vec<Multiaddr>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    write(&mut stream, &Message::connect(&told(seen, relay)?)).await?;
    let asked = Instant::now();
    let places = read(&mut stream, CONNECT).await?.places();
    let way = asked.elapsed();
    write(&mut stream, &Message::sync()).await?;
    // A little later is better than sooner: who has no NAT in front is simply dialled, and does
    // not meet a dial of ours on its way.
    tokio::time::sleep(way / 2 + PUNCH_GRACE).await;
    Ok(places)
}

/// The dialler: hears addresses, says its own, and hears when. Ends when it is to dial.
pub(super) async fn answer<S>(mut stream: S, seen: &Mutex<Seen>, relay: Option<TransportId>) -> io::Result<Vec<Multiaddr>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let places = read(&mut stream, CONNECT).await?.places();
    write(&mut stream, &Message::connect(&told(seen, relay)?)).await?;
    read(&mut stream, SYNC).await?;
    Ok(places)
}

/// What of the other side's addresses is dialled: unicast, each once, at most four, and none that
/// reaches less far than the relay. The node there must be the one behind the circuit.
pub(super) fn targets(places: &[Multiaddr], peer: TransportId, relay: std::net::IpAddr) -> Vec<Multiaddr> {
    let mut targets: Vec<Endpoint> = Vec::new();
    for endpoint in places.iter().filter_map(Endpoint::from_multiaddr) {
        let is_theirs = endpoint.zone.is_none() && endpoint.expects.is_none_or(|expects| expects == peer);
        let endpoint = Endpoint { expects: Some(peer), ..endpoint };
        if is_theirs
            && endpoint.is_dialable()
            && crate::net::reach::is_far_enough(endpoint.ip, relay)
            && !targets.contains(&endpoint)
            && targets.len() < CANDIDATES_MAX
        {
            targets.push(endpoint);
        }
    }
    targets.into_iter().map(Endpoint::multiaddr).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::from_text(text).unwrap()
    }

    #[test]
    fn a_message_is_what_libp2p_writes() {
        let message = Message::connect(&[endpoint("/ip4/1.2.3.4/tcp/5")]);
        // As protobuf's own tools write it: field 1 with 100, field 2 with 4 + 1 + 2 + 1 bytes.
        assert_eq!(message.encode(), [8, 100, 18, 8, 4, 1, 2, 3, 4, 6, 0, 5]);
        assert_eq!(Message::sync().encode(), [8, 0xac, 2]);
        for message in [message, Message::sync()] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
        // A field of a later version.
        assert_eq!(Message::decode(&[8, 0xac, 2, 0x1a, 1, 7, 0x20, 9]), Some(Message::sync()));
    }

    #[test]
    fn a90_hostile_bytes_are_no_message_and_no_panic() {
        let good = Message::connect(&[endpoint("/ip6/2001:db8::1/udp/5/quic-v1"), endpoint("/ip4/1.2.3.4/tcp/5")]).encode();
        for len in 0..good.len() {
            let _ = Message::decode(&good[..len]);
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = Message::decode(&bytes).map(|message| targets(&message.places(), TransportId::random(), [192, 0, 2, 1].into()));
            }
        }
        for bytes in [&[][..], &[8, 100, 18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &[0xff; 40], &[18, 1], &[8, 7], &[9, 1]]
        {
            assert_eq!(Message::decode(bytes), None);
        }
    }

    #[test]
    fn a_friend_makes_us_dial_four_of_its_own_addresses_and_nothing_else() {
        let (peer, other) = (TransportId::random(), TransportId::random());
        let far = [192, 0, 2, 1].into();
        let parse = |texts: &[String]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Multiaddr>>();
        let refused = parse(&[
            "/ip4/127.0.0.1/tcp/80".to_owned(),
            "/ip4/169.254.1.1/tcp/80".to_owned(),
            "/ip4/224.0.0.1/udp/5/quic-v1".to_owned(),
            "/ip4/255.255.255.255/tcp/5".to_owned(),
            "/ip4/0.0.0.0/tcp/5".to_owned(),
            "/ip4/198.51.100.1/tcp/0".to_owned(),
            "/ip6/::1/tcp/5".to_owned(),
            "/ip6zone/3/ip6/fe80::1/tcp/5".to_owned(),
            "/dns4/example.org/tcp/5".to_owned(),
            format!("/ip4/198.51.100.1/tcp/5/p2p/{other}"),
            format!("/ip4/198.51.100.1/tcp/5/p2p/{other}/p2p-circuit/p2p/{peer}"),
        ]);
        assert_eq!(targets(&refused, peer, far), Vec::<Multiaddr>::new());
        let many: Vec<String> = (1..=20).map(|port| format!("/ip4/198.51.100.1/tcp/{}", 1 + port / 2)).collect();
        let taken = targets(&parse(&many), peer, far);
        assert_eq!(taken.len(), 4);
        assert_eq!(taken[0].to_string(), format!("/ip4/198.51.100.1/tcp/1/p2p/{peer}"));
        assert_eq!(targets(&parse(&["/ip4/127.0.0.1/tcp/80".to_owned()]), peer, [127, 0, 0, 1].into()).len(), 1);
    }
}
