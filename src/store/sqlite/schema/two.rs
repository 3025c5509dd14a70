//! The second version: what people expect of a chat. A file for each part of it.

mod contents;
mod moderation;
mod retention;

pub(super) const PARTS: &[&str] = &[contents::TABLES, moderation::TABLES, retention::TABLES];
