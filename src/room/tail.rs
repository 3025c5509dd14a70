//! The newest entries of one room, in memory: pure, without waiting, without a clock.
//!
//! Invariant: the entries held are contiguous and end at `last`; both bounds of `limits` hold after every push.

use std::collections::VecDeque;

use bytes::Bytes;
use quipu_protocol::Seq;

use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, TAIL_BYTES_MAX, TAIL_ENTRIES_MAX};

/// A window on the end of a log.
#[derive(Debug, Default)]
pub struct Tail {
    frames: VecDeque<Bytes>,
    bytes: usize,
    last: Seq,
}

/// What a read of the tail found behind a cursor.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// These frames follow the cursor directly.
    Frames(Vec<Bytes>),
    /// What follows has left memory: the store has it.
    Older,
    /// Nothing follows yet.
    Nothing,
}

impl Tail {
    /// The newest position known.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// Learns that the log reaches up to `head`, from elsewhere than a push.
    pub fn seen(&mut self, head: Seq) {
        if head > self.last {
            self.last = head;
            self.frames.clear();
            self.bytes = 0;
        }
    }

    /// Takes an entry that was made durable. Positions the tail has seen are ignored; a hole empties it first.
    pub fn push(&mut self, seq: Seq, frame: Bytes) {
        if seq <= self.last {
            return;
        }
        self.seen(Seq(seq.0 - 1));
        self.last = seq;
        self.bytes += frame.len();
        self.frames.push_back(frame);
        while self.frames.len() > TAIL_ENTRIES_MAX || self.bytes > TAIL_BYTES_MAX {
            self.bytes -= self.frames.pop_front().map_or(0, |frame| frame.len());
        }
    }

    /// Lets an entry read differently, if it is in memory. Whoever was given the old frame is told by another entry.
    pub fn replace(&mut self, seq: Seq, frame: Bytes) {
        let Some(behind) = self.last.0.checked_sub(seq.0) else { return };
        let Some(at) = (self.frames.len() as u64).checked_sub(behind + 1) else { return };
        if let Some(kept) = self.frames.get_mut(at as usize) {
            self.bytes = self.bytes - kept.len() + frame.len();
            *kept = frame;
        }
    }

    /// Lets go of entries that are no more.
    pub fn forget_below(&mut self, floor: Seq) {
        let first = self.last.0 + 1 - self.frames.len() as u64;
        for _ in first..floor.0.min(self.last.0 + 1) {
            self.bytes -= self.frames.pop_front().map_or(0, |frame| frame.len());
        }
    }

    /// Up to a batch of what follows `cursor`.
    pub fn read(&self, cursor: Seq) -> Found {
        if cursor >= self.last {
            return Found::Nothing;
        }
        let behind = self.last.0 - cursor.0;
        let Some(skip) = (self.frames.len() as u64).checked_sub(behind) else {
            return Found::Older;
        };
        let mut bytes = 0;
        let fits = |frame: &&Bytes| {
            let first = bytes == 0;
            bytes += frame.len();
            first || bytes <= BATCH_BYTES_MAX
        };
        let frames = self.frames.iter().skip(skip as usize).take(BATCH_ENTRIES_MAX).take_while(fits);
        Found::Frames(frames.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Bytes {
        Bytes::from(seq.to_be_bytes().to_vec())
    }

    fn tail(seqs: std::ops::RangeInclusive<u64>) -> Tail {
        let mut tail = Tail::default();
        tail.seen(Seq(seqs.start() - 1));
        seqs.for_each(|seq| tail.push(Seq(seq), frame(seq)));
        tail
    }

    #[test]
    fn a_cursor_is_given_what_follows_it() {
        let tail = tail(5..=9);
        assert_eq!(tail.read(Seq(7)), Found::Frames(vec![frame(8), frame(9)]));
        assert_eq!(tail.read(Seq(4)), Found::Frames((5..=9).map(frame).collect()));
        assert_eq!(tail.read(Seq(3)), Found::Older);
        assert_eq!(tail.read(Seq(9)), Found::Nothing);
        assert_eq!(tail.read(Seq(10)), Found::Nothing);
    }

    #[test]
    fn what_was_seen_is_not_taken_twice_and_a_hole_empties() {
        let mut tail = tail(1..=3);
        tail.push(Seq(2), frame(99));
        assert_eq!(tail.read(Seq(0)), Found::Frames((1..=3).map(frame).collect()));
        tail.push(Seq(6), frame(6));
        assert_eq!(tail.read(Seq(5)), Found::Frames(vec![frame(6)]));
        assert_eq!(tail.read(Seq(3)), Found::Older);
    }

    #[test]
    fn an_entry_reads_differently_at_its_place() {
        let mut tail = tail(5..=7);
        tail.replace(Seq(6), frame(66));
        for elsewhere in [0, 4, 8, u64::MAX] {
            tail.replace(Seq(elsewhere), frame(0));
        }
        assert_eq!(tail.read(Seq(4)), Found::Frames(vec![frame(5), frame(66), frame(7)]));
        tail.replace(Seq(6), Bytes::new());
        assert_eq!(tail.bytes, 16);
    }

    #[test]
    fn what_is_no_more_is_let_go() {
        let mut tail = tail(5..=9);
        tail.forget_below(Seq(3));
        assert_eq!(tail.read(Seq(4)), Found::Frames((5..=9).map(frame).collect()));
        tail.forget_below(Seq(8));
        assert_eq!((tail.read(Seq(6)), tail.bytes), (Found::Older, 16));
        assert_eq!(tail.read(Seq(7)), Found::Frames(vec![frame(8), frame(9)]));
        tail.forget_below(Seq(u64::MAX));
        assert_eq!((tail.read(Seq(9)), tail.bytes), (Found::Nothing, 0));
    }

    #[test]
    fn both_bounds_hold() {
        let many = tail(1..=TAIL_ENTRIES_MAX as u64 + 10);
        assert_eq!((many.frames.len(), many.read(Seq(9))), (TAIL_ENTRIES_MAX, Found::Older));
        let mut large = Tail::default();
        (1..=200).for_each(|seq| large.push(Seq(seq), Bytes::from(vec![0; 16 * 1024])));
        assert!(large.bytes <= TAIL_BYTES_MAX && large.frames.len() == TAIL_BYTES_MAX / (16 * 1024));
        let Found::Frames(batch) = large.read(Seq(190)) else { panic!("in memory") };
        assert_eq!(batch.len(), BATCH_BYTES_MAX / (16 * 1024));
    }
}
