//! A QR code as text: two modules per character, as half blocks.
//!
//! Black on white is said explicitly, because dark themes would otherwise turn it over, and some readers do not see
//! a code that is turned over.

use std::io::{self, IsTerminal as _};

use qrcode::{Color, EcLevel, QrCode};

use super::colours_allowed;
use super::exit::Failure;

/// The code for standard error.
pub(crate) fn draw_for_stderr(text: &str) -> Result<String, Failure> {
    draw(text, io::stderr().is_terminal() && colours_allowed())
}

/// The code, with its quiet zone. Level L: on a screen nothing gets torn, and the smallest code is the easiest to scan.
fn draw(text: &str, coloured: bool) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|_| Failure::Usage(format!("{} bytes are too many for a QR code", text.len())))?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET_MODULES;
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET_MODULES).filter(|at| *at < width);
        matches!((inside(x), inside(y)), (Some(x), Some(y)) if modules[y * width + x] == Color::Dark)
    };
    let (begin, end) = if coloured { (BLACK_ON_WHITE, RESET) } else { ("", "") };
    let line = |y: usize| {
        let blocks: String = (0..side).map(|x| block(is_dark(x, y), is_dark(x, y + 1))).collect();
        format!("{begin}{blocks}{end}")
    };
    Ok((0..side).step_by(2).map(line).collect::<Vec<_>>().join("\n"))
}

fn block(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// Modules of white around the code: what readers are promised (ISO/IEC 18004).
const QUIET_MODULES: usize = 4;
/// From the 256 fixed colours, which themes leave alone.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_fits_a_terminal() {
        let code = draw(&"x".repeat(106), false).unwrap();
        let lines: Vec<_> = code.lines().collect();
        assert_eq!((lines.len(), lines[0].chars().count()), (23, 45));
        assert!(lines.iter().all(|line| line.chars().count() == 45));
        assert!(lines[0].trim().is_empty() && lines[1].trim().is_empty(), "quiet zone");
        assert!(lines[2].starts_with("    █▀▀▀▀▀█ "), "finder pattern: {}", lines[2]);
    }

    #[test]
    fn colours_are_explicit_and_end_with_every_line() {
        for line in draw("quipu", true).unwrap().lines() {
            assert!(line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET));
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(draw(&"x".repeat(3_000), false).is_err());
    }
}
