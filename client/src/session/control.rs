//! CONTROL after the greeting: fresh tokens, notices, goodbye, and a word now and then while answers are due.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::Connection;
use quipu_protocol::control::{Goaway, Hello, Notice, Token};
use quipu_protocol::frame::seal;
use quipu_protocol::{DeviceId, FrameType, Message as _, Refusal, stream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connect::{Online, keep_token};
use super::frames::{FrameReader, FrameWriter};
use super::greeting::{Credentials, exporter};
use crate::core::Core;
use crate::ending::Ending;
use crate::event::Event;
use crate::limits::NUDGE;
use crate::store::identity::Membership;

/// Least time between two questions for a new token.
const REFRESH_AGAIN: Duration = Duration::from_secs(60);

/// The life of this session's token, shared by whoever asks for a new one and whoever receives it.
#[derive(Debug, Clone)]
pub(super) struct Life {
    membership: Arc<Mutex<Membership>>,
    /// What the server's clock said, and when: from here on time is counted by a clock that nobody sets.
    now: (u64, Instant),
    /// When the token ends.
    ends: watch::Sender<Instant>,
    device: DeviceId,
}

impl Life {
    /// Call it right after the sign-in: the server's clock is read from its answer.
    pub(super) fn new(online: &Online) -> Self {
        let now = (online.granted.now_ms, Instant::now());
        Self {
            now,
            ends: watch::Sender::new(end_of(online.membership.expires_ms, now)),
            device: online.membership.account.device,
            membership: Arc::new(Mutex::new(online.membership.clone())),
        }
    }

    async fn renew(&self, core: &Core, token: &Token) -> Result<(), Ending> {
        // A tokio lock: held while the profile is written. Nobody else takes it.
        let mut membership = self.membership.lock().await;
        keep_token(core, &mut membership, token).await?;
        self.ends.send_replace(end_of(membership.expires_ms, self.now));
        Ok(())
    }
}

/// When a token ends, by our own clock; at most a year from now, as an instant cannot be as far as a number.
fn end_of(expires_ms: u64, (server_ms, at): (u64, Instant)) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 86_400);
    at + Duration::from_millis(expires_ms.saturating_sub(server_ms)).min(FAR)
}

/// Sends what the session's tasks have to say on CONTROL.
pub(crate) async fn write(mut writer: FrameWriter, mut frames: mpsc::Receiver<Bytes>) -> Ending {
    while let Some(frame) = frames.recv().await {
        if let Err(ending) = writer.send(&mut [frame]).await {
            return ending;
        }
    }
    Ending::Finished("the session")
}

/// Takes what the server says on CONTROL.
pub(super) async fn read(
    core: Arc<Core>,
    mut reader: FrameReader,
    life: Life,
    unanswered: watch::Receiver<usize>,
) -> Ending {
    loop {
        match step(&core, &mut reader, &life).await {
            Ok(None) => {}
            Ok(Some(goaway)) => return leave(goaway, unanswered).await,
            Err(ending) => return ending,
        }
    }
}

async fn step(core: &Core, reader: &mut FrameReader, life: &Life) -> Result<Option<Goaway>, Ending> {
    let frame = reader.next().await?.ok_or(Ending::Finished("the session"))?;
    if frame.is::<Token>() {
        life.renew(core, &frame.decode()?).await?;
    } else if frame.is::<Goaway>() {
        return Ok(Some(frame.decode()?));
    } else if frame.is::<Notice>() {
        let notice: Notice = frame.decode()?;
        core.events.push([Event::Notice { text: notice.text.as_str().to_owned() }]);
    } else if frame.is::<Refusal>() {
        let refusal: Refusal = frame.decode()?;
        tracing::warn!(code = refusal.code.0, "no new token for now");
    } else if frame.is::<Hello>() {
        let _: Hello = frame.decode()?;
    } else if frame.ty.is_critical() {
        return Err(frame.unexpected().into());
    }
    Ok(None)
}

/// Waits for answers that are due, as long as the server does, and goes.
async fn leave(goaway: Goaway, mut unanswered: watch::Receiver<usize>) -> Ending {
    const AFTER: Duration = Duration::from_secs(1); // A restart takes about so long.
    let grace = Duration::from_millis(goaway.grace_ms) / 2;
    // Whether or not all answers came, it is time to go.
    let _ = timeout(grace, unanswered.wait_for(|count| *count == 0)).await;
    Ending::Goaway(AFTER)
}

/// Asks for a new token when a third of what is left of the present one's life is left, and again then.
pub(super) async fn refresh(
    credentials: Credentials,
    connection: Connection,
    life: Life,
    frames: mpsc::Sender<Bytes>,
) -> Ending {
    let mut ends = life.ends.subscribe();
    let mut earliest = Instant::now();
    loop {
        let left = ends.borrow_and_update().saturating_duration_since(Instant::now());
        let due = (Instant::now() + left * 2 / 3).max(earliest);
        // A new token, or another end of it: look again.
        if let Ok(Ok(())) = timeout_at(due, ends.changed()).await {
            continue;
        }
        let question = credentials.secret.refresh(life.device, credentials.pin, &exporter(&connection));
        if frames.send(question.to_frame()).await.is_err() {
            return Ending::Finished("the session");
        }
        // No answer is no harm yet: there is time to ask again.
        earliest = Instant::now() + REFRESH_AGAIN;
    }
}

/// Says something each second while a publish is unanswered. Any packet that must be acknowledged breaks the
/// doubling of retransmission timers: at 20 % loss the worst stall falls from 21 s to below 7 s.
pub(super) async fn nudge(frames: mpsc::Sender<Bytes>, mut unanswered: watch::Receiver<usize>) -> Ending {
    loop {
        if unanswered.wait_for(|count| *count > 0).await.is_err() {
            return Ending::Finished("the session");
        }
        sleep(NUDGE).await;
        if *unanswered.borrow() > 0 {
            // A full queue says something anyway.
            let _ = frames.try_send(word());
        }
    }
}

/// A frame that means nothing: of a type that no version will ever use, and odd, so everyone skips it.
pub(super) fn word() -> Bytes {
    const NULL: &[u8] = &[0xf6];
    seal(FrameType(stream::grease(0)), NULL)
}
