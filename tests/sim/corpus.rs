//! Connections that fuzzing kept, lived through again: see `scripts/fuzz`.

use std::cell::Cell;
use std::panic;

#[path = "../../fuzz/src/change.rs"]
mod change;
#[path = "../../fuzz/src/choices.rs"]
#[allow(dead_code)]
mod choices;
#[path = "../../fuzz/src/corpus.rs"]
mod inputs;
#[path = "../../fuzz/src/session.rs"]
mod session;

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A world has one thread. The runtime would keep the panic of a task to itself.
#[test]
fn a_stranger_may_do_anything() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.set(PANICS.get() + 1);
        told(info);
    }));
    inputs::replay(include_str!("../../fuzz/corpus/session.hex"), session::run);
    assert_eq!(PANICS.get(), 0, "a task panicked");
}
