//! What a command has at hand: the profile, the way to print, and a client that is opened when it is needed.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use etcetera::BaseStrategy as _;
use quipu_client::protocol::{Nickname, UserId};
use quipu_client::{Account, Client, Config, ConnState, Error, ErrorCode, Retry, Seams};
use tokio::time::{Instant, sleep, timeout};

use super::args::Global;
use super::clock::TimeView;
use super::exit::Failure;
use super::room::Names;
use super::undelivered;

/// What a command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    /// Name of the profile.
    pub(crate) profile: String,
    /// How times are shown.
    pub(crate) time: TimeView,
    /// How long to wait for the server.
    pub(crate) timeout: Duration,
    folder: PathBuf,
    client: OnceLock<Client>,
}

/// A client that was started, and whose device it is.
#[derive(Debug)]
pub(crate) struct Session {
    /// The client.
    pub(crate) client: Client,
    /// This account.
    pub(crate) me: UserId,
    nickname: Nickname,
}

impl Session {
    /// Nicknames, of which this account's own is known without asking.
    pub(crate) fn names(&self) -> Names {
        let mut names = Names::default();
        names.learn(self.me, self.nickname.clone());
        names
    }
}

impl Context {
    /// Decides where the profile lies. Call it before there is a second thread, because of local time.
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let folder = match &global.data_dir {
            Some(folder) => folder.clone(),
            None => data_folder()?,
        };
        Ok(Self {
            folder: folder.join(&global.profile),
            profile: global.profile.clone(),
            time: TimeView::new(global.utc),
            timeout: global.timeout,
            client: OnceLock::new(),
        })
    }

    /// Opens the profile, without network. Another command may have it for a moment: waits a little.
    pub(crate) async fn open(&self) -> Result<Client, Failure> {
        let give_up = Instant::now() + LOCK_WAIT.min(self.timeout);
        loop {
            match Client::open(self.config()).await {
                Err(error) if error.code == ErrorCode::Locked && Instant::now() < give_up => {
                    // There is nobody to wake us: the lock belongs to another process.
                    sleep(LOCK_POLL).await;
                }
                opened => {
                    let client = opened?;
                    // Set once: a command opens its profile once.
                    let _ = self.client.set(client.clone());
                    return Ok(client);
                }
            }
        }
    }

    /// Opens the profile and connects in the background: whatever needs the server waits for it.
    pub(crate) async fn start(&self) -> Result<Session, Failure> {
        let client = self.open().await?;
        let Account { user: me, nickname, .. } = account(&client).await?;
        client.start().await?;
        Ok(Session { client, me, nickname })
    }

    /// Tells what was refused and not told yet, and gives the profile free, if it was opened.
    pub(crate) async fn close(&self) {
        if let Some(client) = self.client.get() {
            let closing = async {
                // It fails with the profile, and then there is nothing to tell; what was not told is told by the next command.
                let _ = undelivered::tell(client, None).await;
                client.shutdown().await;
            };
            // Whatever matters is on disk already, so a shutdown that hangs must not keep the person waiting.
            let _ = timeout(CLOSE_WAIT, closing).await;
        }
    }

    fn config(&self) -> Config {
        Config { patience: self.timeout, ..Config::new(&self.folder) }
    }
}

/// Who this profile is.
pub(crate) async fn account(client: &Client) -> Result<Account, Failure> {
    let missing = || Error {
        code: ErrorCode::NotJoined,
        retry: Retry::Never,
        message: "this profile has no account yet".into(),
    };
    Ok(client.whoami().await?.ok_or_else(missing)?)
}

/// Why there is no connection, as far as is known.
pub(crate) fn trouble(state: &ConnState) -> String {
    match state {
        ConnState::Online { .. } => "no answer yet".into(),
        ConnState::Idle | ConnState::Connecting { .. } => "not connected yet".into(),
        ConnState::Waiting { why, .. } | ConnState::Stopped { why } => why.message.clone(),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    Seams::system().clock.now_ms()
}

/// The folder of all profiles: `$XDG_DATA_HOME/quipu`, on every system that has one.
fn data_folder() -> Result<PathBuf, Failure> {
    let folders = etcetera::choose_base_strategy().map_err(|_| {
        Failure::Usage("there is no home folder; say --data-dir where the profiles shall be".into())
    })?;
    Ok(folders.data_dir().join("quipu"))
}

/// How long another command may have the profile before this one gives up: as long as a `send` takes.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// How often to look whether the profile is free.
const LOCK_POLL: Duration = Duration::from_millis(50);
/// How long to wait for an orderly goodbye.
const CLOSE_WAIT: Duration = Duration::from_secs(3);
