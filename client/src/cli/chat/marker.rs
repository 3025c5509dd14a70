//! How far was read, told to the account's other devices: one question at a time, and the last one before leaving.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use quipu_client::Client;
use quipu_client::protocol::{RoomId, Seq};
use tokio::time::{sleep, timeout};

/// The read marker of the room that is talked in.
pub(super) struct Marker {
    client: Client,
    room: RoomId,
    /// Up to here the server knows.
    told: Seq,
    /// Gives the place the server was told.
    question: Option<Pin<Box<dyn Future<Output = Option<Seq>>>>>,
}

impl Marker {
    /// The server knows that everything up to `told` was read.
    pub(super) fn new(client: Client, room: RoomId, told: Seq) -> Self {
        Self { client, room, told, question: None }
    }

    /// Tells that everything up to here was shown, unless a question is under way or there is nobody to tell.
    pub(super) fn tell(&mut self, shown: Seq) {
        if self.question.is_some() || shown <= self.told || !self.client.state().is_online() {
            return;
        }
        let (client, room) = (self.client.clone(), self.room);
        self.question = Some(Box::pin(async move {
            if client.mark_read(room, shown).await.is_ok() {
                return Some(shown);
            }
            sleep(AGAIN).await;
            None
        }));
    }

    /// Waits for the answer; for ever when there was no question. Dropped, it goes on where it was.
    pub(super) async fn answered(&mut self) {
        let Some(question) = &mut self.question else { return pending().await };
        let told = question.await;
        self.question = None;
        self.told = told.unwrap_or(self.told);
    }

    /// Tells what there is left to tell, for a moment.
    pub(super) async fn finish(&mut self, shown: Seq) {
        let telling = async {
            // The one under way is about an earlier place.
            if self.question.is_some() {
                self.answered().await;
            }
            self.tell(shown);
            if self.question.is_some() {
                self.answered().await;
            }
        };
        let _ = timeout(FINISH_WAIT, telling).await;
    }
}

/// Wait after a failure: what was refused at once would be refused again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long leaving may take because of this.
const FINISH_WAIT: Duration = Duration::from_secs(2);
