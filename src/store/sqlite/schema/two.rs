//! The second version: what people expect of a chat. A file for each part of it.

mod contents;
mod relating;

pub(super) const PARTS: &[&str] = &[contents::TABLES, relating::TABLES];
