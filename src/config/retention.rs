//! `[retention]`: what rooms keep when they say nothing, and what they may keep at most.

use super::file::{Source, Span};
use super::{ConfigError, Retention};
use serde::Deserialize;
use toml::Spanned;

/// A day in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Longest age that can be said, in days: a century, after which nobody is left to ask.
const AGE_DAYS_MAX: u64 = 36_500;
/// Highest count and size that can be said: what a number in the file can be.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    age_days: Option<Spanned<i64>>,
    age_days_max: Option<Spanned<i64>>,
    count: Option<Spanned<i64>>,
    count_max: Option<Spanned<i64>>,
    bytes: Option<Spanned<i64>>,
    bytes_max: Option<Spanned<i64>>,
}

impl Section {
    pub(super) fn read(&self, source: &Source<'_>) -> Result<Retention, ConfigError> {
        let days = |key, value: &Option<Spanned<i64>>| {
            Ok(number(source, key, value, AGE_DAYS_MAX)?.map(|days| days * DAY_MS))
        };
        let retention = Retention {
            age_ms: days("age_days", &self.age_days)?,
            age_ms_max: days("age_days_max", &self.age_days_max)?,
            count: number(source, "count", &self.count, NUMBER_MAX)?,
            count_max: number(source, "count_max", &self.count_max, NUMBER_MAX)?,
            bytes: number(source, "bytes", &self.bytes, NUMBER_MAX)?,
            bytes_max: number(source, "bytes_max", &self.bytes_max, NUMBER_MAX)?,
        };
        for (key, value, max, at) in [
            ("age_days", retention.age_ms, retention.age_ms_max, &self.age_days),
            ("count", retention.count, retention.count_max, &self.count),
            ("bytes", retention.bytes, retention.bytes_max, &self.bytes),
        ] {
            if value.zip(max).is_some_and(|(value, max)| value > max) {
                let reason = format!("{key} must not be above {key}_max");
                return Err(source.error(at.as_ref().map(Spanned::span), &reason));
            }
        }
        Ok(retention)
    }
}

fn number(
    source: &Source<'_>,
    key: &str,
    value: &Option<Spanned<i64>>,
    max: u64,
) -> Result<Option<u64>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    let found = *value.get_ref();
    let within = u64::try_from(found).ok().filter(|found| (1..=max).contains(found));
    let outside = || {
        let span: Span = value.span();
        source.error(Some(span), &format!("{key} is {found} and must be from 1 to {max}"))
    };
    within.map(Some).ok_or_else(outside)
}
