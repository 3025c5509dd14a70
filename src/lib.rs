//! The Quipu server.
//!
//! ```text
//!   main ─▶ server ─▶ transport ─▶ room ─▶ store ─▶ quipu-protocol
//! ```
//!
//! No arrow points back; `auth`, `rate` and `metrics` serve transport and server.

pub mod store;
