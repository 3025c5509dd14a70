//! What a run sent, so that two runs can be compared and a failure can be read.
//!
//! With `QUIPU_SIM_TRACE=1` every packet is printed as it is sent.
//! Never the bytes: keys are random, so they differ between runs that are otherwise the same.

use std::{
    env,
    fmt::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use super::link::Fate;

/// Lines kept to find a difference in; later packets count in the hash only.
const LINES_MAX: usize = 1 << 20;

/// Every packet handed to the network, in order, with a hash over all of them.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    lines: Vec<Line>,
    packets: u64,
    hash: Fnv,
    printed: bool,
}

/// One packet. `from` is the address seen outside, `to` the one written on the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) len: usize,
    pub(crate) fate: Fate,
}

impl Trace {
    pub(super) fn new() -> Self {
        let printed = env::var_os("QUIPU_SIM_TRACE").is_some();
        Self { lines: Vec::new(), packets: 0, hash: Fnv(0xcbf2_9ce4_8422_2325), printed }
    }

    pub(super) fn record(&mut self, line: Line) {
        self.packets += 1;
        if self.printed {
            eprintln!("{line}");
        }
        writeln!(self.hash, "{line}").expect("hashing never fails");
        if self.lines.len() < LINES_MAX {
            self.lines.push(line);
        }
    }

    /// A number that two runs share exactly when they sent the same packets at the same times with the same fates.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.0
    }

    /// How many packets did not arrive, among the lines kept.
    pub(crate) fn lost(&self) -> u64 {
        let lost = |line: &&Line| matches!(line.fate, Fate::Dropped(_));
        self.lines.iter().filter(lost).count() as u64
    }

    /// The packets sent, oldest first, up to a bound.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The first line in which two runs differ, both versions of it; `None` when they are the same.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<String> {
        let show = |line: Option<&Line>| line.map_or("(end)".to_owned(), Line::to_string);
        let len = self.lines.len().max(other.lines.len());
        let different = (0..len).find(|&i| self.lines.get(i) != other.lines.get(i));
        match different {
            Some(i) => {
                let (ours, theirs) = (show(self.lines.get(i)), show(other.lines.get(i)));
                Some(format!("packet {i}\n  first:  {ours}\n  second: {theirs}"))
            }
            None if self.hash() != other.hash() => Some(format!(
                "beyond the {LINES_MAX} lines kept: {} and {} packets",
                self.packets, other.packets
            )),
            None => None,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, from, to, len, fate } = self;
        write!(f, "{:.6} {from} > {to} {len} bytes {fate}", time.as_secs_f64())
    }
}

/// FNV-1a, fed with the very text that is printed.
#[derive(Debug, Clone, Copy)]
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

#[test]
fn the_first_difference_is_shown() {
    let line = |len| Line {
        time: Duration::from_millis(1500),
        from: SocketAddr::from(([10, 0, 0, 1], 1)),
        to: SocketAddr::from(([10, 0, 0, 2], 2)),
        len,
        fate: Fate::Arrives { at: Duration::from_millis(1520), again: None, flipped_bit: None },
    };
    let (mut first, mut second) = (Trace::new(), Trace::new());
    first.record(line(100));
    second.record(line(100));
    assert_eq!(first.first_difference(&second), None);
    assert_eq!(first.hash(), second.hash());

    first.record(line(200));
    let shown = first.first_difference(&second).unwrap();
    let expected =
        "packet 1\n  first:  1.500000 10.0.0.1:1 > 10.0.0.2:2 200 bytes arrives 1.520000\n  second: (end)";
    assert_eq!(shown, expected);
    assert_ne!(first.hash(), second.hash());
}
