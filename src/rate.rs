//! Token buckets: pure, with time as an argument.
//!
//! A bucket never refuses. It says when, and whoever is too fast is kept waiting, which over QUIC means not
//! being read.

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

    /// Takes one token if there is one.
    pub fn try_take(&mut self, now: Instant) -> bool {
        let mut after = self.clone();
        let ready = after.take(now).is_none();
        if ready {
            *self = after;
        }
        ready
    }
}

/// A bucket for each of many, all of one size. So many of them are remembered; beyond that all begin anew.
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

    /// See [`TokenBucket::take`].
    pub fn take(&self, key: K, now: Instant) -> Option<Instant> {
        self.with(key, |bucket| bucket.take(now))
    }

    /// See [`TokenBucket::try_take`].
    pub fn try_take(&self, key: K, now: Instant) -> bool {
        self.with(key, |bucket| bucket.try_take(now))
    }

    fn with<T>(&self, key: K, act: impl FnOnce(&mut TokenBucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.buckets_max {
            buckets.clear();
        }
        act(buckets.entry(key).or_insert_with(|| self.full.clone()))
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
        assert!(
            rates.try_take("one", now) && rates.try_take("other", now) && rates.take("more", now).is_none()
        );
        assert!(!rates.try_take("more", now) && rates.try_take("one", now));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_not_owed() {
        let (mut bucket, now) = (TokenBucket::per_minute(2), Instant::now());
        assert!(bucket.try_take(now) && bucket.try_take(now));
        assert!((0..10).all(|_| !bucket.try_take(now)));
        assert!(bucket.try_take(now + Duration::from_secs(30)));
    }
}
