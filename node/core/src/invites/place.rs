//! Places as short as they go: how an invite link says where its body may be fetched.
//!
//! A place is one host, with the port of TCP, of QUIC, or both. The address that it came from may name a transport key;
//! here that is left out, since what is fetched proves itself. Addresses of any other shape are taken as they are, if they
//! are short. The protocol page is `docs/protocol/invite.md`.

use crate::seam::Address;

/// Where the body of an invite may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A relay or lookup server; else the node of the one who has made the invite.
    pub is_server: bool,
    host: Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// An address as it is.
    Plain(Address),
    /// The code of its kind in the table of multiaddresses, and the IP address or name.
    Named { code: u8, name: Vec<u8>, tcp: Option<u16>, quic: Option<u16> },
}

/// The longest address that is taken as it is.
const PLAIN_MAX: usize = 40;

/// Codes of the multiaddr table, of one byte or two.
const IP4: u8 = 0x04;
const IP6: u8 = 0x29;
const DNS: u8 = 0x35;
const DNS4: u8 = 0x36;
const DNS6: u8 = 0x37;
const TCP: &[u8] = &[0x06];
const UDP: &[u8] = &[0x91, 0x02];
const QUIC: &[u8] = &[0xcd, 0x03];
const KEY: &[u8] = &[0xa5, 0x03];

/// What the first byte of a place says, beside the number of the kind of host in its lowest three bits.
const HAS_TCP: u8 = 1 << 3;
const HAS_QUIC: u8 = 1 << 4;
const IS_SERVER: u8 = 1 << 5;
/// QUIC has the port of TCP.
const IS_SAME: u8 = 1 << 6;
/// The kinds of host by their numbers; 0 is an address as it is.
const HOSTS: [u8; 5] = [IP4, IP6, DNS, DNS4, DNS6];

/// Takes the first bytes of some.
fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_port(bytes: &mut &[u8]) -> Option<u16> {
    take(bytes, 2)?.first_chunk().map(|port| u16::from_be_bytes(*port))
}

/// The length of a host's name, where it is the same for all of its kind.
fn fixed(code: u8) -> Option<usize> {
    match code {
        IP4 => Some(4),
        IP6 => Some(16),
        _ => None,
    }
}

fn take_name(code: u8, bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = match fixed(code) {
        Some(length) => length,
        None => usize::from(*take(bytes, 1)?.first()?),
    };
    take(bytes, length).map(<[u8]>::to_vec).filter(|name| !name.is_empty())
}

fn put_name(code: u8, name: &[u8], out: &mut Vec<u8>) {
    if fixed(code).is_none() {
        // Read from as many bytes, or from an address, which is shorter.
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    }
    out.extend_from_slice(name);
}

impl Host {
    /// The host that an address names; itself when it is of another shape.
    fn of(address: &Address) -> Option<Self> {
        let named = Self::named(&address.0);
        named.or_else(|| (!address.0.is_empty() && address.0.len() <= PLAIN_MAX).then(|| Self::Plain(address.clone())))
    }

    fn named(mut bytes: &[u8]) -> Option<Self> {
        let code = *take(&mut bytes, 1)?.first().filter(|code| HOSTS.contains(code))?;
        let name = take_name(code, &mut bytes)?;
        let (mut tcp, mut quic) = (None, None);
        if let Some(mut rest) = bytes.strip_prefix(TCP) {
            tcp = Some(take_port(&mut rest)?);
            bytes = rest;
        } else {
            let mut rest = bytes.strip_prefix(UDP)?;
            quic = Some(take_port(&mut rest)?);
            bytes = rest.strip_prefix(QUIC)?;
        }
        if let Some(mut key) = bytes.strip_prefix(KEY) {
            let length = usize::from(*take(&mut key, 1)?.first()?);
            take(&mut key, length)?;
            bytes = key;
        }
        // What follows would be somebody behind it.
        bytes.is_empty().then_some(Self::Named { code, name, tcp, quic })
    }

    /// Takes in a port of the same host. Whether it was one.
    fn join(&mut self, other: &Self) -> bool {
        let (Self::Named { code, name, tcp, quic }, Self::Named { code: its, name: named, tcp: at, quic: with }) = (self, other) else {
            return false;
        };
        if code != its || name != named || (tcp.is_some() && at.is_some()) || (quic.is_some() && with.is_some()) {
            return false;
        }
        (*tcp, *quic) = (tcp.or(*at), quic.or(*with));
        true
    }

    fn addresses(&self) -> Vec<Address> {
        match self {
            Self::Plain(address) => vec![address.clone()],
            Self::Named { code, name, tcp, quic } => {
                let behind = |parts: &[&[u8]]| {
                    let mut bytes = vec![*code];
                    put_name(*code, name, &mut bytes);
                    parts.iter().for_each(|part| bytes.extend_from_slice(part));
                    Address(bytes)
                };
                let quic = quic.map(|port| behind(&[UDP, &port.to_be_bytes(), QUIC]));
                let tcp = tcp.map(|port| behind(&[TCP, &port.to_be_bytes()]));
                quic.into_iter().chain(tcp).collect()
            }
        }
    }
}

impl Place {
    /// Places at these addresses, in their order; those of one host are one place. An address that is good on one link of
    /// one network only is none: nobody else can dial it.
    pub fn of(addresses: &[Address], is_server: bool) -> Vec<Self> {
        let mut places: Vec<Self> = Vec::new();
        let leads_on = |address: &&Address| !matches!(address.0.as_slice(), [IP6, 0xfe, 0x80..=0xbf, ..]);
        for host in addresses.iter().filter(leads_on).filter_map(Host::of) {
            let is_known = places.iter_mut().any(|place| place.host == host || place.host.join(&host));
            if !is_known {
                places.push(Self { is_server, host });
            }
        }
        places
    }

    /// The addresses there: QUIC before TCP.
    pub fn addresses(&self) -> Vec<Address> {
        self.host.addresses()
    }

    /// Writes it.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let server = if self.is_server { IS_SERVER } else { 0 };
        match &self.host {
            Host::Plain(address) => {
                out.push(server);
                put_name(0, &address.0, out);
            }
            Host::Named { code, name, tcp, quic } => {
                let kind = HOSTS.iter().position(|known| known == code).and_then(|at| u8::try_from(at + 1).ok()).unwrap_or_default();
                let is_same = tcp.is_some() && tcp == quic;
                let flags = [(tcp.is_some(), HAS_TCP), (quic.is_some(), HAS_QUIC), (is_same, IS_SAME)];
                out.push(flags.into_iter().filter(|(is, _)| *is).fold(kind | server, |byte, (_, flag)| byte | flag));
                put_name(*code, name, out);
                let ports = tcp.iter().chain(quic.iter().filter(|_| !is_same));
                ports.for_each(|port| out.extend_from_slice(&port.to_be_bytes()));
            }
        }
    }

    /// Reads one from the front of some bytes. Other bytes may say the same: who reads writes it again and compares.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let tag = *take(bytes, 1)?.first()?;
        let is_server = tag & IS_SERVER != 0;
        let Some(at) = usize::from(tag & 7).checked_sub(1) else {
            let address = Address(take_name(0, bytes)?);
            // In one way only: what has a shorter form stands in that.
            let host = Host::of(&address).filter(|host| matches!(host, Host::Plain(_)))?;
            return Some(Self { is_server, host });
        };
        let code = *HOSTS.get(at)?;
        let name = take_name(code, bytes)?;
        let tcp = if tag & HAS_TCP != 0 { Some(take_port(bytes)?) } else { None };
        let quic = match (tag & HAS_QUIC != 0, tag & IS_SAME != 0) {
            (false, _) => None,
            (true, true) => tcp,
            (true, false) => Some(take_port(bytes)?),
        };
        (tcp.is_some() || quic.is_some()).then_some(Self { is_server, host: Host::Named { code, name, tcp, quic } })
    }

    fn length(&self) -> usize {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes.len()
    }
}

/// As many places as fit into so many bytes: ours in their order, and a server among them if there is any that fits. What
/// does not fit is left out.
pub(super) fn fit(own: Vec<Place>, servers: Vec<Place>, room: usize) -> Vec<Place> {
    let mut left = room;
    let mut fits = |place: &Place| left.checked_sub(place.length()).map(|rest| left = rest).is_some();
    let at = servers.iter().position(&mut fits);
    let mut chosen: Vec<Place> = own.into_iter().filter(&mut fits).collect();
    let others = servers.into_iter().enumerate().filter(|(number, server)| at == Some(*number) || fits(server));
    chosen.extend(others.map(|(_, server)| server));
    chosen
}

#[cfg(test)]
mod tests;
