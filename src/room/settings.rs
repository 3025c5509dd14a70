//! Settings of a room: read-only, invite-only, slow mode.

use quipu_protocol::request::{Act, Permissions, RoomInfo, RoomSettings, SetRoom};
use quipu_protocol::{Code, Kind, Refusal, cbor};

use super::chat::Rooms;
use super::deeds::Deed;
use super::directory::info_of;
use super::footing::Footing;
use super::rules;
use crate::auth::Authenticated;
use crate::limits::SLOW_MODE_MAX;
use crate::store::{Settings, WriteError};

impl Rooms {
    /// Changes the settings that are given.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] without the permission to manage
    /// it, [`Code::CONFLICT`] for a direct room, [`Code::BAD_REQUEST`] for a slow mode beyond its bound.
    pub async fn set_room(&self, who: &Authenticated, ask: SetRoom) -> Result<RoomInfo, Refusal> {
        let slow_max_ms = SLOW_MODE_MAX.as_millis() as u64;
        if ask.settings.slow_ms.is_some_and(|slow_ms| slow_ms > slow_max_ms) {
            let text = format!("the slowest slow mode is {slow_max_ms} ms");
            return Err(Refusal::because(Code::BAD_REQUEST, text));
        }
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let at = Footing::of(&*store, ask.room, who.user(), now_ms)?;
            rules::may_manage(&who, &at, Permissions::MANAGE_ROOM)?;
            let (settings, changed) = changed(at.room.settings, &ask.settings);
            if changed != RoomSettings::default() {
                store.put_settings(ask.room, settings)?;
                let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
                deed.note(store, Kind::SETTINGS, cbor::encode(&changed), None)?;
                deed.record(store, Act::SETTINGS, None, Some(words(&changed)))?;
            }
            info_of(&*store, who.user(), ask.room, now_ms)
        });
        job.await.map_err(WriteError::refusal)
    }
}

/// The settings afterwards, and those of them that are new.
fn changed(before: Settings, asked: &RoomSettings) -> (Settings, RoomSettings) {
    let after = Settings {
        read_only: asked.read_only.unwrap_or(before.read_only),
        invite_only: asked.invite_only.unwrap_or(before.invite_only),
        slow_ms: asked.slow_ms.unwrap_or(before.slow_ms),
    };
    let new = RoomSettings {
        read_only: (after.read_only != before.read_only).then_some(after.read_only),
        invite_only: (after.invite_only != before.invite_only).then_some(after.invite_only),
        slow_ms: (after.slow_ms != before.slow_ms).then_some(after.slow_ms),
    };
    (after, new)
}

fn words(changed: &RoomSettings) -> String {
    let switch =
        |name: &str, on: Option<bool>| on.map(|on| format!("{name} {}", if on { "on" } else { "off" }));
    let slow = changed.slow_ms.map(|slow_ms| format!("slow {slow_ms} ms"));
    let parts = [switch("read-only", changed.read_only), switch("invite-only", changed.invite_only), slow];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
