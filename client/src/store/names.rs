//! What rooms are called, so that a person can read one by its name without a connection.
//!
//! A copy of what the server said last; only the server decides. Invariant: a name leads to one room.

use rusqlite::{Connection, OptionalExtension as _, params};

use quipu_protocol::RoomId;

use super::id;
use crate::error::Error;

/// Remembers what rooms are called. Writes only what is news.
pub(crate) fn learn(db: &mut Connection, rooms: &[(RoomId, String)]) -> Result<(), Error> {
    let step = db.transaction()?;
    for (room, name) in rooms {
        // A name may have gone from one room to another.
        step.prepare_cached("DELETE FROM room WHERE name = ?2 AND room <> ?1")?
            .execute(params![room.as_bytes(), name])?;
        step.prepare_cached(
            "INSERT INTO room VALUES (?1, ?2) ON CONFLICT (room) DO UPDATE
             SET name = excluded.name WHERE name <> excluded.name",
        )?
        .execute(params![room.as_bytes(), name])?;
    }
    Ok(step.commit()?)
}

/// A room whose name is remembered is called differently.
pub(crate) fn rename(db: &Connection, room: RoomId, name: &str) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM room WHERE name = ?2 AND room <> ?1")?
        .execute(params![room.as_bytes(), name])?;
    db.prepare_cached("UPDATE room SET name = ?2 WHERE room = ?1")?
        .execute(params![room.as_bytes(), name])?;
    Ok(())
}

/// The room that was called so when the server last said it.
pub(crate) fn find(db: &mut Connection, name: &str) -> Result<Option<RoomId>, Error> {
    let room: Option<Vec<u8>> = db
        .prepare_cached("SELECT room FROM room WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    room.map(|room| id(&room)).transpose()
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[tokio::test]
    async fn a_name_leads_to_the_room_that_has_it_now() {
        let (store, _folder) = testing::store().await;
        let room = |n| RoomId::from_bytes([n; 16]);
        let called = |n: u8, name: &str| vec![(room(n), name.to_owned())];
        for rooms in [called(1, "a"), called(2, "b"), called(1, "c"), called(3, "b")] {
            store.run(move |db| learn(db, &rooms)).await.unwrap();
        }
        let find = async |name: &'static str| store.run(move |db| find(db, name)).await.unwrap();
        assert_eq!(find("a").await, None);
        assert_eq!(find("b").await, Some(room(3)));
        assert_eq!(find("c").await, Some(room(1)));
    }
}
