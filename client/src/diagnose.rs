//! What a person asks when nothing works: each step of connecting, one by one, on a connection of its own.
//!
//! ```text
//!   resolve ─▶ handshake (reach, alpn, pin) ─▶ auth ─▶ clock · datagram ─▶ rebind
//! ```
//!
//! A step that fails ends the report: what comes after it could not be tried.

use std::time::Duration;

use quipu_protocol::InviteLink;
use quipu_protocol::limits::{CLOCK_SKEW_MS, DATAGRAM_BYTES_MAX};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::account::fingerprint;
use crate::client::Client;
use crate::core::Core;
use crate::ending::Ending;
use crate::error::{Error, ErrorCode};
use crate::keeper::credentials;
use crate::net::dial::Dialled;
use crate::net::endpoint::Dialler;
use crate::session::connect::{Online, remaining, sign_in};
use crate::session::{self, survives};

/// What was found out, step by step, in the order of connecting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The steps. Those that could not be tried are missing.
    pub checks: Vec<Check>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable word: `resolve`, `handshake`, `alpn`, `pin`, `auth`, `clock`, `datagram`, `rebind`.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, for people.
    pub detail: String,
    /// The number the step is about: milliseconds of `resolve`, `handshake`, `auth`, `clock` (the server's clock
    /// minus ours) and `rebind`, bytes of `datagram`.
    pub value: Option<i64>,
    /// What kind of failure, when it does not work.
    pub error: Option<ErrorCode>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Good,
    /// Works, and yet a person should look.
    Doubtful,
    /// Does not work.
    Bad,
}

impl Report {
    /// Whether every step that is needed works.
    pub fn is_good(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.verdict != Verdict::Bad)
    }

    fn note(&mut self, name: &'static str, verdict: Verdict, detail: impl Into<String>, value: Option<i64>) {
        self.checks.push(Check { name, verdict, detail: detail.into(), value, error: None });
    }

    fn bad(&mut self, name: &'static str, error: &Error) {
        self.checks.push(Check {
            name,
            verdict: Verdict::Bad,
            detail: error.message.clone(),
            value: None,
            error: Some(error.code),
        });
    }
}

impl Client {
    /// Tries each step of connecting, one by one, on a connection of its own. Without an account, give a link; its
    /// secret is not sent. The server may close an older connection of this device in favour of this one.
    ///
    /// # Errors
    /// [`ErrorCode::NotJoined`] without account and link, [`ErrorCode::LinkDamaged`].
    pub async fn diagnose(&self, link: Option<&str>) -> Result<Report, Error> {
        let (host, port, pin) = match link {
            Some(link) => {
                let link: InviteLink = link.parse()?;
                (link.host, link.port, link.pin)
            }
            None => {
                let (membership, _) = credentials(self.core()).await?;
                (membership.account.host, membership.account.port, membership.account.pin)
            }
        };
        let config = &self.core().config;
        let dialler = Dialler::new(config.transport.clone(), &config.seams, pin)?;
        let mut report = Report::default();
        if let Some(dialled) = reach(&dialler, &host, port, &pin, &mut report).await {
            // Kept until the end: a server closes a connection whose session is over.
            let online = match link {
                None => sign(self.core(), &dialler, &dialled, &mut report).await,
                Some(_) => None,
            };
            datagrams(&dialled, &mut report);
            rebind(&dialler, &dialled, online, &mut report).await;
            session::close(&dialled, &Ending::Stopped).await;
        }
        Ok(report)
    }
}

async fn reach(
    dialler: &Dialler,
    host: &str,
    port: u16,
    pin: &[u8; 32],
    report: &mut Report,
) -> Option<Dialled> {
    let began = Instant::now();
    match dialler.resolve(host, port).await {
        Ok(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            report.note("resolve", Verdict::Good, addresses.join(", "), millis(began.elapsed()));
        }
        Err(ending) => {
            report.bad("resolve", &ending.error());
            return None;
        }
    }
    let began = Instant::now();
    match dialler.dial(host, port).await {
        Ok(dialled) => {
            let remote = dialled.connection.remote_address();
            let detail =
                format!("QUIC with {remote}, round trip {} ms", dialled.connection.rtt().as_millis());
            report.note("handshake", Verdict::Good, detail, millis(began.elapsed()));
            report.note("alpn", Verdict::Good, String::from_utf8_lossy(quipu_protocol::ALPN), None);
            report.note("pin", Verdict::Good, fingerprint(pin), None);
            Some(dialled)
        }
        Err(ending) => {
            let error = ending.error();
            let name = match error.code {
                ErrorCode::PinMismatch => "pin",
                ErrorCode::Clock => "clock",
                ErrorCode::Version => "alpn",
                _ => "handshake",
            };
            report.bad(name, &error);
            None
        }
    }
}

async fn sign(core: &Core, dialler: &Dialler, dialled: &Dialled, report: &mut Report) -> Option<Online> {
    let began = Instant::now();
    let signed = match credentials(core).await {
        Ok((membership, credentials)) => {
            sign_in(core, dialler.clone(), dialled.clone(), credentials, membership, false).await
        }
        Err(error) => Err(error.into()),
    };
    match &signed {
        Ok(online) => {
            let hours = remaining(core, &online.membership).as_secs() / 3_600;
            let detail = format!("as {}, the token holds for {hours} h", online.granted.nickname);
            report.note("auth", Verdict::Good, detail, millis(began.elapsed()));
            let skew_ms = online.membership.skew_ms;
            let verdict =
                if skew_ms.unsigned_abs() > CLOCK_SKEW_MS { Verdict::Doubtful } else { Verdict::Good };
            report.note(
                "clock",
                verdict,
                format!("the server's clock differs by {skew_ms} ms"),
                Some(skew_ms),
            );
        }
        Err(ending) => {
            report.bad("auth", &ending.error());
            return None;
        }
    }
    signed.ok()
}

fn datagrams(dialled: &Dialled, report: &mut Report) {
    match dialled.connection.max_datagram_size() {
        Some(bytes) if bytes >= DATAGRAM_BYTES_MAX => {
            report.note("datagram", Verdict::Good, format!("up to {bytes} bytes"), i64::try_from(bytes).ok());
        }
        Some(bytes) => {
            let detail = format!("only up to {bytes} bytes: the path is narrow");
            report.note("datagram", Verdict::Doubtful, detail, i64::try_from(bytes).ok());
        }
        None => {
            report.note("datagram", Verdict::Doubtful, "the server takes none: nobody sees you typing", None)
        }
    }
}

async fn rebind(dialler: &Dialler, dialled: &Dialled, online: Option<Online>, report: &mut Report) {
    let began = Instant::now();
    let (frames, outgoing) = mpsc::channel(1);
    // The session's own way of speaking after a move, as long as there is a session.
    let mut speaking = JoinSet::new();
    let _held = online.map(|online| {
        speaking.spawn(session::speak(online.writer, outgoing));
        online.reader
    });
    let (verdict, detail) = if survives(dialler, dialled, &frames).await {
        (Verdict::Good, "the connection moves to another socket")
    } else {
        (Verdict::Doubtful, "the connection does not move: a change of network costs a reconnection")
    };
    report.note("rebind", verdict, detail, millis(began.elapsed()));
}

fn millis(duration: Duration) -> Option<i64> {
    i64::try_from(duration.as_millis()).ok()
}
