//! What the targets check, and the parts of the tree they need, some of which are private to a program.
//!
//! ```text
//!   targets/*.rs ──bytes──▶ one function here ──▶ choices ──▶ change ──▶ the product ──▶ what must hold of it
//! ```
//!
//! Modules of this crate are replayed by tests elsewhere, so each finds the others at the root of its crate.

#[path = "../../src/webhooks/answer.rs"]
#[allow(dead_code)]
mod answer;
mod bytes;
mod change;
#[path = "../../tests/sim/chat/mod.rs"]
#[allow(dead_code)]
mod chat;
mod choices;
#[path = "../../protocol/tests/common/mod.rs"]
mod common;
#[path = "../../client/src/cli/import/slack/markup.rs"]
mod markup;
#[path = "../../src/webhooks/message.rs"]
#[allow(dead_code)]
mod message;
mod names;
#[path = "../../tests/sim/net/mod.rs"]
#[allow(dead_code, unused_imports)]
mod net;
#[path = "../../client/src/cli/render.rs"]
#[allow(dead_code)]
mod render;
#[path = "../../tests/sim/rng.rs"]
#[allow(dead_code)]
mod rng;
mod search;
#[path = "../../tests/sim/seeds.rs"]
#[allow(dead_code)]
mod seeds;
mod session;
mod signed;
mod store;
mod structured;
mod text;
#[path = "../../tests/sim/world.rs"]
#[allow(dead_code)]
mod world;

/// Raw bytes into every decoder.
pub fn bytes(data: &[u8]) {
    bytes::run(data);
}

/// Messages whose structure is changed.
pub fn structured(data: &[u8]) {
    structured::run(data);
}

/// Tokens and proofs with a right signature.
pub fn signed(data: &[u8]) {
    signed::run(data);
}

/// Texts of strangers.
pub fn text(data: &[u8]) {
    text::run(data);
}

/// Whole connections.
pub fn session(data: &[u8]) {
    session::run(data);
}
