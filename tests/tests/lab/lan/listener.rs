//! Somebody in the same house who listens, shows what is not so, and floods.

use super::*;

/// Somebody on the same cable who notes what port 5353 says.
struct Eve(UdpSocket);

impl Eve {
    fn listen(host: &Host, address: Ipv4Addr) -> Self {
        let socket = host.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:5353").map_err(|error| error.to_string())?;
            socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &address).map_err(|error| error.to_string())?;
            socket.set_read_timeout(Some(Duration::from_millis(200))).map_err(|error| error.to_string())?;
            Ok(socket)
        });
        Self(socket.unwrap())
    }

    /// All that was said since the last time, and for a while: the packets.
    fn packets(&self, during: Duration) -> Vec<Vec<u8>> {
        self.heard(during).into_iter().map(|(_, packet)| packet).collect()
    }

    /// The same, and from where each came.
    fn heard(&self, during: Duration) -> Vec<(IpAddr, Vec<u8>)> {
        let (begun, mut packets, mut buffer) = (Instant::now(), Vec::new(), [0; 65_536]);
        while begun.elapsed() < during {
            if let Ok((len, from)) = self.0.recv_from(&mut buffer) {
                packets.push((from.ip(), buffer[..len].to_vec()));
            }
        }
        packets
    }
}

/// Every readable word of packets that is not the service's own.
fn words(packets: &[Vec<u8>]) -> BTreeSet<String> {
    let own = ["_symbolon", "_udp", "_services", "_dns-sd", "local", "v=1"];
    let readable = packets.iter().flat_map(|packet| packet.split(|byte| !byte.is_ascii_graphic()));
    let mut words = BTreeSet::new();
    for run in readable {
        let mut run = String::from_utf8_lossy(run).into_owned();
        // The length before a pair may look like a letter: a pair begins before its key, of one letter.
        while let Some(equals) = run.rfind('=') {
            words.insert(run.split_off(equals.saturating_sub(1)));
            run.pop();
        }
        words.insert(run);
    }
    // The hour of the day is nobody's secret.
    words.retain(|word| word.len() >= 4 && !word.starts_with("h=") && !own.iter().any(|own| word.ends_with(own)));
    words
}

#[test]
fn a89_port_5353_says_nothing_that_is_the_same_after_a_restart() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, e) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    e.plug(&switch, &["10.9.0.9/24"]).unwrap();
    let eve = Eve::listen(&e, Ipv4Addr::new(10, 9, 0, 9));
    let mut andi = start(&a, &home.path().join("andi"), "Andromache", &[]);
    let first = eve.packets(Duration::from_secs(3));
    a.run(|| andi.interrupt()).unwrap();
    let goodbye = eve.packets(Duration::from_secs(1));
    a.run(|| andi.restart()).unwrap();
    let second = eve.packets(Duration::from_secs(3));

    let first: Vec<Vec<u8>> = first.into_iter().chain(goodbye).collect();
    let id = andi.ready["id"].as_str().unwrap().to_owned();
    let raw: symbolon_presence::id::PeerId = id.parse().unwrap();
    let hex: String = raw.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    for packet in first.iter().chain(&second) {
        for secret in [&b"Andromache"[..], id.as_bytes(), raw.as_bytes(), hex.as_bytes()] {
            assert!(!packet.windows(secret.len()).any(|window| window == secret), "{}", String::from_utf8_lossy(secret));
        }
    }
    let (first, second) = (words(&first), words(&second));
    for key in ["g=", "k=", "a="] {
        for said in [&first, &second] {
            assert!(said.iter().any(|word| word.contains(key)), "{key} was not heard: {said:?}");
        }
    }
    let both: Vec<_> = first.intersection(&second).collect();
    assert!(both.is_empty(), "the same after a restart: {both:?}");
}

/// A multicast DNS answer (RFC 1035, section 4) in which somebody at 10.9.0.9 shows an instance
/// with this text. A reader forgets what that instance showed before.
fn answer(instance: &str, host: &str, text: &[u8]) -> Vec<u8> {
    fn name(labels: &[&str]) -> Vec<u8> {
        let label = |label: &&str| [&[label.len() as u8], label.as_bytes()].concat();
        [labels.iter().flat_map(label).collect::<Vec<u8>>(), vec![0]].concat()
    }
    fn record(owner: &[u8], kind: u16, class: u16, data: &[u8]) -> Vec<u8> {
        let times = [&4_500_u32.to_be_bytes()[..], &(data.len() as u16).to_be_bytes()].concat();
        [owner, &kind.to_be_bytes(), &class.to_be_bytes(), &times, data].concat()
    }
    let service = name(&["_symbolon", "_udp", "local"]);
    let full = name(&[instance, "_symbolon", "_udp", "local"]);
    let host = name(&[host, "local"]);
    let header = [0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    let port = [&[0, 0, 0, 0, 0, 9][..], &host].concat();
    let records = [
        record(&service, 12, 1, &full),
        record(&full, 33, 0x8001, &port),
        record(&full, 16, 0x8001, text),
        record(&host, 1, 0x8001, &[10, 9, 0, 9]),
    ];
    [&header[..], &records.concat()].concat()
}

/// The strings of a text record.
fn text_of(pairs: &[String]) -> Vec<u8> {
    pairs.iter().flat_map(|pair| [&[pair.len() as u8], pair.as_bytes()].concat()).collect()
}

/// One of many instances that somebody invents.
fn shown(number: u64) -> Vec<u8> {
    let hour = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 3_600;
    // TCP port 9 of 10.9.0.9.
    let list = "a=AQoJAAkACQ".to_owned();
    let pairs = ["v=2".to_owned(), format!("h={hour}"), format!("g={number:032x}"), format!("k=58{}", "66".repeat(31)), list];
    answer(&format!("{number:016x}"), &format!("{:016x}", number << 32), &text_of(&pairs))
}

/// What a packet of multicast DNS says: of each record whose it is, its kind and its bytes.
fn records(packet: &[u8]) -> Vec<(String, u16, Vec<u8>)> {
    fn number(packet: &[u8], at: usize) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?)))
    }
    fn name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
        let (mut labels, mut end) = (Vec::new(), None);
        for _ in 0..64 {
            let len = usize::from(*packet.get(at)?);
            if len == 0 {
                return Some((labels.join("."), end.unwrap_or(at + 1)));
            }
            if len >= 0xc0 {
                end = end.or(Some(at + 2));
                at = number(packet, at)? & 0x3fff;
            } else {
                labels.push(String::from_utf8_lossy(packet.get(at + 1..at + 1 + len)?).into_owned());
                at += 1 + len;
            }
        }
        None
    }
    let read = || {
        let (mut at, mut all) = (12, Vec::new());
        for _ in 0..number(packet, 4)? {
            at = name(packet, at)?.1 + 4;
        }
        let count: usize = [6, 8, 10].into_iter().filter_map(|at| number(packet, at)).sum();
        for _ in 0..count {
            let (whose, behind) = name(packet, at)?;
            let len = number(packet, behind + 8)?;
            all.push((whose, number(packet, behind)? as u16, packet.get(behind + 10..behind + 10 + len)?.to_vec()));
            at = behind + 10 + len;
        }
        Some(all)
    };
    read().unwrap_or_default()
}

/// What a node at this address showed last: its instance and its text.
fn record_of(heard: &[(IpAddr, Vec<u8>)], node: Ipv4Addr) -> Option<(String, Vec<u8>)> {
    let said = heard.iter().filter(|(from, _)| *from == IpAddr::V4(node)).flat_map(|(_, packet)| records(packet));
    let mut shown = said.filter(|(whose, kind, _)| *kind == 16 && whose.ends_with("._symbolon._udp.local"));
    shown.next_back().map(|(whose, _, text)| (whose.split('.').next().unwrap().to_owned(), text))
}

/// How often somebody has called a machine: segments of TCP, and datagrams for which there is no socket.
fn calls(host: &Host) -> u64 {
    let table = host.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").map_err(|error| error.to_string())).unwrap();
    let count = |protocol: &str, what: &str| -> u64 {
        let mut lines = table.lines().filter_map(|line| line.strip_prefix(protocol));
        let (heads, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = heads.split_whitespace().position(|head| head == what).unwrap();
        values.split_whitespace().nth(at).unwrap().parse().unwrap()
    };
    count("Tcp:", "InSegs") + count("Udp:", "NoPorts")
}

#[test]
fn a93_who_shows_a_friends_record_again_with_an_address_of_their_own_is_not_called() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, b, e) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    let cable = b.plug(&switch, &["10.9.0.2/24"]).unwrap();
    e.plug(&switch, &["10.9.0.9/24"]).unwrap();
    let eve = Eve::listen(&e, Ipv4Addr::new(10, 9, 0, 9));
    let andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));
    within(SOON, "the way is the LAN's", || Ok((path(&a, &andi)?.as_deref() == Some("lan")).then_some(()))).unwrap();
    let heard = eve.heard(Duration::from_secs(3));
    let (instance, text) = record_of(&heard, Ipv4Addr::new(10, 9, 0, 2)).expect("Ben has shown himself");

    b.connect(&cable, false).unwrap();
    a.run(|| andi.json(&["send", "Ben", "are you there?"])).unwrap();
    let before = calls(&e);
    let mouth = e.run(|| UdpSocket::bind("10.9.0.9:0").map_err(|error| error.to_string())).unwrap();
    // As it was, and with a list of her own under Ben's tag.
    let list = b"a=AQoJAAkACQ";
    let mut own = text.clone();
    let at = own.windows(2).position(|window| window == b"a=");
    if let Some(at) = at {
        let len = usize::from(own[at - 1]);
        own.splice(at - 1..at + len, [&[list.len() as u8], &list[..]].concat());
    }
    for round in 0..20 {
        let said = if round % 4 == 3 { &own } else { &text };
        mouth.send_to(&answer(&instance, "00000000000000ee", said), "224.0.0.251:5353").unwrap();
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(calls(&e) - before, 0, "Eve was called in Ben's place");
    a.run(|| Ok(TcpStream::connect("10.9.0.9:9").map(drop).unwrap_err())).unwrap();
    assert!(calls(&e) > before, "calls are counted");

    b.connect(&cable, true).unwrap();
    b.renumber(&cable, &["10.9.0.2/24"]).unwrap();
    deliver(&a, &andi, "Ben", "there you are");
}

#[test]
fn a93_a_flood_of_instances_costs_bounded_memory_and_friends_still_find_each_other() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, b, e) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    let device = a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    b.plug(&switch, &["10.9.0.2/24"]).unwrap();
    e.plug(&switch, &["10.9.0.9/24"]).unwrap();
    let andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));
    let before = andi.resident().unwrap();
    // A socket with an address sends multicast on that address's device.
    let eve = e.run(|| UdpSocket::bind("10.9.0.9:0").map_err(|error| error.to_string())).unwrap();
    for number in 0..FLOOD {
        eve.send_to(&shown(number), "224.0.0.251:5353").unwrap();
        if number % 256 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let cost = andi.resident().unwrap().saturating_sub(before);
    println!("{FLOOD} instances cost {} KiB", cost / 1_024);
    assert!(cost < 64 * 1024 * 1024, "{cost} bytes");
    a.renumber(&device, &["10.7.0.11/24"]).unwrap();
    b.renumber(&device, &["10.7.0.12/24"]).unwrap();
    let there = deliver(&a, &andi, "Ben", "all the same");
    assert!(there < Duration::from_secs(20), "it took {there:?}");
}

#[test]
fn each_network_hears_of_its_own_addresses_alone() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (near, far, a, e) = (lab.switch().unwrap(), lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    a.plug(&near, &["10.9.0.1/24", "fd09::1/64"]).unwrap();
    a.plug(&far, &["10.8.0.1/24", "fd08::1/64"]).unwrap();
    e.plug(&near, &["10.9.0.9/24"]).unwrap();
    let eve = Eve::listen(&e, Ipv4Addr::new(10, 9, 0, 9));
    let _andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let heard = eve.heard(Duration::from_secs(5));
    let (_, text) = record_of(&heard, Ipv4Addr::new(10, 9, 0, 1)).expect("Andi's node has shown itself");
    let start = text.windows(3).position(|window| window[1..] == *b"a=").unwrap();
    let list = &text[start + 3..start + 1 + usize::from(text[start])];
    let list = symbolon_presence::lan::LanPlaces::decode(&data_encoding::BASE64URL_NOPAD.decode(list).unwrap()).unwrap();
    let shown: BTreeSet<IpAddr> = list.iter().map(|place| place.ip).collect();
    assert!(shown.contains(&"10.9.0.1".parse().unwrap()) && shown.contains(&"fd09::1".parse().unwrap()));
    let cables = shown.iter().filter(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())).count();
    assert_eq!(cables, 1, "one network has one link-local address");
    for (_, packet) in &heard {
        for (_, kind, bytes) in records(packet) {
            let other = [&[10_u8, 8, 0, 1][..], &[0xfd, 0x08], &[0xfe, 0x80]];
            assert!(![1, 28].contains(&kind) || !other.iter().any(|other| bytes.starts_with(other)), "{bytes:?}");
        }
    }
    assert!(!shown.contains(&"10.8.0.1".parse().unwrap()) && !shown.contains(&"fd08::1".parse().unwrap()));
}
