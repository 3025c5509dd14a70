//! Which seeds a test runs, and how a failing one is replayed.
//!
//! * `QUIPU_SIM_SEED=N` runs seed N only, in every test selected.
//! * `QUIPU_SIM_SEEDS=COUNT` runs COUNT seeds from the start of each test's own range: a long night instead of a
//!   short build.

use std::{cell::Cell, env, ops::Range, str::FromStr, thread};

/// The seeds to run: `default`, unless the environment says otherwise.
///
/// # Panics
/// When a variable is set to something that is not a number: a typo must not silently run something else.
pub(crate) fn seeds(default: Range<u64>) -> Range<u64> {
    chosen(default, variable("QUIPU_SIM_SEED"), variable("QUIPU_SIM_SEEDS"))
}

/// Runs `scenario` under every seed of [`seeds`].
pub(crate) fn each(default: Range<u64>, mut scenario: impl FnMut(u64)) {
    for seed in seeds(default) {
        let _hint = ReplayHint::new(seed);
        scenario(seed);
    }
}

thread_local! {
    /// Hints nest, as in `each` around `world::run`; one command is enough.
    static HINTED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, a panic ends with the command that replays `seed`.
pub(crate) struct ReplayHint {
    seed: u64,
}

impl ReplayHint {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Drop for ReplayHint {
    fn drop(&mut self) {
        if thread::panicking() && !HINTED.replace(true) {
            eprintln!("\nreplay: {}\n", replay_command(self.seed, &test_name()));
        }
    }
}

fn replay_command(seed: u64, test: &str) -> String {
    format!("QUIPU_SIM_SEED={seed} cargo nextest run --test sim {test}")
}

/// The running test's name. The harness names its threads after tests, except where it runs one test on the main
/// thread; then the name is the argument after `--exact`.
fn test_name() -> String {
    let thread = thread::current();
    match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => env::args().skip_while(|arg| arg != "--exact").nth(1).unwrap_or_default(),
    }
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| number(name, &value))
}

fn number(name: &str, value: &str) -> u64 {
    u64::from_str(value).unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}"))
}

fn chosen(default: Range<u64>, only: Option<u64>, count: Option<u64>) -> Range<u64> {
    match (only, count) {
        (Some(seed), _) => seed..seed.saturating_add(1),
        (None, Some(count)) => default.start..default.start.saturating_add(count),
        (None, None) => default,
    }
}

#[test]
fn one_seed_wins_over_a_count_and_a_count_over_the_default() {
    assert_eq!(chosen(10..20, None, None), 10..20);
    assert_eq!(chosen(10..20, None, Some(500)), 10..510);
    assert_eq!(chosen(10..20, Some(7), Some(500)), 7..8);
}

#[test]
#[should_panic(expected = "QUIPU_SIM_SEED must be a number, not \"sevn\"")]
fn a_mistyped_seed_is_refused() {
    number("QUIPU_SIM_SEED", "sevn");
}

#[test]
fn the_replay_command_names_this_test() {
    let command = replay_command(42, &test_name());
    assert_eq!(
        command,
        "QUIPU_SIM_SEED=42 cargo nextest run --test sim seeds::the_replay_command_names_this_test"
    );
}
