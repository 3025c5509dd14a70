//! Rooms and people as the command line shows them: labels instead of ids.

use std::collections::{HashMap, HashSet};

use quipu_client::protocol::limits::ROWS_MAX;
use quipu_client::protocol::request::{RoomInfo, Visibility};
use quipu_client::protocol::{Nickname, RoomId, UserId};
use quipu_client::{Client, ErrorCode};

use super::exit::Failure;
use super::parse::RoomRef;

/// A room and what it is called here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// The room.
    pub(crate) id: RoomId,
    /// Its name, without `#`; direct rooms have none.
    pub(crate) name: Option<String>,
    /// `#name`, `@nickname`, or the beginning of its id.
    pub(crate) label: String,
}

impl Room {
    /// The room with this description.
    pub(crate) fn of(info: &RoomInfo) -> Self {
        let label = match (&info.name, &info.peer_nickname) {
            (Some(name), _) => format!("#{name}"),
            (None, Some(nickname)) if info.visibility == Visibility::DIRECT => format!("@{nickname}"),
            _ => short(&info.room.to_string()),
        };
        Self { id: info.room, name: info.name.as_ref().map(ToString::to_string), label }
    }

    /// A room known by its id alone.
    pub(crate) fn unnamed(id: RoomId) -> Self {
        Self { id, name: None, label: short(&id.to_string()) }
    }
}

/// Finds a room. A person's direct room is made if there is none.
///
/// An id is believed: whoever uses it is told soon enough that there is no such room.
pub(crate) async fn find(client: &Client, room: &RoomRef) -> Result<Room, Failure> {
    match room {
        RoomRef::Id(id) => Ok(Room::unnamed(*id)),
        room => Ok(Room::of(&describe(client, room).await?)),
    }
}

/// Finds a room to read, and whether there is no connection: then the profile may know it by its name.
pub(crate) async fn find_to_read(client: &Client, room: &RoomRef) -> Result<(Room, bool), Failure> {
    let failure = match find(client, room).await {
        Ok(found) => return Ok((found, false)),
        Err(failure) => failure,
    };
    let RoomRef::Name(name) = room else {
        return Err(failure);
    };
    if failure.exit_code() != super::exit::UNREACHABLE {
        return Err(failure);
    }
    let id = client.known_room(name).await?.ok_or(failure)?;
    let room = Room { id, name: Some(name.to_string()), label: format!("#{name}") };
    Ok((room, true))
}

/// Finds a room and everything about it.
pub(crate) async fn describe(client: &Client, room: &RoomRef) -> Result<RoomInfo, Failure> {
    match room {
        RoomRef::Name(name) => named(client.room_named(name).await, || format!("there is no room {room}")),
        RoomRef::Person(nickname) => Ok(client.direct(person(client, nickname).await?).await?),
        RoomRef::Id(id) => {
            let rooms = client.rooms(false).await?;
            let found = rooms.into_iter().map(|summary| summary.info).find(|info| info.room == *id);
            found.ok_or_else(|| Failure::NotFound(format!("there is no room {id}")))
        }
    }
}

/// Finds a person.
pub(crate) async fn person(client: &Client, nickname: &Nickname) -> Result<UserId, Failure> {
    let missing = || format!("there is nobody called {nickname}");
    Ok(named(client.lookup(nickname).await, missing)?.user)
}

/// The library's "not found", with what was looked for.
fn named<T>(result: Result<T, quipu_client::Error>, missing: impl FnOnce() -> String) -> Result<T, Failure> {
    result.map_err(|error| match error.code {
        ErrorCode::NotFound => Failure::NotFound(missing()),
        _ => error.into(),
    })
}

/// Nicknames, asked for once and remembered.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<UserId, Nickname>,
}

impl Names {
    /// Remembers a name that was seen somewhere.
    pub(crate) fn learn(&mut self, user: UserId, nickname: Nickname) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear(); // They are only a copy; the server knows them all.
        }
        self.known.insert(user, nickname);
    }

    /// Asks for those that are not known. Names are an ornament, so a failure costs only that: ids are shown.
    pub(crate) async fn fetch(&mut self, client: &Client, users: impl IntoIterator<Item = UserId>) {
        let unknown: HashSet<_> = users.into_iter().filter(|user| !self.known.contains_key(user)).collect();
        let unknown: Vec<_> = unknown.into_iter().collect();
        for some in unknown.chunks(ROWS_MAX) {
            if !client.state().is_online() {
                return;
            }
            for info in client.users(some).await.unwrap_or_default() {
                self.learn(info.user, info.nickname);
            }
        }
    }

    /// What somebody is called, if that is known.
    pub(crate) fn get(&self, user: UserId) -> Option<&str> {
        self.known.get(&user).map(Nickname::as_str)
    }

    /// What somebody is called, or the beginning of their id.
    pub(crate) fn label(&self, user: UserId) -> String {
        self.get(user).map_or_else(|| short(&user.to_string()), ToOwned::to_owned)
    }
}

/// Enough of an id to recognise it.
fn short(id: &str) -> String {
    format!("{}…", &id[..8])
}

/// Names kept at most.
const KNOWN_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_fall_back_to_ids() {
        let mut names = Names::default();
        for number in 0..=KNOWN_MAX as u128 {
            names.learn(UserId::from_bytes(number.to_be_bytes()), "ada".parse().unwrap());
        }
        assert_eq!(names.known.len(), 1);
        assert_eq!(names.label(UserId::from_bytes((KNOWN_MAX as u128).to_be_bytes())), "ada");
        assert_eq!(names.label(UserId::from_bytes([0xab; 16])), "abababab…");
    }
}
