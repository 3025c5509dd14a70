//! One author and many readers of one room, of Quipu or of the floor, and how fast the author talks.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use quipu_protocol::publish::Ack;
use quipu_protocol::room::{CaughtUp, Snapshot};
use quipu_protocol::{
    BidiType, Blob, DeviceId, Draft, Entry, Ext, Kind, Message as _, MessageId, RoomId, Seq, UserId,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::board::Board;
use super::frames::{Frames, seq_of};
use super::member::{Listen, Online, Talk};

/// What people say, in bytes: a sentence or two.
const BODY_BYTES: usize = 100;
/// A server that has nothing else to do must have delivered everything by then.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// How an author talks.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as it can, with so many messages that are not yet durable and heard by all.
    InFlight(u64),
    /// So many a second, whatever happens.
    PerSecond(u64),
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InFlight(messages) => f.pad(&format!("{messages} in flight")),
            Self::PerSecond(messages) => f.pad(&format!("{messages}/s")),
        }
    }
}

/// Who talks.
pub(crate) struct Author {
    stream: SendStream,
    /// The author's connection, which must not end.
    _connection: Connection,
    board: Rc<Board>,
    says: Says,
}

/// What goes onto the wire.
enum Says {
    /// Drafts, which the server makes entries of.
    Drafts(RoomId, [u8; 8]),
    /// Finished entries of the same size as the server's, which are acknowledged by being heard.
    Entries,
}

impl Author {
    /// A member who publishes to a room of Quipu.
    pub(crate) async fn member(online: &Online, room: RoomId, board: Rc<Board>) -> Result<Self> {
        let talk = Talk::open(&online.connection, BidiType::Publish).await?;
        tokio::task::spawn_local(acks(talk.listen, Rc::clone(&board)));
        // Ids of one author must differ between rooms only, so the room's own bytes will do.
        let own = room.as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Self {
            stream: talk.send,
            _connection: online.connection.clone(),
            board,
            says: Says::Drafts(room, own),
        })
    }

    /// Who talks through the floor.
    pub(crate) async fn raw(connection: Connection, board: Rc<Board>) -> Result<Self> {
        let talk = Talk::open(&connection, BidiType::Publish).await?;
        Ok(Self { stream: talk.send, _connection: connection, board, says: Says::Entries })
    }

    /// Talks until `end`.
    pub(crate) async fn talk(&mut self, pace: Pace, end: Instant) -> Result<()> {
        match pace {
            Pace::InFlight(most) => {
                while Instant::now() < end {
                    let more = most.saturating_sub(self.board.in_flight());
                    if more > 0 {
                        self.say(more).await?;
                    }
                    timeout(LAST_WORDS, self.board.change()).await??;
                }
            }
            Pace::PerSecond(rate) => {
                let mut turns = interval(Duration::from_secs(1) / u32::try_from(rate)?);
                turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while Instant::now() < end {
                    turns.tick().await;
                    self.say(1).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until everybody has heard everything.
    pub(crate) async fn be_heard(&self) -> Result<()> {
        let heard = async {
            while self.board.in_flight() > 0 {
                self.board.change().await?;
            }
            Ok(())
        };
        timeout(LAST_WORDS, heard).await.context("not everybody has heard everything in time")?
    }

    async fn say(&mut self, messages: u64) -> Result<()> {
        let mut frames = Vec::with_capacity(messages as usize);
        for _ in 0..messages {
            frames.push(self.frame()?);
            self.board.say();
        }
        Ok(self.stream.write_all_chunks(&mut frames).await?)
    }

    fn frame(&self) -> Result<Bytes> {
        let number = self.board.said();
        let id = |own: &[u8; 8]| MessageId::from_bytes(pair(*own, number.to_be_bytes()));
        let body = Blob::new(vec![b'x'; BODY_BYTES]).ok().context("a short body")?;
        let (kind, ext) = (Kind::TEXT, Ext::default());
        Ok(match &self.says {
            Says::Drafts(room, own) => Draft { room: *room, message: id(own), kind, body, ext }.to_frame(),
            Says::Entries => Entry {
                seq: Seq(self.board.base() + number + 1),
                // Any time of these years takes as many bytes.
                at_ms: 1_800_000_000_000,
                user: Some(UserId::from_bytes([1; 16])),
                device: Some(DeviceId::from_bytes([2; 16])),
                message: Some(id(&[3; 8])),
                kind,
                body,
                ext,
            }
            .to_frame(),
        })
    }
}

fn pair(high: [u8; 8], low: [u8; 8]) -> [u8; 16] {
    (u128::from(u64::from_be_bytes(high)) << 64 | u128::from(u64::from_be_bytes(low))).to_be_bytes()
}

/// Takes the answers of a PUBLISH stream.
async fn acks(mut listen: Listen, board: Rc<Board>) {
    loop {
        match listen.next().await {
            Ok(frame) if frame.is::<Ack>() => match frame.decode::<Ack>() {
                Ok(ack) => board.ack(ack.at.seq.0),
                Err(error) => return board.fail(format!("an acknowledgement: {error}")),
            },
            Ok(frame) => return board.fail(format!("a message was refused: {frame:?}")),
            // Ends with the author, or is noticed by what is not heard.
            Err(_) => return,
        }
    }
}

/// Listens to a room for the board, until the connection ends.
pub(crate) async fn listen(stream: RecvStream, board: Rc<Board>, acknowledges: bool) {
    if let Err(error) = hear(stream, &board, acknowledges).await {
        board.fail(format!("a reader: {error}"));
    }
}

/// With `acknowledges` the first reader to hear a message takes it for acknowledged: the floor says nothing else.
async fn hear(mut stream: RecvStream, board: &Board, acknowledges: bool) -> Result<()> {
    let mut frames = Frames::default();
    let mut last = board.base();
    while let Ok(Some(chunk)) = stream.read_chunk(usize::MAX, true).await {
        let now = Instant::now();
        frames.feed(&chunk.bytes, |ty, _, payload| {
            if ty == CaughtUp::TYPE || ty == Snapshot::TYPE {
                return Ok(());
            }
            if ty != Entry::TYPE {
                bail!("frame {:#x} instead of an entry after {last}", ty.0);
            }
            let seq = seq_of(payload)?;
            ensure!(seq == last + 1, "entry {seq} after {last}");
            last = seq;
            if acknowledges {
                board.ack(seq);
            }
            board.hear(seq, now);
            Ok(())
        })?;
    }
    Ok(())
}
