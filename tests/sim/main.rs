//! Simulated worlds: real QUIC endpoints over an in-memory network, in virtual time, replayed from a seed.
//!
//! ```text
//!   seeds::each ──seed──▶ world::run ──▶ World { net, runtime } ──▶ endpoints ──▶ what is tested
//!                              └─ paused tokio clock: an hour of bad network costs milliseconds
//! ```
//!
//! `README.md` beside this file says what is simulated, what is not, and how to replay a failure.

mod chat;
mod corpus;
mod echo;
mod faults;
mod latency;
mod net;
mod network;
mod plan;
mod rng;
mod seeds;
mod slow;
mod swarm;
mod world;
