//! CONTROL: hello, who are you, and later a new token or a goodbye.

use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use quipu_protocol::control::{
    Auth, Authenticated as AuthenticatedFrame, Goaway, Hello, Limits, Redeem, Refresh,
};
use quipu_protocol::limits::{
    BODY_BYTES_MAX, CLOCK_SKEW_MS, CONTROL_BYTES_MAX, FRAME_BYTES_MAX, PUBLISHES_IN_FLIGHT_MAX,
    ROOMS_OPEN_MAX,
};
use quipu_protocol::request::Permissions;
use quipu_protocol::token::{EXPORTER_BYTES, EXPORTER_LABEL};
use quipu_protocol::{BidiType, CloseCode, Code, DeviceId, Frame, List, MINOR, Refusal, Text};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::Shared;
use super::frames::{FrameReader, FrameWriter, StreamError};
use crate::auth::{AuthError, Authenticated};
use crate::limits::{AUTH_FAILURES_MAX, GRACE, TOKENS_PER_MINUTE};
use crate::rate::TokenBucket;
use crate::tls;

/// Streams in the order they are sent: what keeps a session alive before what fills it.
const PRIORITY: i32 = 100;
/// Time a refused peer has to take the answer.
const REFUSAL_DELIVERY: Duration = Duration::from_millis(500);

/// A connection that has said who it is.
pub(super) struct Greeted {
    pub(super) who: Authenticated,
    pub(super) control: Control,
    /// When the token ends that was shown, unix milliseconds.
    pub(super) expires_ms: u64,
}

/// The CONTROL stream after the greeting.
pub(super) struct Control {
    reader: FrameReader,
    writer: FrameWriter,
    /// How often a token may be asked for.
    tokens: TokenBucket,
}

/// A connection that will not be served.
pub(super) struct Refused {
    pub(super) error: String,
    pub(super) code: CloseCode,
    writer: Option<FrameWriter>,
}

impl Refused {
    fn new(error: impl ToString, code: CloseCode) -> Self {
        Self { error: error.to_string(), code, writer: None }
    }

    /// Waits, not for long, until the peer has the answer that explains the close.
    pub(super) async fn said(&self, connection: &Connection) {
        if let Some(writer) = &self.writer {
            delivered(writer, connection).await;
        }
    }
}

async fn delivered(writer: &FrameWriter, connection: &Connection) {
    let _ = timeout(REFUSAL_DELIVERY, async {
        tokio::select! {
            biased;
            () = writer.stopped() => {}
            _ = connection.closed() => {}
        }
    })
    .await;
}

impl From<StreamError> for Refused {
    fn from(error: StreamError) -> Self {
        Self::new(error, CloseCode::Protocol)
    }
}

/// Takes the client's first stream and answers it until somebody is authenticated.
pub(super) async fn greet(connection: &Connection, shared: &Arc<Shared>) -> Result<Greeted, Refused> {
    let (send, recv) = connection.accept_bi().await.map_err(|error| Refused::new(error, CloseCode::None))?;
    let mut reader = FrameReader::of_frames_up_to(CONTROL_BYTES_MAX, recv);
    let mut writer = FrameWriter::new(send);
    writer.priority(PRIORITY);
    if reader.stream_type().await? != Some(BidiType::Control.number()) {
        return Err(Refused::new("the first stream is not control", CloseCode::Protocol));
    }
    let mut tokens = TokenBucket::per_minute(TOKENS_PER_MINUTE);
    let mut failures = 0;
    let mut hello = false;
    while let Some(frame) = reader.next().await? {
        let answered = match &frame {
            frame if frame.is::<Hello>() => {
                let _: Hello = frame.decode().map_err(StreamError::from)?;
                hello = true;
                writer.send(&our_hello()).await?;
                continue;
            }
            frame if !hello && frame.ty.is_critical() => {
                return Err(Refused::new("something came before hello", CloseCode::Protocol));
            }
            frame if frame.is::<Auth>() => authenticate(frame, connection, shared, &mut writer).await,
            frame if frame.is::<Redeem>() || frame.is::<Refresh>() => match take(&mut tokens) {
                Ok(()) if frame.is::<Redeem>() => {
                    redeem(frame, connection, shared, &mut writer).await.map(|()| None)
                }
                Ok(()) => refresh(frame, connection, shared, &mut writer).await.map(|_| None),
                Err(too_many) => Err(too_many),
            },
            frame if frame.ty.is_critical() => return Err(StreamError::from(frame.unexpected()).into()),
            _ => continue,
        };
        match answered {
            Ok(Some((who, expires_ms))) => {
                return Ok(Greeted { who, control: Control { reader, writer, tokens }, expires_ms });
            }
            Ok(None) => {}
            Err(No::Broken(error)) => return Err(error.into()),
            Err(No::Refused(refusal, code)) => {
                debug!(code = refusal.code.0, "refused");
                writer.send(&refusal).await?;
                failures += 1;
                if code.is_some() || failures >= AUTH_FAILURES_MAX {
                    writer.finish();
                    let code = code.unwrap_or_else(|| close_code(&refusal));
                    return Err(Refused { error: refusal.to_string(), code, writer: Some(writer) });
                }
            }
        }
    }
    Err(Refused::new("control ended before authentication", CloseCode::Protocol))
}

/// Why a frame of the greeting was not granted.
enum No {
    Broken(StreamError),
    Refused(Refusal, Option<CloseCode>),
}

impl<E: Into<StreamError>> From<E> for No {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// Asking for one more token: each is a question to the store and two signatures, or a job of the one writer.
fn take(tokens: &mut TokenBucket) -> Result<(), No> {
    if tokens.try_take(Instant::now()) {
        return Ok(());
    }
    let refusal = Refusal::because(Code::RATE, "too many tokens").retry_after(60_000);
    Err(No::Refused(refusal, None))
}

/// How a connection is closed on which this was refused once too often.
fn close_code(refusal: &Refusal) -> CloseCode {
    if refusal.code == Code::RATE { CloseCode::ExcessiveLoad } else { CloseCode::AuthFailed }
}

async fn authenticate(
    frame: &Frame,
    connection: &Connection,
    shared: &Shared,
    writer: &mut FrameWriter,
) -> Result<Option<(Authenticated, u64)>, No> {
    let auth: Auth = frame.decode()?;
    match shared.auth.authenticate(&auth, &exporter(connection)).await {
        Ok((who, expires_ms)) => {
            // With the answer, so that whoever reads it may act on it at once.
            tls::welcome(connection);
            writer.send(&granted(&who, expires_ms, shared)).await?;
            Ok(Some((who, expires_ms)))
        }
        Err(error) => {
            note_refused(shared, &error);
            Err(No::Refused(error.refusal(), error.close_code()))
        }
    }
}

async fn redeem(
    frame: &Frame,
    connection: &Connection,
    shared: &Shared,
    writer: &mut FrameWriter,
) -> Result<(), No> {
    let redeem: Redeem = frame.decode()?;
    let from = connection.remote_address();
    if !shared.gate.may_redeem(from, Instant::now()) {
        let refusal =
            Refusal::because(Code::RATE, "too many wrong invites from your network").retry_after(60_000);
        return Err(No::Refused(refusal, None));
    }
    let (exporter, welcome) = (exporter(connection), shared.rooms.welcome(shared.lobby));
    match shared.auth.redeem(&redeem, &exporter, welcome).await {
        Ok(token) => Ok(writer.send(&token).await?),
        Err(refusal) => {
            if refusal.code == Code::NOT_FOUND {
                shared.gate.redeem_failed(from, Instant::now());
            }
            Err(No::Refused(refusal, None))
        }
    }
}

async fn refresh(
    frame: &Frame,
    connection: &Connection,
    shared: &Shared,
    writer: &mut FrameWriter,
) -> Result<(DeviceId, u64), No> {
    let refresh: Refresh = frame.decode()?;
    match shared.auth.refresh(&refresh, &exporter(connection)).await {
        Ok(token) => {
            writer.send(&token).await?;
            Ok((token.device, token.expires_ms))
        }
        Err(error) => {
            note_refused(shared, &error);
            Err(No::Refused(error.refusal(), error.close_code()))
        }
    }
}

/// A line of the log for whoever runs the server, but not one for each connection of a stranger.
fn note_refused(shared: &Shared, error: &AuthError) {
    if let Some(left_out) = shared.refusals.pass(Instant::now()) {
        warn!(%error, left_out, "authentication refused");
    }
}

/// How CONTROL ended.
pub(super) enum Attended {
    /// The client ended it.
    Over,
    /// The server stops, and has said so.
    Stopping,
    /// Too many fresh tokens were refused.
    Refused(CloseCode),
    /// The token ended and no fresh one was asked for.
    Expired,
}

/// What follows the greeting: fresh tokens, until the client ends the stream, its token ends, or the server stops.
pub(super) async fn attend(
    control: Control,
    device: DeviceId,
    mut expires_ms: u64,
    connection: &Connection,
    shared: &Shared,
) -> Result<Attended, StreamError> {
    let Control { mut reader, mut writer, mut tokens } = control;
    let mut failures = 0;
    loop {
        let left_ms = (expires_ms + CLOCK_SKEW_MS).saturating_sub(shared.seams.clock.now_ms());
        let frame = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => {
                writer.send(&Goaway { grace_ms: GRACE.as_millis() as u64, redirect: None }).await?;
                writer.finish();
                return Ok(Attended::Stopping);
            }
            frame = reader.next() => frame?,
            () = sleep(Duration::from_millis(left_ms)) => return Ok(Attended::Expired),
        };
        let Some(frame) = frame else {
            return Ok(Attended::Over);
        };
        if frame.is::<Refresh>() {
            let granted = match take(&mut tokens) {
                Ok(()) => refresh(&frame, connection, shared, &mut writer).await,
                Err(too_many) => Err(too_many),
            };
            match granted {
                // Another device of the same client does not prolong this one's session.
                Ok((of, until_ms)) if of == device => expires_ms = until_ms,
                Ok(_) => {}
                Err(No::Broken(error)) => return Err(error),
                Err(No::Refused(refusal, _)) => {
                    writer.send(&refusal).await?;
                    failures += 1;
                    if failures >= AUTH_FAILURES_MAX {
                        writer.finish();
                        delivered(&writer, connection).await;
                        return Ok(Attended::Refused(close_code(&refusal)));
                    }
                }
            }
        } else if frame.ty.is_critical() {
            return Err(frame.unexpected().into());
        }
    }
}

/// The exporter of this connection (RFC 8446 section 7.5), for one context.
fn exporter(connection: &Connection) -> impl Fn(&[u8; 32]) -> [u8; 32] + Send + Sync {
    let connection = connection.clone();
    move |context| {
        let mut value = [0; EXPORTER_BYTES];
        connection
            .export_keying_material(&mut value, EXPORTER_LABEL, context)
            .expect("32 bytes are far below what TLS exports");
        value
    }
}

fn our_hello() -> Hello {
    let agent = concat!("quipu-server/", env!("CARGO_PKG_VERSION"));
    Hello { minor: MINOR, features: List::default(), agent: Some(Text::cut(agent.to_owned())) }
}

fn granted(who: &Authenticated, expires_ms: u64, shared: &Shared) -> AuthenticatedFrame {
    AuthenticatedFrame {
        user: who.user(),
        device: who.device(),
        nickname: who.nickname().clone(),
        now_ms: shared.seams.clock.now_ms(),
        expires_ms,
        role: who.role().0,
        limits: Limits {
            frame_bytes: FRAME_BYTES_MAX as u64,
            body_bytes: BODY_BYTES_MAX as u64,
            rooms_open: ROOMS_OPEN_MAX as u64,
            publishes_in_flight: PUBLISHES_IN_FLIGHT_MAX as u64,
            publishes_per_second: u64::from(shared.limits.publish_per_second),
        },
        scope: Some(who.scope()).filter(|scope| *scope != Permissions::ANYTHING),
    }
}
