//! The server's search, where its own crate has it.

#[path = "../../src/store/search/mod.rs"]
#[allow(dead_code, unused_imports)]
pub(crate) mod search;
