//! What fuzzing kept, tried again without a fuzzer: inputs each of which reached something that no other did.
//!
//! `scripts/fuzz` finds them. `tests/sim` and the server's own tests replay those that need the server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../fuzz/src/change.rs"]
mod change;
#[path = "../../fuzz/src/choices.rs"]
mod choices;
mod common;
#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/names.rs"]
mod names;
#[path = "../../fuzz/src/signed.rs"]
mod signed;
#[path = "../../fuzz/src/structured.rs"]
mod structured;

#[test]
fn raw_bytes_that_went_far_are_survived() {
    corpus::replay(include_str!("../../fuzz/corpus/bytes.hex"), bytes::run);
}

#[test]
fn changed_messages_are_taken_for_what_they_say_or_refused() {
    corpus::replay(include_str!("../../fuzz/corpus/structured.hex"), structured::run);
}

#[test]
fn a_right_signature_excuses_nothing() {
    corpus::replay(include_str!("../../fuzz/corpus/signed.hex"), signed::run);
}

/// The first byte says where a text goes; names and links take them all.
#[test]
fn strange_texts_are_names_or_refused() {
    corpus::replay(include_str!("../../fuzz/corpus/text.hex"), |data| {
        names::run(data.get(1..).unwrap_or(&[]))
    });
}
