//! The command line: words in, calls of the library, lines out.
//!
//! ```text
//!   args ──▶ main ──▶ Context ──▶ one file per command ──▶ out (data) · notes (the rest)
//!                                        │
//!                                        └──▶ Failure ──▶ exit code
//! ```
//!
//! Data goes to standard output and everything else to standard error. Nothing here knows QUIC or the database; all
//! of it goes through [`quipu_client::Client`].

mod accounts;
mod answers;
mod args;
mod bots;
mod chat;
mod clock;
mod context;
mod deleting;
mod devices;
mod doctor;
mod entry;
mod exec;
mod exit;
mod export;
mod export_account;
mod files;
mod follow;
mod history;
mod import;
mod input;
mod invite;
mod join;
mod moderation;
mod origin;
mod out;
mod parse;
mod presence;
mod progress;
mod qr;
mod record;
mod relating;
mod render;
mod retention;
mod room;
mod rooms;
mod search;
mod send;
mod tail;
mod typed;
mod undelivered;
mod unread;
mod upload;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tokio::runtime;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use context::Context;
use exit::Failure;
use out::{Out, note};
use quipu_client::protocol::request::Sanction;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print(); // When nobody reads it there is nobody to tell.
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    log_as_asked();
    let result = start(cli);
    match &result {
        Err(failure) if !failure.is_quiet() => tell(failure),
        _ => {}
    }
    ExitCode::from(result.map_or_else(|failure| failure.exit_code(), |()| 0))
}

fn start(cli: Cli) -> Result<(), Failure> {
    let context = Context::new(&cli.global)?; // Asks for local time, and so stands before the runtime's threads.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("this machine gives no threads", error))?;
    let result = runtime.block_on(run(&context, cli));
    runtime.shutdown_background(); // A thread may still wait for a key.
    result
}

async fn run(context: &Context, cli: Cli) -> Result<(), Failure> {
    let mut out = Out::stdout(cli.global.json);
    // These end in their own way: what was typed is sent first, what was sent is counted.
    let ends_itself = matches!(cli.command, Command::Chat(_) | Command::Send(_));
    let work = act(context, &mut out, cli.command);
    let result = if ends_itself { work.await } else { stoppable(work).await };
    // What was done is shown even when the rest failed.
    let flushed = out.flush();
    context.close().await;
    result.and(flushed)
}

async fn act(context: &Context, out: &mut Out, command: Command) -> Result<(), Failure> {
    match command {
        Command::Join(args) => join::run(context, out, args).await,
        Command::Rooms(args) => rooms::list(context, out, args).await,
        Command::Create(args) => rooms::create(context, out, args).await,
        Command::Enter(args) => rooms::enter(context, out, args).await,
        Command::Leave(args) => rooms::leave(context, out, args).await,
        Command::Add(args) => rooms::add(context, out, args).await,
        Command::Remove(args) => rooms::remove(context, out, args).await,
        Command::Members(args) => rooms::members(context, out, args).await,
        Command::Away(args) => presence::away(context, out, args).await,
        Command::Back => presence::back(context, out).await,
        Command::Settings(args) => presence::settings(context, out, args).await,
        Command::Receipts(args) => presence::receipts(context, out, args).await,
        Command::Read(args) => unread::read(context, out, args).await,
        Command::Unread(args) => unread::unread(context, out, args).await,
        Command::Notify(args) => unread::notify(context, out, args).await,
        Command::Mentions(args) => unread::mentions(context, out, args).await,
        Command::Send(args) => send::run(context, out, args).await,
        Command::Edit(args) => relating::edit(context, out, args).await,
        Command::Redact(args) => relating::redact(context, out, args).await,
        Command::React(args) => relating::react(context, out, args).await,
        Command::Unreact(args) => relating::unreact(context, out, args).await,
        Command::Reactions(args) => relating::reactions(context, out, args).await,
        Command::Pin(args) => relating::pin(context, out, args).await,
        Command::Unpin(args) => relating::unpin(context, out, args).await,
        Command::Pins(args) => relating::pins(context, out, args).await,
        Command::Topic(args) => relating::topic(context, out, args).await,
        Command::Rename(args) => relating::rename(context, out, args).await,
        Command::Upload(args) => upload::run(context, out, args).await,
        Command::Files(args) => files::list(context, out, args).await,
        Command::Download(args) => files::download(context, out, args).await,
        Command::Tail(args) => tail::run(context, out, args).await,
        Command::History(args) => history::run(context, out, args).await,
        Command::Search(args) => search::run(context, out, args).await,
        Command::Chat(args) => chat::run(context, out, args).await,
        Command::Invite(args) => invite::run(context, out, args).await,
        Command::Devices(args) => devices::run(context, out, args).await,
        Command::Role(args) => moderation::role(context, out, args).await,
        Command::Permissions(args) => moderation::permissions(context, out, args).await,
        Command::Kick(args) => moderation::kick(context, out, args).await,
        Command::Ban(args) => moderation::impose(context, out, args, Sanction::BAN).await,
        Command::Unban(args) => moderation::lift(context, out, args, Sanction::BAN).await,
        Command::Mute(args) => moderation::impose(context, out, args, Sanction::MUTE).await,
        Command::Unmute(args) => moderation::lift(context, out, args, Sanction::MUTE).await,
        Command::Bans(args) => moderation::bans(context, out, args).await,
        Command::Room(command) => moderation::room(context, out, command).await,
        Command::Transfer(args) => moderation::transfer(context, out, args).await,
        Command::Report(args) => moderation::report(context, out, args).await,
        Command::Reports(args) => moderation::reports(context, out, args).await,
        Command::Resolve(args) => moderation::resolve(context, out, args).await,
        Command::Audit(args) => moderation::audit(context, out, args).await,
        Command::Deactivate(args) => accounts::deactivate(context, out, args).await,
        Command::Reactivate(args) => accounts::reactivate(context, out, args).await,
        Command::ServerRole(args) => accounts::server_role(context, out, args).await,
        Command::PurgeUser(args) => accounts::purge_user(context, out, args).await,
        Command::Import(command) => import::run(context, out, command).await,
        Command::ExportRoom(args) => export::run(context, out, args).await,
        Command::Bots(args) => bots::run(context, out, args).await,
        Command::Hooks(command) => bots::hooks(context, out, command).await,
        Command::Retention(command) => retention::run(context, out, command).await,
        Command::DeleteRoom(args) => deleting::delete_room(context, out, args).await,
        Command::DeleteAccount(args) => deleting::delete_account(context, out, args).await,
        Command::Export(args) => export_account::run(context, out, args).await,
        Command::Whoami => devices::whoami(context, out).await,
        Command::Doctor(args) => doctor::run(context, out, args).await,
        Command::Completions(args) => completions(out, args.shell),
    }
}

fn completions(out: &mut Out, shell: clap_complete::Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics when a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quipu", &mut script);
    out.text(String::from_utf8_lossy(&script).trim_end())
}

/// Does something until it is done, or until somebody does not want it any longer.
async fn stoppable<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = interrupted() => Err(Failure::Interrupted),
    }
}

/// Waits for Ctrl-C or a signal to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn tell(failure: &Failure) {
    note(format!("quipu: {failure}"));
    if let Some(advice) = failure.advice() {
        note(format!("       {advice}"));
    }
}

/// The library's own story, on standard error, when `QUIPU_LOG` asks for it (`debug`, `quipu_client=trace` …).
fn log_as_asked() {
    let Ok(filter) = EnvFilter::try_from_env("QUIPU_LOG") else {
        return;
    };
    let coloured = io::stderr().is_terminal() && colours_allowed();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(coloured);
    let _ = subscriber.try_init();
}

/// Whether the person did not ask for a world without colours (no-color.org).
fn colours_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// One for the connection, one for whatever waits.
const WORKERS: usize = 2;
