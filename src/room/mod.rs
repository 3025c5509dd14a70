//! Rooms: an ordered log each, and the cursors that read it. Chat without transport.
//!
//! ```text
//!   publish ──job──▶ store ──committed──▶ Live ──▶ Tail ──▶ Subscription::next
//!                                           └────▶ Inbox::take (everything without a subscription)
//! ```
//!
//! An entry is encoded once, in the store; every reader shares those bytes. Nothing here knows QUIC, and nothing
//! here waits for a member: a reader is a cursor and a wake-up.
//! Invariant: a cursor is never ahead of what is durable.

mod bots;
mod chat;
mod deeds;
mod directory;
mod export;
mod fading;
mod files;
mod footing;
mod inbox;
mod keeping;
mod leaving;
mod live;
mod load;
mod making;
mod membership;
mod naming;
mod pages;
mod people;
mod privacy;
mod purging;
mod receipts;
mod relating;
mod relations;
mod reports;
mod roles;
mod rules;
mod sanctions;
mod search;
mod settings;
mod standing;
mod subscription;
mod sweeper;
mod tail;
#[cfg(test)]
mod tests;
mod unread;

pub use chat::{OpenedRoom, Rooms};
pub use files::Begun;
pub use inbox::{Inbox, News, Soft};
pub use live::Live;
pub use load::Load;
pub use standing::Standing;
pub use subscription::{Next, Subscription, Typists};
pub use tail::Tail;
