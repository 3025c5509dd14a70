//! A client by somebody who has PROTOCOL.md and nothing else: quinn, rustls, ring and a generic CBOR, in the style of
//! quinn's examples.
//!
//! ```text
//!   link ─▶ dial (pin) ─▶ session: Hello · Redeem · Auth ─▶ ask, publish, read what the server opens
//!                 wire: varints, frames, CBOR        device: key, proofs
//! ```
//!
//! It stops at the first thing it did not expect, as a test should. No crate of ours is used: what is said twice, here and
//! there, from one document, is what the document says.

pub(crate) mod device;
pub(crate) mod dial;
pub(crate) mod link;
pub(crate) mod session;
pub(crate) mod wire;
