//! Chat in a simulated world: the real server and the real client library, and a checker that trusts neither.
//!
//! ```text
//!   Person ── Client ── SimTransport ══ Network ══ Endpoint ── Server ── Disk      profile: a folder, kept over crashes
//!      │ said, told, acknowledged                                          │
//!      └──────────────▶ check ◀────────────────────────────────────────────┘ the log, and nothing but the log
//! ```
//!
//! Only here the product meets the simulator; `net` knows no chat and the product knows no simulator.
//! Invariant: what a [`person::Person`] remembers was said by the library's public events, so whatever [`check`] finds
//! is something a program would have seen.

pub(crate) mod check;
pub(crate) mod chronicle;
pub(crate) mod disk;
pub(crate) mod host;
pub(crate) mod memory;
pub(crate) mod person;
pub(crate) mod raw;
pub(crate) mod seams;
pub(crate) mod town;
pub(crate) mod transport;
