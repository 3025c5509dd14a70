//! Where a reader stands in one room's log: what comes next, what was told before, what would be a hole.
//!
//! Pure. Invariant: everything a [`Track`] calls new is told once, in order, and without a hole between.

use quipu_protocol::room::Opened;
use quipu_protocol::{Cursor, Seq};

/// A walk along one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Track {
    /// The last position the stream has covered.
    at: Cursor,
    /// Up to here it was told earlier.
    told: Seq,
}

/// How a stream breaks its promise.
pub(crate) type Broken = &'static str;

impl Track {
    /// Begins where the server says; `told` is what the reader has already.
    pub(crate) fn open(opened: &Opened, told: Option<Cursor>) -> Result<Self, Broken> {
        if opened.start.seq.0 > MAX || opened.start.incarnation.0 > MAX {
            return Err("a room with a number beyond its bounds");
        }
        let told = match told {
            Some(told) if told.incarnation == opened.start.incarnation => {
                if opened.start.seq > told.seq {
                    return Err("a room begins after what was asked for");
                }
                told.seq
            }
            Some(_) => Seq::ZERO,
            None => opened.start.seq,
        };
        Ok(Self { at: opened.start, told })
    }

    /// Takes an entry; whether it is new.
    pub(crate) fn entry(&mut self, seq: Seq) -> Result<bool, Broken> {
        if seq != self.at.seq.next() || seq.0 > MAX {
            return Err("an entry that does not follow the one before");
        }
        self.at.seq = seq;
        Ok(seq > self.told)
    }

    /// Takes a gap; the part of it that is new.
    pub(crate) fn gap(&mut self, from: Seq, to: Seq) -> Result<Option<(Seq, Seq)>, Broken> {
        if from != self.at.seq.next() || to < self.at.seq || to.0 > MAX {
            return Err("a gap that does not follow the entry before");
        }
        self.at.seq = to;
        let from = from.max(self.told.next());
        Ok((from <= to).then_some((from, to)))
    }

    /// The last position covered.
    pub(crate) fn cursor(&self) -> Cursor {
        self.at
    }
}

/// What SQLite can keep.
pub(crate) const MAX: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_protocol::{Incarnation, RoomId};

    fn cursor(incarnation: u64, seq: u64) -> Cursor {
        Cursor { incarnation: Incarnation(incarnation), seq: Seq(seq) }
    }

    fn open(start: Cursor, told: Option<Cursor>) -> Result<Track, Broken> {
        let room = RoomId::from_bytes([1; 16]);
        Track::open(&Opened { subscription: 1, room, start, head: Seq(100), floor: Seq(1) }, told)
    }

    #[test]
    fn entries_follow_one_another_or_the_stream_is_wrong() {
        let mut track = open(cursor(1, 5), None).unwrap();
        assert_eq!(track.entry(Seq(6)), Ok(true));
        assert_eq!(track.gap(Seq(7), Seq(9)), Ok(Some((Seq(7), Seq(9)))));
        assert_eq!(track.entry(Seq(10)), Ok(true));
        assert_eq!(track.cursor(), cursor(1, 10));
        for wrong in [0, 10, 12, u64::MAX] {
            assert!(track.entry(Seq(wrong)).is_err(), "{wrong}");
            assert!(track.gap(Seq(wrong), Seq(wrong)).is_err(), "{wrong}");
        }
        assert!(track.gap(Seq(11), Seq(9)).is_err());
        assert!(track.gap(Seq(11), Seq(u64::MAX)).is_err());
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut track = open(cursor(1, 3), Some(cursor(1, 5))).unwrap();
        assert_eq!([4, 5, 6].map(|seq| track.entry(Seq(seq))), [Ok(false), Ok(false), Ok(true)]);
        let mut track = open(cursor(1, 3), Some(cursor(1, 5))).unwrap();
        assert_eq!(track.gap(Seq(4), Seq(8)), Ok(Some((Seq(6), Seq(8)))));
        let mut track = open(cursor(1, 3), Some(cursor(1, 5))).unwrap();
        assert_eq!(track.gap(Seq(4), Seq(5)), Ok(None));
    }

    #[test]
    fn a_hole_before_the_first_entry_is_noticed_and_another_incarnation_is_not_one() {
        assert!(open(cursor(1, 6), Some(cursor(1, 5))).is_err());
        assert!(open(cursor(MAX + 1, 0), None).is_err() && open(cursor(1, MAX + 1), None).is_err());
        let mut track = open(cursor(2, 0), Some(cursor(1, 5))).unwrap();
        assert_eq!(track.gap(Seq(1), Seq(0)), Ok(None), "an empty one");
        assert_eq!(track.entry(Seq(1)), Ok(true));
    }
}
