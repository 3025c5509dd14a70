//! The Quipu server.
//!
//! ```text
//!   main ─▶ server ─▶ transport ─▶ room ─▶ store ─▶ quipu-protocol
//! ```
//!
//! No arrow points back; `auth` and `rate` serve transport and server. `backup` and `log` stand beside the server.

pub mod auth;
pub mod backup;
pub mod config;
pub mod files;
pub mod limits;
pub mod log;
pub mod rate;
pub mod room;
pub mod room_import;
pub mod seams;
pub mod server;
pub mod store;
pub mod tls;
pub mod transport;
pub mod webhooks;
