//! The second version: what people expect of a chat. A file for each part of it.

mod bots;
mod contents;
mod moderation;

pub(super) const PARTS: &[&str] = &[contents::TABLES, moderation::TABLES, bots::TABLES];
