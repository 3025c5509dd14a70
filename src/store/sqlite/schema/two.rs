//! The second version: what people expect of a chat. A file for each part of it.

mod bots;
mod contents;
mod files;
mod invites;
mod moderation;
mod presence;
mod relating;
mod retention;
mod search;
mod unread;

pub(super) const PARTS: &[&str] = &[
    bots::TABLES,
    contents::TABLES,
    files::TABLES,
    invites::TABLES,
    moderation::TABLES,
    presence::TABLES,
    relating::TABLES,
    retention::TABLES,
    search::TABLES,
    unread::TABLES,
];
