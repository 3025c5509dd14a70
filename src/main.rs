//! `quipu-server`: flags, configuration, logging, the server, a signal, an exit code.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use qrcode::render::unicode::Dense1x2;
use quipu_protocol::InviteLink;
use quipu_server::config::{Config, Flags};
use quipu_server::seams::Seams;
use quipu_server::server::{Server, StartError};
use quipu_server::store::StoreError;
use tracing_subscriber::EnvFilter;

/// Exit codes, as the operator's guide lists them.
mod exit {
    pub(super) const FAILURE: u8 = 1;
    pub(super) const CONFIG: u8 = 2;
    pub(super) const LISTEN: u8 = 3;
    pub(super) const FOLDERS: u8 = 4;
    pub(super) const DATA: u8 = 5;
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let only_check = flags.check_config;
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(error) => return fail(&error, exit::CONFIG),
    };
    let filter = match EnvFilter::try_new(&config.log) {
        Ok(filter) => filter,
        Err(error) => return fail(&error, exit::CONFIG),
    };
    if only_check {
        eprintln!("the configuration is valid");
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, exit::FAILURE),
    };
    match runtime.block_on(serve(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, exit_code(&error)),
    }
}

async fn serve(config: &Config) -> Result<(), StartError> {
    let server = Server::bind(config, Seams::system()).await?;
    let address = server
        .local_addr()
        .map_or_else(|_| config.listen.to_string(), |address| address.to_string());
    tracing::info!(%address, data = %config.data.display(), "listening");
    if let Some(invite) = server.owner_invite().await? {
        welcome(&invite);
    }
    let stopping = server.stopping();
    let asked = tokio::spawn(async move {
        asked_to_stop().await;
        stopping.cancel();
        // Who asks twice does not want to wait.
        asked_to_stop().await;
        std::process::exit(i32::from(exit::FAILURE));
    });
    server.run().await;
    asked.abort();
    Ok(())
}

/// Waits for what ends a process politely: Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Fails only where there are no signals; then nobody can ask.
    let _ = tokio::signal::ctrl_c().await;
}

/// The first thing an operator sees: the way in, as a line to paste and a code to scan.
fn welcome(invite: &InviteLink) {
    let link = invite.to_string();
    let mut out = std::io::stdout().lock();
    let code = qr(&link).unwrap_or_default();
    let quipu = client_command();
    // A closed terminal is no reason not to serve.
    let _ = writeln!(
        out,
        "\nNobody is here yet. You are the owner: in another terminal, run\n\n  {quipu} join '{link}'\n\n{code}\n\
         The link works once, for seven days. Started again without an owner, the server prints a new one.\n"
    );
    let _ = out.flush();
}

/// How the client is called from here: through cargo when that is how we were called.
fn client_command() -> &'static str {
    match (std::env::var_os("CARGO").is_some(), cfg!(debug_assertions)) {
        (false, _) => "quipu",
        (true, false) => "cargo run -qr -p quipu-client --",
        (true, true) => "cargo run -q -p quipu-client --",
    }
}

/// Half blocks in explicit black on white, so that no theme inverts them.
fn qr(text: &str) -> Option<String> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L).ok()?;
    let image = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Dark)
        .light_color(Dense1x2::Light)
        .build();
    Some(
        image
            .lines()
            .map(|line| format!("\x1b[30;107m{line}\x1b[0m\n"))
            .collect(),
    )
}

fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Listen { .. } => exit::LISTEN,
        StartError::Identity(_) | StartError::Secrets(_) => exit::FOLDERS,
        StartError::Store(StoreError::Newer { .. } | StoreError::Damaged(_)) => exit::DATA,
        StartError::Store(_) | StartError::Write(_) => exit::FOLDERS,
    }
}

/// Says what is wrong, cause by cause, and gives the code to leave with.
fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    eprintln!("quipu-server: {text}");
    ExitCode::from(code)
}
