//! `quipu`: the command line of Quipu. Everything it does is a call of the library beside it.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
