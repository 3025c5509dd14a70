//! Search: what somebody asks for, and whether a text has it. Pure; the index is the store's.
//!
//! ```text
//!   typed ──query──▶ Asked ──┬─ the store's index ──▶ candidates: positions
//!                            └─ Asked::show(entry as it reads now) ──▶ Shown, or it was none
//! ```
//!
//! The index may give candidates that are none, and never misses one: every candidate is read and judged here. So an
//! answer always agrees with what the entry says now.

#[cfg(test)]
mod corpus;
mod query;
mod show;
mod words;

use quipu_protocol::UserId;

pub(crate) use query::{Asked, Term};
pub(crate) use words::{Word, start_of, version, words};

/// What a search wants of an entry, its room and its time apart.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Words.
    pub(crate) asked: Asked,
    /// Who wrote it.
    pub(crate) author: Option<UserId>,
    /// It has a file.
    pub(crate) has_file: bool,
}

impl Wanted {
    /// What these words, as a person types them, ask for.
    pub fn words(typed: &str) -> Self {
        Self { asked: Asked::of(typed), ..Self::default() }
    }

    /// What was typed and cannot be looked up.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.asked.ignored
    }

    /// Whether it wants nothing that could be looked up: then it would be everything.
    pub fn is_empty(&self) -> bool {
        self.asked.terms.is_empty() && self.author.is_none() && !self.has_file
    }
}
