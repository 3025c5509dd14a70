//! Times as people and programs read them.
//!
//! Local time needs the machine's offset, which may be asked only while the program has one thread: `main` asks
//! once, before anything else runs, for every time shown. A time from the other half of the year is therefore
//! shown with today's offset; JSON always says UTC.

use time::{OffsetDateTime, UtcOffset};

/// How times are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeView {
    offset: UtcOffset,
}

impl TimeView {
    /// Local time, or UTC when `utc` is wished or the machine's offset cannot be found out. Call it before there
    /// is a second thread.
    pub(crate) fn new(utc: bool) -> Self {
        let local = || UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
        Self { offset: if utc { UtcOffset::UTC } else { local() } }
    }

    /// `09:15`.
    pub(crate) fn minute(self, at_ms: u64) -> String {
        let at = self.at(at_ms);
        format!("{:02}:{:02}", at.hour(), at.minute())
    }

    /// `2026-11-23`.
    pub(crate) fn day(self, at_ms: u64) -> String {
        let at = self.at(at_ms);
        format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
    }

    /// `2026-11-23 09:15`.
    pub(crate) fn day_and_minute(self, at_ms: u64) -> String {
        format!("{} {}", self.day(at_ms), self.minute(at_ms))
    }

    fn at(self, at_ms: u64) -> OffsetDateTime {
        utc(at_ms).to_offset(self.offset)
    }
}

/// `2026-11-23T09:15:04.123Z`: RFC 3339 in UTC, always with three digits, so that texts sort as times do.
pub(crate) fn rfc3339(at_ms: u64) -> String {
    let at = utc(at_ms);
    let (date, time) = (at.date(), at.time());
    format!("{date}T{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
}

/// How far away a moment is: `in 2 days`, `3 hours ago`.
pub(crate) fn distance(at_ms: u64, now_ms: u64) -> String {
    let seconds = at_ms.abs_diff(now_ms).saturating_add(500) / 1_000;
    let rounded = |unit_seconds: u64| (seconds + unit_seconds / 2) / unit_seconds;
    // Rounded before the unit is chosen: an invite made for two days a moment ago is good for two days.
    let (number, unit) = match (rounded(60), rounded(3_600)) {
        _ if seconds < 120 => (seconds, "second"),
        (minutes @ 0..120, _) => (minutes, "minute"),
        (_, hours @ 0..48) => (hours, "hour"),
        _ => (rounded(86_400), "day"),
    };
    let text = super::render::count(number, unit);
    if at_ms >= now_ms { format!("in {text}") } else { format!("{text} ago") }
}

/// A moment, or the last one that can be written when a peer's number is absurd. A day of room is left for offsets.
fn utc(at_ms: u64) -> OffsetDateTime {
    const AT_MS_MAX: u64 = 253_402_214_400_000; // 9999-12-31T00:00Z
    let nanos = i128::from(at_ms.min(AT_MS_MAX)) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people_and_for_programs() {
        let view = TimeView::new(true);
        let at_ms = 1_795_425_304_123; // 2026-11-23T09:15:04.123Z
        assert_eq!(view.day_and_minute(at_ms), "2026-11-23 09:15");
        assert_eq!(rfc3339(at_ms), "2026-11-23T09:15:04.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_absurd_time_from_a_peer_is_no_panic() {
        let view = TimeView { offset: UtcOffset::from_hms(23, 0, 0).unwrap() };
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T00:00:00.000Z");
        assert_eq!(view.day(u64::MAX), "9999-12-31");
        assert_eq!(distance(u64::MAX, 0), "in 213503982335 days");
        assert_eq!(distance(0, u64::MAX), "213503982335 days ago");
    }

    #[test]
    fn distances_are_rounded() {
        assert_eq!(distance(172_800_000, 0), "in 2 days");
        assert_eq!(distance(172_799_100, 600), "in 2 days");
        assert_eq!(distance(7 * 86_400_000, 900), "in 7 days");
        assert_eq!(distance(170_000_000, 0), "in 47 hours");
        assert_eq!(distance(0, 7_199_000), "2 hours ago");
        assert_eq!(distance(1_000, 0), "in 1 second");
    }
}
