//! What a room is called and what it is about.

use quipu_protocol::entry::{NameChange, TopicChange};
use quipu_protocol::request::{Permissions, RenameRoom, RoomInfo, SetTopic};
use quipu_protocol::{Code, Kind, Refusal, RoomId, cbor};

use super::chat::Rooms;
use super::deeds::Deed;
use super::directory::info_of;
use super::footing::Footing;
use super::rules;
use crate::auth::Authenticated;
use crate::store::{WriteError, Writes};

impl Rooms {
    /// Says what a room is about. Saying what is so already changes nothing.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] without the permission to manage
    /// it, [`Code::CONFLICT`] for a direct room.
    pub async fn set_topic(&self, who: &Authenticated, ask: SetTopic) -> Result<RoomInfo, Refusal> {
        self.describe(who, ask.room, move |store, at, deed| {
            if at.room.topic == ask.topic {
                return Ok(());
            }
            store.put_topic(ask.room, ask.topic.as_ref())?;
            deed.note(store, Kind::TOPIC, cbor::encode(&TopicChange { topic: ask.topic }), None)
        })
        .await
    }

    /// Calls a room differently.
    ///
    /// # Errors
    /// As [`Rooms::set_topic`]; [`Code::CONFLICT`] also when the name is taken, or the server made the room.
    pub async fn rename(&self, who: &Authenticated, ask: RenameRoom) -> Result<RoomInfo, Refusal> {
        self.describe(who, ask.room, move |store, at, deed| {
            let before = at.room.name.clone();
            if before.as_ref() == Some(&ask.name) {
                return Ok(());
            }
            if at.room.creator.is_none() {
                // It is found by its name when the server starts.
                return Err(Refusal::because(Code::CONFLICT, "this room keeps its name").into());
            }
            if store.room_by_name(&ask.name)?.is_some() {
                return Err(Refusal::because(Code::CONFLICT, "the name is taken").into());
            }
            store.put_name(ask.room, &ask.name)?;
            deed.note(store, Kind::NAME, cbor::encode(&NameChange { before, name: ask.name }), None)
        })
        .await
    }

    /// Does something to a room that the asker may manage.
    async fn describe(
        &self,
        who: &Authenticated,
        room: RoomId,
        change: impl FnOnce(&mut dyn Writes, &Footing, &Deed<'_>) -> Result<(), WriteError> + Send + 'static,
    ) -> Result<RoomInfo, Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let at = Footing::of(&*store, room, who.user(), now_ms)?;
            rules::may_manage(&who, &at, Permissions::MANAGE_ROOM)?;
            change(store, &at, &Deed { who: &who, room, now_ms, reason: None })?;
            info_of(&*store, who.user(), room, now_ms)
        });
        job.await.map_err(WriteError::refusal)
    }
}
