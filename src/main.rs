//! `quipu-server`: flags, configuration, logging, the server, a signal, an exit code.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use qrcode::render::unicode::Dense1x2;
use quipu_protocol::InviteLink;
use quipu_server::backup::{self, BackupError};
use quipu_server::config::{Config, Flags, Task};
use quipu_server::log::Log;
use quipu_server::room_import::{self, ImportError, Imported, Wish};
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
    let task = flags.task.clone();
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
    if let Some(task) = task {
        return perform(&config, &task);
    }
    let log = match Log::start(std::io::stderr()) {
        Ok(log) => log,
        Err(error) => return fail(&error, exit::FAILURE),
    };
    let lines = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || lines.clone())
        // It would be told on stderr, with a panic when that cannot be.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    log.take_panics();
    let ended = run(&config);
    if let Err(failure) = &ended {
        log.push(format!("quipu-server: {}\n", failure.said).as_bytes());
    }
    log.flush(LAST_WORDS);
    ended.map_or_else(|failure| ExitCode::from(failure.code), |()| ExitCode::SUCCESS)
}

/// How long the last lines of the log may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a server did not serve.
struct Failure {
    said: String,
    code: u8,
}

fn run(config: &Config) -> Result<(), Failure> {
    let system = |error: std::io::Error| Failure { said: all_of(&error), code: exit::FAILURE };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(system)?;
    // Before anything is opened: whoever sees us listening may ask us to stop.
    let signals = {
        let _runtime = runtime.enter();
        Signals::catch()
    };
    let served = runtime.block_on(serve(config, signals.map_err(system)?));
    // A start that was broken off may still wait for a lock, and we do not wait for it.
    runtime.shutdown_background();
    served.map_err(|error| Failure { said: all_of(&error), code: exit_code(&error) })
}

/// What is done instead of serving.
fn perform(config: &Config, task: &Task) -> ExitCode {
    let (done, said) = match task {
        Task::Backup { to } => (backup::take(config, to), format!("the backup is in {}", to.display())),
        Task::Restore { from } => {
            let restored = backup::restore(config, from, &Seams::system());
            (restored, format!("restored to {}: start the server", config.data.display()))
        }
        Task::ImportRoom { file, name, owner } => {
            return import_room(config, Wish { file, name: name.as_ref(), owner: owner.as_ref() });
        }
    };
    match done {
        Ok(()) => {
            eprintln!("{said}");
            ExitCode::SUCCESS
        }
        Err(error @ BackupError::Store(StoreError::Newer { .. } | StoreError::Damaged(_))) => {
            fail(&error, exit::DATA)
        }
        Err(error) => fail(&error, exit::FOLDERS),
    }
}

fn import_room(config: &Config, wish: Wish<'_>) -> ExitCode {
    match room_import::import(config, wish, &Seams::system()) {
        Ok(Imported { name, entries, members }) => {
            eprintln!("#{name} is here: {entries} entries, {members} members");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let code = match &error {
                ImportError::Line { .. } | ImportError::Refused(_) => exit::CONFIG,
                ImportError::Store(StoreError::Newer { .. } | StoreError::Damaged(_)) => exit::DATA,
                ImportError::Io { .. } | ImportError::Store(_) | ImportError::Commit(_) => exit::FOLDERS,
            };
            fail(&error, code)
        }
    }
}

async fn serve(config: &Config, mut signals: Signals) -> Result<(), StartError> {
    let server = tokio::select! {
        bound = Server::bind(config, Seams::system()) => bound?,
        () = signals.asked() => return Ok(()),
    };
    let address =
        server.local_addr().map_or_else(|_| config.listen.to_string(), |address| address.to_string());
    tracing::info!(%address, data = %config.data.display(), "listening");
    if let Some(address) = server.webhooks_addr() {
        tracing::info!(webhooks = %address, "listening for webhooks");
    }
    if let Some(invite) = server.owner_invite().await? {
        welcome(&invite);
    }
    let stopping = server.stopping();
    let asked = tokio::spawn(async move {
        signals.asked().await;
        stopping.cancel();
        // Who asks twice does not want to wait.
        signals.asked().await;
        std::process::exit(i32::from(exit::FAILURE));
    });
    server.run().await;
    asked.abort();
    Ok(())
}

/// What ends a process politely: Ctrl-C and SIGTERM. From the moment this exists they no longer kill.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn asked(&mut self) {
        // Fails only where there are no signals; then nobody can ask.
        let _ = tokio::signal::ctrl_c().await;
    }
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
    let image = code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
    Some(image.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect())
}

fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Listen { .. } | StartError::Webhooks { .. } => exit::LISTEN,
        StartError::Identity(_) | StartError::Secrets(_) | StartError::Files { .. } => exit::FOLDERS,
        StartError::Store(StoreError::Newer { .. } | StoreError::Damaged(_)) => exit::DATA,
        StartError::Store(_) | StartError::Write(_) => exit::FOLDERS,
    }
}

/// Says what is wrong and gives the code to leave with.
fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("quipu-server: {}", all_of(error));
    ExitCode::from(code)
}

/// What is wrong, cause by cause.
fn all_of(error: &dyn std::error::Error) -> String {
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
    text
}
