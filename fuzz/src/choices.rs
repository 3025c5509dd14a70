//! Bytes as decisions: what a fuzzer hands over, read as numbers, bytes and texts, one behind the other.
//!
//! Invariant: when the bytes are used up every further decision is the first one, so any input is a whole one, and a
//! shorter input is a simpler one.

/// Numbers at which something changes: the edges of CBOR heads, of varints, of integers, and of our own bounds.
const EDGES: [i128; 28] = [
    0,
    1,
    2,
    7,
    8,
    16,
    23,
    24,
    32,
    33,
    255,
    256,
    65_535,
    65_536,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) + 1,
    (1 << 62) - 1,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    -1,
    -24,
    -25,
    -256,
    -(1 << 63),
    -(1 << 64),
];

/// Pieces of which hostile texts are made. Most are longer than a byte a character, so that cuts fall inside of them.
const PIECES: [&str; 32] = [
    "a",
    "é",
    "語",
    "🎉",
    " ",
    "-",
    "\"",
    "*",
    "\u{1b}[2J",
    "\u{0}",
    "\u{7f}",
    "\u{9b}1m",
    "\u{202e}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{301}",
    "\u{3099}",
    "ß",
    "İ",
    "ﬃ",
    "ｶﾞ",
    "한",
    "\u{1112}\u{1161}",
    "\n",
    "\r\n",
    "/",
    "\\",
    "..",
    "quipu://",
    "NEAR(",
    "\u{10ffff}",
];

/// Decisions that are yet to be taken.
#[derive(Debug, Clone)]
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left to decide by.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// What nobody has read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let wide = if end > 256 { usize::from(self.byte()) << 8 } else { 0 };
        (wide | usize::from(self.byte())) % end
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }

    /// Anything a CBOR integer can be, edges more often than the rest.
    pub(crate) fn integer(&mut self) -> i128 {
        match self.below(4) {
            0 => i128::from(self.byte()),
            1 => self.take(8).iter().fold(0, |number, byte| number << 8 | i128::from(*byte)),
            _ => self.one_of(&EDGES),
        }
    }

    /// Up to 255 bytes as they are, or one byte more often than the largest body has bytes.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        if self.below(8) == 7 {
            let len = self.below(20_000);
            return vec![self.byte(); len];
        }
        let len = self.below(256);
        self.take(len).to_vec()
    }

    /// A text of hostile pieces, of one piece very often, or of whatever the bytes say.
    pub(crate) fn text(&mut self) -> String {
        match self.below(4) {
            0 => String::from_utf8_lossy(&self.bytes()).into_owned(),
            1 => {
                let (piece, times) = (self.one_of(&PIECES), self.below(6_000));
                format!("{}{}", "a".repeat(self.below(4)), piece.repeat(times))
            }
            _ => (0..self.below(64)).map(|_| self.one_of(&PIECES)).collect(),
        }
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
