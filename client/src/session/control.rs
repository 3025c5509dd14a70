//! CONTROL after the greeting: fresh tokens, notices, goodbye, and a word now and then while answers are due.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::Connection;
use quipu_protocol::control::{Goaway, Hello, Notice, Token};
use quipu_protocol::frame::seal;
use quipu_protocol::{DeviceId, FrameType, Message as _, Refusal, stream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::connect::{Online, keep_token, remaining};
use super::frames::{FrameReader, FrameWriter};
use super::greeting::{Credentials, exporter};
use crate::core::Core;
use crate::ending::Ending;
use crate::event::Event;
use crate::limits::NUDGE;
use crate::store::identity::Membership;

/// The life of this session's token, shared by whoever asks for a new one and whoever receives it.
#[derive(Debug, Clone)]
pub(super) struct Life {
    membership: Arc<Mutex<Membership>>,
    remaining: watch::Sender<Duration>,
    device: DeviceId,
}

impl Life {
    pub(super) fn new(core: &Core, online: &Online) -> Self {
        Self {
            remaining: watch::Sender::new(remaining(core, &online.membership)),
            device: online.membership.account.device,
            membership: Arc::new(Mutex::new(online.membership.clone())),
        }
    }

    async fn renew(&self, core: &Core, token: &Token) -> Result<(), Ending> {
        // A tokio lock: held while the profile is written. Nobody else takes it.
        let mut membership = self.membership.lock().await;
        keep_token(core, &mut membership, token).await?;
        self.remaining.send_replace(remaining(core, &membership));
        Ok(())
    }
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
        core.events.push([Event::Notice {
            text: notice.text.as_str().to_owned(),
        }]);
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

/// Asks for a new token when a third of the present one's life is left.
pub(super) async fn refresh(
    credentials: Credentials,
    connection: Connection,
    life: Life,
    frames: mpsc::Sender<Bytes>,
) -> Ending {
    let mut remaining = life.remaining.subscribe();
    loop {
        let wait = *remaining.borrow_and_update() * 2 / 3;
        sleep(wait).await;
        let question = credentials
            .secret
            .refresh(life.device, credentials.pin, &exporter(&connection));
        if frames.send(question.to_frame()).await.is_err() {
            return Ending::Finished("the session");
        }
        // No answer is no harm yet: there is time to ask again.
        let again = (wait / 4).max(Duration::from_secs(60));
        let _ = timeout(again, remaining.changed()).await;
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
