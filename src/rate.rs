//! Token buckets: pure, with time as an argument.
//!
//! A bucket says when, and whoever is too fast is kept waiting, which over QUIC means not being read. How long
//! anybody may have to wait is bounded where many take from one bucket.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many in the long run, so many at once.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    /// Time in which one token comes.
    interval: Duration,
    /// How far `full_at` may lie in the past: the burst.
    depth: Duration,
    /// When the bucket would be empty of debts: it moves one interval for each token taken.
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket. Both numbers are at least one.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, depth: interval * (burst.max(1) - 1), full_at: None }
    }

    /// A full bucket for rare things.
    pub fn per_minute(per_minute: u32) -> Self {
        let interval = Duration::from_secs(60) / per_minute.max(1);
        Self { interval, depth: interval * (per_minute.max(1) - 1), full_at: None }
    }

    /// Takes one token: at once (`None`), or owed until the instant returned, before which nobody should act.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let at = self.full_at.filter(|at| *at > now).unwrap_or(now);
        self.full_at = Some(at + self.interval);
        let ready_at = at.checked_sub(self.depth).unwrap_or(now);
        (ready_at > now).then_some(ready_at)
    }

    /// The same, owed for no longer than `patience`; else nothing is taken, and it is told in how long to ask again.
    ///
    /// # Errors
    /// That time, when too much is owed already.
    pub fn take_within(&mut self, now: Instant, patience: Duration) -> Result<Option<Instant>, Duration> {
        let mut after = self.clone();
        let ready_at = after.take(now);
        let beyond = ready_at.map_or(Duration::ZERO, |at| (at - now).saturating_sub(patience));
        if !beyond.is_zero() {
            return Err(beyond);
        }
        *self = after;
        Ok(ready_at)
    }

    /// Takes one token if there is one.
    pub fn try_take(&mut self, now: Instant) -> bool {
        let mut after = self.clone();
        let ready = after.take(now).is_none();
        if ready {
            *self = after;
        }
        ready
    }

    /// Whether it is as if nothing had ever been taken.
    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

/// A bucket for each of many, all of one size. So many are remembered that are not full again; beyond that all begin anew.
#[derive(Debug)]
pub struct Rates<K> {
    full: TokenBucket,
    buckets_max: usize,
    buckets: Mutex<HashMap<K, TokenBucket>>,
}

impl<K: Eq + Hash> Rates<K> {
    /// Buckets that begin as `full`.
    pub fn new(full: TokenBucket, buckets_max: usize) -> Self {
        Self { full, buckets_max, buckets: Mutex::default() }
    }

    /// See [`TokenBucket::take_within`].
    ///
    /// # Errors
    /// In how long to ask again.
    pub fn take_within(&self, key: K, now: Instant, patience: Duration) -> Result<Option<Instant>, Duration> {
        self.with(key, now, |bucket| bucket.take_within(now, patience))
    }

    /// See [`TokenBucket::try_take`].
    pub fn try_take(&self, key: K, now: Instant) -> bool {
        self.with(key, now, |bucket| bucket.try_take(now))
    }

    fn with<T>(&self, key: K, now: Instant, act: impl FnOnce(&mut TokenBucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.buckets_max && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= self.buckets_max {
                buckets.clear();
            }
        }
        act(buckets.entry(key).or_insert_with(|| self.full.clone()))
    }
}

/// Lets one of many pass in a while, and counts the others.
#[derive(Debug)]
pub struct OneOfMany {
    every: Duration,
    /// When the last one passed, and how many did not since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl OneOfMany {
    /// One in each `every`.
    pub fn new(every: Duration) -> Self {
        Self { every, last: Mutex::default() }
    }

    /// Whether this one passes: if so, how many did not since the last that did.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, left_out) = &mut *last;
        if at.is_some_and(|at| now < at + self.every) {
            *left_out += 1;
            return None;
        }
        *at = Some(now);
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_an_interval() {
        let (mut bucket, now) = (TokenBucket::new(5, 20), Instant::now());
        assert!((0..20).all(|_| bucket.take(now).is_none()));
        assert_eq!(bucket.take(now), Some(now + Duration::from_millis(200)));
        assert_eq!(bucket.take(now), Some(now + Duration::from_millis(400)));
        let later = now + Duration::from_secs(60);
        assert!((0..20).all(|_| bucket.take(later).is_none()) && bucket.take(later).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_a_bucket_of_its_own_and_only_so_many_are_remembered() {
        let (rates, now) = (Rates::new(TokenBucket::new(1, 1), 2), Instant::now());
        assert!(rates.try_take("one", now) && rates.try_take("other", now));
        assert!(!rates.try_take("one", now) && !rates.try_take("other", now), "both are remembered");
        assert!(rates.try_take("more", now));
        assert!(!rates.try_take("more", now) && rates.try_take("one", now), "all began anew");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_full_again_are_forgotten_first() {
        let (rates, now) = (Rates::new(TokenBucket::new(1, 2), 2), Instant::now());
        assert!(rates.try_take("quick", now));
        let later = now + Duration::from_secs(1);
        assert!(rates.try_take("slow", later) && rates.try_take("slow", later));
        assert!(rates.try_take("new", later) && !rates.try_take("slow", later));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_owes_more_than_they_may() {
        let (mut bucket, now) = (TokenBucket::new(2, 1), Instant::now());
        let patience = Duration::from_secs(1);
        let owed = [0, 500, 1_000].map(|ms| (ms > 0).then(|| now + Duration::from_millis(ms)));
        assert_eq!([(); 3].map(|()| bucket.take_within(now, patience).unwrap()), owed);
        let again = Duration::from_millis(500);
        assert!(
            (0..10).all(|_| bucket.take_within(now, patience) == Err(again)),
            "what is refused is not owed"
        );
        assert_eq!(bucket.take_within(now + again, patience), Ok(Some(now + again + patience)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_not_owed() {
        let (mut bucket, now) = (TokenBucket::per_minute(2), Instant::now());
        assert!(bucket.try_take(now) && bucket.try_take(now));
        assert!((0..10).all(|_| !bucket.try_take(now)));
        assert!(bucket.try_take(now + Duration::from_secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_many_passes_and_says_how_many_did_not() {
        let (lines, now) = (OneOfMany::new(Duration::from_secs(1)), Instant::now());
        assert_eq!(lines.pass(now), Some(0));
        assert!((0..10).all(|_| lines.pass(now).is_none()));
        let later = now + Duration::from_secs(1);
        assert_eq!((lines.pass(later), lines.pass(later)), (Some(10), None));
    }
}
