//! What a room keeps, and the end of a room: the requests. What goes because of them goes by the sweeper.

use quipu_protocol::limits::EXPIRY_MS_MAX;
use quipu_protocol::request::{Act, DeleteRoom, Permissions, Retention, RoomInfo, SetRetention};
use quipu_protocol::{Code, Kind, Refusal, cbor};

use super::chat::Rooms;
use super::deeds::Deed;
use super::directory::info_of;
use super::footing::Footing;
use super::rules;
use crate::auth::{Authenticated, acting};
use crate::config;
use crate::store::{Keep, WriteError};

/// What the operator grants, over what rooms say themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Policy(pub(super) config::Retention);

impl Policy {
    /// Whether rooms that say nothing keep less than everything.
    pub(super) fn is_for_all(self) -> bool {
        self.0 != config::Retention::default()
    }

    /// What a room keeps at this time, for what it says itself.
    pub(super) fn keep(self, own: &Retention, now_ms: u64) -> Keep {
        let bound = |own: Option<u64>, default: Option<u64>, max: Option<u64>| {
            [own.or(default), max].into_iter().flatten().min()
        };
        let Self(server) = self;
        let age_ms = bound(own.age_ms, server.age_ms, server.age_ms_max);
        Keep {
            since_ms: age_ms.map(|age_ms| now_ms.saturating_sub(age_ms)),
            count: bound(own.count, server.count, server.count_max),
            bytes: bound(own.bytes, server.bytes, server.bytes_max),
        }
    }

    /// The room's word after this change; refused beyond the server's bounds.
    fn changed(self, before: &Retention, change: &Retention) -> Result<Retention, Refusal> {
        let Self(server) = self;
        let said = |what: &str, before: Option<u64>, change: Option<u64>, max: Option<u64>| match change {
            None => Ok(before),
            Some(0) => Ok(None),
            Some(said) if said > max.unwrap_or(NUMBER_MAX) => Err(Refusal::because(
                Code::BAD_REQUEST,
                format!("{what}: this server keeps at most {}", max.unwrap_or(NUMBER_MAX)),
            )),
            Some(said) => Ok(Some(said)),
        };
        Ok(Retention {
            age_ms: said("age in milliseconds", before.age_ms, change.age_ms, server.age_ms_max)?,
            count: said("entries", before.count, change.count, server.count_max)?,
            bytes: said("bytes", before.bytes, change.bytes, server.bytes_max)?,
            ttl_ms: said("life in milliseconds", before.ttl_ms, change.ttl_ms, Some(EXPIRY_MS_MAX))?,
        })
    }
}

/// Largest number a room may say: what the store can compare.
const NUMBER_MAX: u64 = i64::MAX as u64;

impl Rooms {
    /// Changes what a room keeps. Saying what it says already is no error, and no entry.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`], [`Code::FORBIDDEN`] for whoever does not manage the room, [`Code::BAD_REQUEST`] beyond what
    /// the server keeps.
    pub async fn set_retention(&self, who: &Authenticated, ask: SetRetention) -> Result<RoomInfo, Refusal> {
        let (who, clock, policy) = (who.clone(), self.clock(), self.policy());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let at = Footing::of(&*store, ask.room, who.user(), now_ms)?;
            rules::may(&who, &at, Permissions::MANAGE_ROOM)?;
            let before = store.retention(ask.room)?;
            let after = policy.changed(&before, &ask.retention)?;
            if after != before {
                store.set_retention(ask.room, &after)?;
                let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
                deed.note(store, Kind::RETENTION, cbor::encode(&after), None)?;
                deed.record(store, Act::RETENTION, None, Some(words(&after)))?;
            }
            info_of(&*store, who.user(), ask.room, now_ms)
        });
        let info = job.await.map_err(WriteError::refusal)?;
        self.live().chores().ask_for_a_round();
        Ok(info)
    }

    /// An account was deleted, and is to leave its rooms.
    pub fn someone_left(&self) {
        self.live().chores().wake();
        self.eraser().wake();
    }

    /// Deletes a room for good. One that is not there any more is no error for those who might have deleted it, but
    /// nobody can tell it from one that never was.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`], [`Code::FORBIDDEN`] below an owner, [`Code::CONFLICT`] for the room the server made and for
    /// direct ones, [`Code::BAD_REQUEST`] when the confirmation is another room's.
    pub async fn delete(&self, who: &Authenticated, ask: DeleteRoom) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let at = Footing::of(&*store, ask.room, who.user(), now_ms)?;
            rules::delete(&who, acting(&*store, &who)?.role, &at)?;
            let name = at.room.name.as_ref().map_or_else(|| ask.room.to_string(), ToString::to_string);
            if ask.confirm.as_str() != name {
                return Err(
                    Refusal::because(Code::BAD_REQUEST, "the room to delete is called otherwise").into()
                );
            }
            let deed = Deed { who: &who, room: ask.room, now_ms, reason: ask.reason.as_ref() };
            deed.record(store, Act::DELETE_ROOM, None, Some(name))?;
            Ok(store.delete_room(ask.room)?)
        });
        job.await.map_err(WriteError::refusal)
    }
}

/// What a room says, for the record.
fn words(said: &Retention) -> String {
    let one = |name: &str, value: Option<u64>| value.map(|value| format!("{name} {value}"));
    let parts = [
        one("age-ms", said.age_ms),
        one("count", said.count),
        one("bytes", said.bytes),
        one("ttl-ms", said.ttl_ms),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_keeps_what_it_says_within_what_the_server_grants() {
        let server = config::Retention {
            age_ms: Some(50),
            age_ms_max: Some(90),
            count_max: Some(7),
            ..Default::default()
        };
        let policy = Policy(server);
        let own = Retention { age_ms: Some(20), bytes: Some(1), ..Default::default() };
        let all = policy.keep(&Retention::default(), 100);
        assert_eq!(all, Keep { since_ms: Some(50), count: Some(7), bytes: None });
        assert_eq!(policy.keep(&own, 100), Keep { since_ms: Some(80), count: Some(7), bytes: Some(1) });
        // An operator who lowers a bound later means what rooms have said before as well.
        let generous = Retention { count: Some(1_000), ..Default::default() };
        assert_eq!(policy.keep(&generous, 100).count, Some(7));
        assert_eq!(Policy::default().keep(&Retention::default(), 100), Keep::default());
    }

    #[test]
    fn a_change_leaves_the_rest_takes_back_with_zero_and_stays_in_bounds() {
        let policy = Policy(config::Retention { count_max: Some(7), ..Default::default() });
        let before = Retention { age_ms: Some(5), count: Some(3), ..Default::default() };
        let change = |count| Retention { count: Some(count), ..Default::default() };
        assert_eq!(policy.changed(&before, &change(7)), Ok(Retention { count: Some(7), ..before.clone() }));
        assert_eq!(policy.changed(&before, &change(0)), Ok(Retention { count: None, ..before.clone() }));
        assert_eq!(policy.changed(&before, &change(8)).unwrap_err().code, Code::BAD_REQUEST);
        let ttl = |ttl_ms| Retention { ttl_ms: Some(ttl_ms), ..Default::default() };
        assert!(policy.changed(&before, &ttl(EXPIRY_MS_MAX)).is_ok());
        assert!(policy.changed(&before, &ttl(EXPIRY_MS_MAX + 1)).is_err());
    }
}
