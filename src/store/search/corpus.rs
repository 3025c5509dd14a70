//! Texts that fuzzing kept, searched again: see `scripts/fuzz`.

#[path = "../../../fuzz/src/search.rs"]
mod check;
#[path = "../../../fuzz/src/choices.rs"]
#[allow(dead_code)]
mod choices;
#[path = "../../../fuzz/src/corpus.rs"]
mod inputs;

/// The first byte says where a text goes; searches take them all.
#[test]
fn strange_texts_are_questions_and_are_found() {
    let run: fn(&[u8]) = |data| check::run(data.get(1..).unwrap_or(&[]));
    inputs::replay(include_str!("../../../fuzz/corpus/text.hex"), run);
}
