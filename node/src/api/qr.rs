//! QR codes: as an SVG picture for the page, as half blocks for a terminal.

use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

/// Light modules on every side of a picture, as ISO/IEC 18004 asks for.
const QUIET: usize = 4;
/// The same in a terminal, where room is short: readers need no more.
const QUIET_IN_TERMINAL: usize = 2;

/// A square of dark and light modules.
#[derive(Clone, PartialEq, Eq)]
pub struct Qr {
    size: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// Encodes a text; `None` when it is longer than a QR code can hold (about 2,900 bytes).
    pub fn encode(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        Some(Self { size: code.width(), dark: code.to_colors().into_iter().map(|color| color == Color::Dark).collect() })
    }

    /// Encodes an invite link or a Peer ID in upper case, which takes QR's alphanumeric mode
    /// and over a quarter less room. Both read back in either case.
    pub fn link(text: &str) -> Option<Self> {
        Self::encode(&text.to_ascii_uppercase())
    }

    /// Modules on each side, without the light ones around it.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether a module is dark; light outside the square.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.size && self.dark.get(y * self.size + x).copied().unwrap_or(false)
    }

    /// The same with so many light modules on every side, as it is drawn.
    fn is_dark_within(&self, quiet: usize, x: usize, y: usize) -> bool {
        x.checked_sub(quiet).zip(y.checked_sub(quiet)).is_some_and(|(x, y)| self.is_dark(x, y))
    }

    /// A self-contained SVG document, black on white whatever the surroundings.
    pub fn svg(&self) -> String {
        let size = self.size + 2 * QUIET;
        let mut path = String::new();
        for y in 0..size {
            let mut x = 0;
            while x < size {
                let start = x;
                while self.is_dark_within(QUIET, x, y) {
                    x += 1;
                }
                if x > start {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "M{start} {y}h{}v1H{start}z", x - start);
                }
                x += 1;
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
        )
    }

    /// Two modules a character, for a terminal with light text on dark ground or, with
    /// `ansi`, for any terminal: colours are set explicitly then.
    pub fn half_blocks(&self, ansi: bool) -> String {
        let size = self.size + 2 * QUIET_IN_TERMINAL;
        let is_dark = |x, y| self.is_dark_within(QUIET_IN_TERMINAL, x, y);
        let mut out = String::new();
        for y in (0..size).step_by(2) {
            if ansi {
                out.push_str("\u{1b}[97;40m");
            }
            for x in 0..size {
                // The foreground is the light colour, so a light module is the block. Below the last line of an odd number is
                // nothing, which is light, too.
                out.push(match (is_dark(x, y), is_dark(x, y + 1)) {
                    (false, false) => '█',
                    (false, true) => '▀',
                    (true, false) => '▄',
                    (true, true) => ' ',
                });
            }
            if ansi {
                out.push_str("\u{1b}[0m");
            }
            out.push('\n');
        }
        out
    }
}

impl std::fmt::Debug for Qr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Qr(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::needless_range_loop)]
    use super::*;

    #[test]
    fn both_drawings_show_the_same_modules_within_their_quiet_zones() {
        let qr = Qr::encode("symbolon:hello").unwrap();
        let lines: Vec<Vec<char>> = qr.half_blocks(false).lines().map(|line| line.chars().collect()).collect();
        let mut dark = 0;
        for y in 0..qr.size() + 2 * QUIET_IN_TERMINAL {
            for x in 0..qr.size() + 2 * QUIET_IN_TERMINAL {
                let block = lines[y / 2][x];
                let light = matches!((y % 2, block), (_, '█') | (0, '▀') | (1, '▄'));
                assert_eq!(qr.is_dark_within(QUIET_IN_TERMINAL, x, y), !light);
                dark += usize::from(!light);
            }
        }
        let drawn: usize = qr.svg().split('h').skip(2).filter_map(|s| s.split('v').next().unwrap().parse::<usize>().ok()).sum();
        assert_eq!(drawn - (qr.size() + 2 * QUIET), dark, "the white ground and every dark run");
        assert!(qr.is_dark(0, 0) && !qr.is_dark_within(QUIET, QUIET - 1, QUIET));
    }

    #[test]
    fn the_longest_link_is_a_code_of_version_6_that_a_terminal_of_80_by_24_shows_whole() {
        let link = format!("symbolon:{}", "agrqbiyalaqgh7vo".repeat(12)).split_at(195).0.to_owned();
        // 195 characters: version 6 in alphanumeric mode, version 9 as bytes (ISO/IEC 18004, table 7).
        let qr = Qr::link(&link).unwrap();
        assert_eq!((qr.size(), Qr::encode(&link).unwrap().size()), (41, 53));
        assert_eq!(Qr::link(&format!("{link}a")).unwrap().size(), 45, "one more takes version 7");
        let drawn = qr.half_blocks(false);
        assert_eq!((drawn.lines().count(), drawn.lines().map(|line| line.chars().count()).max()), (23, Some(45)));
    }

    #[test]
    fn too_long_a_text_gives_no_code_and_no_panic() {
        assert!(Qr::encode(&"x".repeat(3_000)).is_none());
    }
}
