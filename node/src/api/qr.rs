//! QR codes: as an SVG picture for the page, as half blocks for a terminal.

use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

/// Light modules on every side, as ISO/IEC 18004 asks for.
const QUIET: usize = 4;

/// A square of dark and light modules, quiet zone included.
#[derive(Clone, PartialEq, Eq)]
pub struct Qr {
    size: usize,
    dark: Vec<bool>,
}

impl Qr {
    /// Encodes a text; `None` when it is longer than a QR code can hold (about 2,900 bytes).
    pub fn encode(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let inner = code.width();
        let size = inner + 2 * QUIET;
        let mut dark = vec![false; size * size];
        for (at, color) in code.to_colors().into_iter().enumerate() {
            let (x, y) = (at % inner + QUIET, at / inner + QUIET);
            if let Some(module) = dark.get_mut(y * size + x) {
                *module = color == Color::Dark;
            }
        }
        Some(Self { size, dark })
    }

    /// Encodes an invite link or a Peer ID in upper case, which takes QR's alphanumeric mode
    /// and over a quarter less room. Both read back in either case.
    pub fn link(text: &str) -> Option<Self> {
        Self::encode(&text.to_ascii_uppercase())
    }

    /// Modules on each side.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether a module is dark; light outside the square.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.size && self.dark.get(y * self.size + x).copied().unwrap_or(false)
    }

    /// A self-contained SVG document, black on white whatever the surroundings.
    pub fn svg(&self) -> String {
        let size = self.size;
        let mut path = String::new();
        for y in 0..size {
            let mut x = 0;
            while x < size {
                let start = x;
                while self.is_dark(x, y) {
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
        let mut out = String::new();
        for y in (0..self.size).step_by(2) {
            if ansi {
                out.push_str("\u{1b}[97;40m");
            }
            for x in 0..self.size {
                // The foreground is the light colour, so a light module is the block.
                out.push(match (self.is_dark(x, y), y + 1 < self.size && !self.is_dark(x, y + 1)) {
                    (false, true) => '█',
                    (false, false) => '▀',
                    (true, true) => '▄',
                    (true, false) => ' ',
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
    fn both_drawings_show_the_same_modules() {
        let qr = Qr::encode("symbolon:hello").unwrap();
        let lines: Vec<Vec<char>> = qr.half_blocks(false).lines().map(|line| line.chars().collect()).collect();
        let mut dark = 0;
        for y in 0..qr.size() {
            for x in 0..qr.size() {
                let block = lines[y / 2][x];
                let light = matches!((y % 2, block), (_, '█') | (0, '▀') | (1, '▄'));
                assert_eq!(qr.is_dark(x, y), !light);
                dark += usize::from(qr.is_dark(x, y));
            }
        }
        let drawn: usize = qr.svg().split('h').skip(2).filter_map(|s| s.split('v').next().unwrap().parse::<usize>().ok()).sum();
        assert_eq!(drawn - qr.size(), dark, "the white ground and every dark run");
    }

    #[test]
    fn quiet_zone_surrounds_the_code() {
        let qr = Qr::encode("x").unwrap();
        for at in 0..qr.size() {
            for edge in 0..QUIET {
                assert!(!qr.is_dark(at, edge) && !qr.is_dark(edge, at));
            }
        }
        assert!(qr.is_dark(QUIET, QUIET));
    }

    #[test]
    fn link_takes_fewer_modules_than_the_same_text_as_it_is() {
        let link = format!("symbolon:{}", "agrqbiyalaqgh7vo".repeat(60));
        // 969 characters: version 18 in alphanumeric mode, version 22 as bytes (ISO/IEC 18004, table 7).
        assert_eq!(Qr::link(&link).unwrap().size(), 89 + 2 * QUIET);
        assert_eq!(Qr::encode(&link).unwrap().size(), 105 + 2 * QUIET);
    }

    #[test]
    fn too_long_a_text_gives_no_code_and_no_panic() {
        assert!(Qr::encode(&"x".repeat(3_000)).is_none());
    }
}
