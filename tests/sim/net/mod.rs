//! An in-memory UDP network in virtual time, with everything that goes wrong between two hosts.
//!
//! ```text
//!   endpoint ──try_send──▶ socket ─┐                                ┌─▶ socket ──poll_recv──▶ endpoint
//!                                  └▶ Network: topology ▶ link ▶ mailbox
//!                                     cuts, NAT     fate     due-time order
//! ```
//!
//! Every packet costs the same number of random draws whatever happens to it, and no decision looks at its bytes:
//! keys stay random, so bytes differ from run to run while times, addresses and lengths do not.
//! Invariant: same seed, same scenario, same [`Trace`].

pub(crate) mod endpoint;
mod identity;
mod link;
mod mailbox;
mod network;
mod runtime;
mod socket;
mod topology;
mod trace;

pub(crate) use identity::{Identity, SERVER_NAME};
pub(crate) use link::{Bursts, LinkModel, Rate};
pub(crate) use network::Network;
pub(crate) use runtime::SimRuntime;
pub(crate) use topology::Cut;
pub(crate) use trace::Trace;
