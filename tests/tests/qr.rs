//! QR codes of invites as somebody else's reader sees them: in a terminal, on the page, on paper and in a photograph.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use rand_core::{Rng, SeedableRng};
use std::time::Duration;
use symbolon_core::limits::LINK_MAX;
use symbolon_core::link::InviteLink;
use symbolon_core::place::Place;
use symbolon_core::seam::Address;
use symbolon_node::api::qr::Qr;
use symbolon_presence::id::PeerId;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_tests::node::{Carrier, Node, start_named, within};

/// A picture in shades of grey.
struct Picture {
    width: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// A square of so many modules, each so many pixels wide.
    fn of(modules: usize, scale: usize, is_dark: impl Fn(usize, usize) -> bool) -> Self {
        let width = modules * scale;
        let pixel = |at: usize| if is_dark(at % width / scale, at / width / scale) { 0 } else { 255 };
        Self { width, pixels: (0..width * width).map(pixel).collect() }
    }

    /// The same, turned and held askew, a little out of focus, badly lit.
    fn photographed(&self, seed: u64) -> Self {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
        let width = self.width * 5 / 4;
        let angle = f64::from(rng.next_u32() % 40) / 60.0 - 0.33;
        let middle = |of: usize| of as f64 / 2.0;
        let shade = |x: f64, y: f64| {
            let (dx, dy) = (x - middle(width), y - middle(width));
            // What is further away looks smaller.
            let near = 1.0 + dy / (8.0 * width as f64);
            let (sx, sy) = ((dx * angle.cos() + dy * angle.sin()) * near, (dy * angle.cos() - dx * angle.sin()) * near);
            let (sx, sy) = ((sx + middle(self.width)) as isize, (sy + middle(self.width)) as isize);
            let inside = |at: isize| usize::try_from(at).ok().filter(|at| *at < self.width);
            let lit = 110.0 + 90.0 * x / width as f64;
            match (inside(sx), inside(sy)) {
                (Some(sx), Some(sy)) if self.pixels[sy * self.width + sx] == 0 => lit * 0.35,
                (Some(_), Some(_)) => lit,
                _ => lit * 0.7,
            }
        };
        let mut pixels = Vec::new();
        for y in 0..width {
            for x in 0..width {
                let around = [(0.0, 0.0), (1.2, 0.0), (-1.2, 0.0), (0.0, 1.2), (0.0, -1.2)];
                let blurred: f64 = around.iter().map(|(dx, dy)| shade(x as f64 + dx, y as f64 + dy)).sum::<f64>() / 5.0;
                pixels.push((blurred + f64::from(rng.next_u32() % 17) - 8.0).clamp(0.0, 255.0) as u8);
            }
        }
        Self { width, pixels }
    }

    /// What a reader finds in it.
    fn read(&self) -> Option<String> {
        let height = self.pixels.len() / self.width;
        let mut picture = rqrr::PreparedImage::prepare_from_greyscale(self.width, height, |x, y| self.pixels[y * self.width + x]);
        let grid = picture.detect_grids().into_iter().next()?;
        grid.decode().ok().map(|(_, text)| text)
    }
}

/// Links from the shortest to the longest.
fn links() -> Vec<InviteLink> {
    let place = |last: u8| {
        let host = [&[0x29, 0x20, 0x01, 0x0d, 0xb8], [7; 11].as_slice(), &[last]].concat();
        let ends: [&[u8]; 2] = [&[6, 0x0f, 0xa1], &[0x91, 2, 0x0f, 0xa2, 0xcd, 3]];
        Place::of(&ends.map(|end| Address([&host, end].concat())), last == 2)
    };
    let link = |places: u8| {
        let own = (0..places).flat_map(place).collect();
        let secret = InviteSecret::from_bytes([0x5e ^ places; 16]);
        InviteLink::new(secret, PeerId([0xa7; 32]), Timestamp(1_800_000_000_000 + 7 * DAY), own, Vec::new())
    };
    let name = Address([&[0x36, 56], [b'x'; 56].as_slice(), &[6, 0, 80]].concat());
    let mut longest = link(0);
    longest.places = Place::of(&[name], false);
    assert_eq!(longest.text().len(), LINK_MAX);
    vec![link(0), link(1), link(2), longest]
}

/// What a terminal shows of half blocks, white ones on black.
fn drawn_in_a_terminal(text: &str) -> Picture {
    let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let is_dark = |x: usize, y: usize| match (lines[y / 2][x], y % 2) {
        ('█', _) | ('▀', 0) | ('▄', 1) => false,
        (' ', _) | ('▀', 1) | ('▄', 0) => true,
        (other, _) => panic!("{other:?} is no block"),
    };
    assert!(lines.len() * 2 >= lines[0].len() && lines[0].len() <= 45, "{} columns", lines[0].len());
    Picture::of(lines[0].len(), 5, is_dark)
}

fn drawn_on_the_page(qr: &Qr, scale: usize) -> Picture {
    drawn_by(&qr.svg(), scale)
}

/// The picture of the page, which is nothing but runs of modules on a white ground.
fn drawn_by(svg: &str, scale: usize) -> Picture {
    let size: usize = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut dark = vec![false; size * size];
    for run in path.split('M').skip(1) {
        let (at, rest) = run.split_once('h').unwrap();
        let (x, y) = at.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let length: usize = rest.split('v').next().unwrap().parse().unwrap();
        dark[y * size + x..y * size + x + length].fill(true);
    }
    Picture::of(size, scale, |x, y| dark[y * size + x])
}

#[test]
fn another_reader_reads_an_invite_in_a_terminal_and_on_the_page() {
    for link in links() {
        let qr = Qr::link(&link.text()).unwrap();
        assert!(qr.size() <= 41, "version 6 at most");
        let in_colours = qr.half_blocks(true);
        // With colours each line says which ones, and takes them back.
        let line = |line: &str| line.strip_prefix("\u{1b}[97;40m").unwrap().strip_suffix("\u{1b}[0m").unwrap().to_owned() + "\n";
        let in_colours: String = in_colours.lines().map(line).collect();
        for picture in [drawn_in_a_terminal(&qr.half_blocks(false)), drawn_in_a_terminal(&in_colours), drawn_on_the_page(&qr, 5)] {
            let text = picture.read().expect("the code is found");
            assert_eq!(InviteLink::read(&text), Ok(link.clone()));
        }
    }
}

#[test]
fn another_reader_reads_an_invite_in_photographs_of_a_card() {
    let mut read = 0;
    let links = links();
    for (seed, link) in links.iter().cycle().take(16).enumerate() {
        let picture = drawn_on_the_page(&Qr::link(&link.text()).unwrap(), 9).photographed(seed as u64);
        match picture.read() {
            Some(text) => {
                assert_eq!(InviteLink::read(&text), Ok(link.clone()));
                read += 1;
            }
            None => println!("photograph {seed} shows nothing"),
        }
    }
    assert!(read >= 14, "a phone takes another picture at once: {read} of 16");
}

#[test]
fn another_reader_reads_what_the_command_prints_for_an_invite() {
    let home = tempfile::tempdir().unwrap();
    let node = start_named(home.path(), Carrier::Quic, "Andi").unwrap();
    let ran = node.run(&["invite", "--qr"]).unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let link = ran.stdout.split_whitespace().find(|word| word.starts_with("symbolon:")).expect("the link is printed");
    let is_block = |line: &&str| line.chars().count() > 20 && line.chars().all(|c| " █▀▄".contains(c));
    let code: Vec<&str> = ran.stdout.lines().filter(is_block).collect();
    let read = drawn_in_a_terminal(&code.join("\n")).read().expect("the code is found");
    assert!(read.len() <= LINK_MAX && read.eq_ignore_ascii_case(link), "{read}");
    assert_eq!(InviteLink::read(&read), InviteLink::read(link));
}

#[test]
fn s4_29_a_further_device_is_paired_by_the_code_that_another_reader_reads_on_the_page() {
    let home = tempfile::tempdir().unwrap();
    let tcp = Carrier::Tcp.address();
    let relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", tcp]).unwrap();
    let link = relay.ready["link"].as_str().unwrap();
    let [phone, laptop] =
        ["phone", "laptop"].map(|folder| Node::start(&home.path().join(folder), &["--listen", tcp, "--relay", link]).unwrap());
    let is_there = |node: &Node| Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()));
    within(Duration::from_secs(30), "the relay keeps the mailbox", || is_there(&phone)).unwrap();
    let shown = phone.api().unwrap().post("devices/pair", &serde_json::json!({})).unwrap();
    let read = drawn_by(shown["qr"].as_str().unwrap(), 5).read().expect("the code is found");
    assert!(read.eq_ignore_ascii_case(shown["code"].as_str().unwrap()), "{read}");
    assert_eq!(laptop.json(&["device", "join", &read]).unwrap().len(), 2, "both devices are there");
}

#[test]
#[ignore = "the tests in a browser leave the picture"]
fn another_reader_reads_the_printed_page() {
    let folder = std::path::PathBuf::from(std::env::var_os("SYMBOLON_PRINTED").expect("the folder with the picture"));
    let picture = std::fs::read(folder.join("printed.pgm")).unwrap();
    let (head, pixels) = picture.split_at(picture.iter().position(|byte| *byte == b'\n').unwrap() + 1);
    let width = std::str::from_utf8(head).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let read = Picture { width, pixels: pixels.to_vec() }.read().expect("the code is found");
    let link = std::fs::read_to_string(folder.join("printed.txt")).unwrap();
    assert!(read.eq_ignore_ascii_case(&link), "{read}");
    assert_eq!(InviteLink::read(&read), InviteLink::read(&link));
}
