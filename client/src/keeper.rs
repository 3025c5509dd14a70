//! Keeps a connection: dials, runs the session, and decides what comes after it.
//!
//! ```text
//!   dial ──▶ sign in ──▶ session ──▶ Ending ──reaction──▶ wait ──▶ dial …       or stop, and say why
//! ```
//!
//! Invariant: it never dials a server that showed another identity, nor one that shut this device out, until a
//! person starts it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::auth::DeviceSecret;
use crate::backoff::Backoff;
use crate::core::Core;
use crate::ending::{Ending, Reaction};
use crate::error::{Error, ErrorCode};
use crate::event::{Event, Security};
use crate::limits::{BACKOFF_MAX, GOOD_CONNECTION, PROTOCOL_ERRORS_MAX};
use crate::net::endpoint::Dialler;
use crate::session;
use crate::session::connect::{Online, sign_in};
use crate::session::greeting::Credentials;
use crate::state::ConnState;
use crate::store::identity::{self, Membership};
use crate::vanish;

/// Stays connected until `stop`, or until it is pointless.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut keeper =
        Keeper { core, dialler: None, backoff: Backoff::default(), refresh: false, suspicions: 0 };
    let core = Arc::clone(&keeper.core);
    let state = tokio::select! {
        biased;
        state = keeper.run(&stop) => state,
        never = vanish::run(&core) => match never {},
    };
    keeper.core.set_state(state);
}

struct Keeper {
    core: Arc<Core>,
    /// Kept, because TLS tickets live in it.
    dialler: Option<Dialler>,
    backoff: Backoff,
    /// The server did not accept the token: a new one is asked for first, once.
    refresh: bool,
    /// How often in a row the protocol was broken.
    suspicions: u32,
}

impl Keeper {
    async fn run(&mut self, stop: &CancellationToken) -> ConnState {
        let mut platform = self.core.platform.subscribe();
        loop {
            self.core.set_state(ConnState::Connecting { attempt: self.backoff.failures() + 1 });
            let before = platform.borrow_and_update().wake;
            let connected = tokio::select! {
                biased;
                () = stop.cancelled() => return ConnState::Idle,
                // What was sent until now went nowhere, and its next repetition may be seconds away.
                _ = platform.wait_for(|now| now.wake != before) => {
                    self.backoff.reset();
                    continue;
                }
                connected = self.connect() => connected,
            };
            let ending = match connected {
                Ok(online) => self.session(online, stop).await,
                Err(ending) => ending,
            };
            if stop.is_cancelled() {
                return ConnState::Idle;
            }
            let why = ending.error();
            // The code alone: the text may be the server's.
            tracing::debug!(code = why.code.word(), "not connected");
            let Some(wait) = self.react(&ending).await else {
                return ConnState::Stopped { why };
            };
            if !self.wait(wait, why, stop).await {
                return ConnState::Idle;
            }
        }
    }

    async fn connect(&mut self) -> Result<Online, Ending> {
        let (membership, credentials) = credentials(&self.core).await?;
        let dialler = match &self.dialler {
            Some(dialler) => dialler.clone(),
            None => {
                let config = &self.core.config;
                let dialler = Dialler::new(Arc::clone(&config.transport), &config.seams, credentials.pin)?;
                self.dialler.insert(dialler).clone()
            }
        };
        let dialled = dialler.dial(&membership.account.host, membership.account.port).await?;
        sign_in(&self.core, dialler, dialled, credentials, membership, self.refresh).await
    }

    async fn session(&mut self, online: Online, stop: &CancellationToken) -> Ending {
        self.refresh = false;
        let began = Instant::now();
        let ending = session::run(&self.core, online, stop).await;
        if began.elapsed() >= GOOD_CONNECTION {
            self.backoff.reset();
            self.suspicions = 0;
        }
        ending
    }

    /// How long to wait before dialling again; `None` to stop.
    async fn react(&mut self, ending: &Ending) -> Option<Duration> {
        let random = self.core.random_u32();
        match ending.reaction() {
            Reaction::Backoff => Some(self.backoff.wait(random)),
            Reaction::BackoffFrom(least) => Some(least + self.backoff.wait(random)),
            Reaction::Now => Some(Duration::ZERO),
            Reaction::Reauthenticate if !self.refresh => {
                self.refresh = true;
                Some(self.backoff.wait(random))
            }
            Reaction::Suspicious if self.suspicions < PROTOCOL_ERRORS_MAX => {
                self.suspicions += 1;
                Some(self.backoff.wait(random))
            }
            Reaction::Reauthenticate | Reaction::Suspicious | Reaction::Stop => {
                self.warn(ending).await;
                None
            }
        }
    }

    async fn warn(&self, ending: &Ending) {
        let error = ending.error();
        match error.code {
            ErrorCode::PinMismatch => {
                self.core.events.push([Event::Security(Security::PinMismatch { detail: error.message })]);
            }
            ErrorCode::Revoked => {
                self.core.events.push([Event::Security(Security::Revoked)]);
                if let Err(error) = self.core.store.run(identity::forget_token).await {
                    tracing::warn!(%error, "the token of a revoked device could not be removed");
                }
            }
            _ => {}
        }
    }

    /// Waits, or not so long when the platform says that it is a good moment; `false` when stopped.
    async fn wait(&mut self, wait: Duration, why: Error, stop: &CancellationToken) -> bool {
        if wait.is_zero() {
            return true;
        }
        let mut platform = self.core.platform.subscribe();
        let before = *platform.borrow_and_update();
        let wait = if before.lost { wait.max(BACKOFF_MAX) } else { wait };
        let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.core.set_state(ConnState::Waiting { attempt: self.backoff.failures(), retry_ms, why });
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            _ = platform.wait_for(|now| now.wake != before.wake) => {
                self.backoff.reset();
                true
            }
            () = sleep(wait) => true,
        }
    }
}

/// Who this profile is, and what proves it.
pub(crate) async fn credentials(core: &Core) -> Result<(Membership, Credentials), Error> {
    let not_joined = || Error::never(ErrorCode::NotJoined, "this profile has not joined a server yet");
    let known = core.store.run(|db| Ok((identity::membership(db)?, identity::seed(db)?))).await?;
    let (Some(membership), Some(seed)) = known else {
        return Err(not_joined());
    };
    let secret = DeviceSecret::from_seed(&seed)?;
    let pin = membership.account.pin;
    Ok((membership, Credentials { secret, pin }))
}
