//! The command line as people and scripts meet it: the real binaries, whole flows, exit codes and texts.
//!
//! ```text
//!   talking      conversations, rooms, people          getting_in   invites and everything wrong with them
//!   sending      ids, the outbox, pipes, odd input     keeping_out  devices, members, locked profiles
//!   shapes       what --json prints              keeping_order  every verb of moderation
//!   files        brought, fetched, gone on with   being_there  presence, settings, receipts
//!   searching    finding what was said          unread       read, unread again, muted, called
//!   saying_again  edits, redactions, reactions, pins, threads, topics
//!   programs     bots and webhooks                exec         programs run by tail
//!   moving       logs that come in and go out
//! ```
//!
//! What a command prints in detail is tested where it is made, in `client/src/cli`; here it is whether it works.

mod being_there;
mod exec;
mod files;
mod getting_in;
mod keeping_order;
mod keeping_out;
mod moving;
mod programs;
mod saying_again;
mod searching;
mod sending;
mod shapes;
mod talking;
mod unread;
