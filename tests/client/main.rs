//! The client library against a real server, in one process over loopback.

#![allow(clippy::unwrap_used, reason = "in a file of tests an unwrap is an assertion")]

mod conversation;
mod entries;
mod files;
mod joining;
mod outbox;
mod reconnecting;
mod requests;
mod world;
