//! What the benches of the whole server share: processes to measure, connections to measure them with, and a floor.
//!
//! ```text
//!   core 0: quipu-server, or the floor (raw quinn)      core 1: this process: `Load` ─▶ members, authors
//!              ▲ /proc: CPU, memory                                    │
//!              └───────────────────────── `Measured` ◀─────────────────┘
//! ```
//!
//! Knows no question; `fanout` and `density` ask them.
#![allow(dead_code, reason = "each bench uses its part of it")]

pub(crate) mod board;
pub(crate) mod floor;
pub(crate) mod frames;
pub(crate) mod load;
pub(crate) mod measured;
pub(crate) mod member;
pub(crate) mod publish;

use std::process::ExitCode;

/// How a bench was started.
pub(crate) struct Asked {
    /// `--short`, or `QUIPU_BENCH_SHORT` in the environment: seconds instead of minutes.
    pub(crate) short: bool,
    /// `--full`: what takes long or much memory, too.
    pub(crate) full: bool,
}

/// Runs `bench` when cargo asks for a bench, the floor when we ask ourselves for one, and nothing when a test runner
/// only looks what there is.
pub(crate) fn main(bench: impl AsyncFnOnce(Asked) -> anyhow::Result<()>) -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let done = if let Some(certs) = args.iter().position(|arg| arg == "--floor") {
        floor::main(args.get(certs + 1).map_or(".", String::as_str).as_ref())
    } else if has("--bench") {
        let short = has("--short") || std::env::var_os("QUIPU_BENCH_SHORT").is_some();
        let full = has("--full");
        measured::stay_on_the_load_core();
        alone(bench(Asked { short, full }))
    } else {
        Ok(())
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Everything of the load in one thread: what it costs then does not depend on how threads happen to run.
fn alone(bench: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(bench))
}
