//! Peers we did not write, and a client written from PROTOCOL.md alone.
//!
//! ```text
//!   foreign       quinn's published example programs, against each other and against us
//!   by_the_book   plain/: quinn, rustls, ring and a generic CBOR, no crate of ours
//!   python        aioquic and cbor2: an independent QUIC, TLS and CBOR
//!   hostile       aioquic without its manners, and packets without a connection
//! ```
//!
//! Our server is the real binary, each test's own. The first tests of `foreign` and `python` leave ourselves out of it:
//! while they pass, a failing one further on is ours.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod by_the_book;
mod foreign;
mod hostile;
mod ours;
mod peers;
mod plain;
mod process;
mod python;
