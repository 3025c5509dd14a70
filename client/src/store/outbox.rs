//! The outbox: messages that are to be sent, in order, until the server said what became of them.
//!
//! ```text
//!   put ──▶ queued ──Ack──▶ sent (remembered)        refused ──retry, put again──▶ queued
//!              └────Refused for good────▶ refused
//! ```
//!
//! What is refused stays until a person was told, see [`super::refused`].
//! Invariant: a message leaves `queued` only together with the record of its outcome.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use quipu_protocol::entry::Draft;
use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::token::sha256;
use quipu_protocol::{Code, Cursor, Incarnation, MessageId, Refusal, RoomId, Seq, cbor};

use super::{from_sql, id, to_sql};
use crate::client::Sent;
use crate::error::{Error, ErrorCode, Retry};
use crate::limits::{OUTBOX_MAX, OUTCOMES_MAX};

/// A message waiting to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queued {
    /// Its place in the outbox: the order of sending.
    pub(crate) place: i64,
    /// Its name.
    pub(crate) message: MessageId,
    /// Where it goes.
    pub(crate) room: RoomId,
    /// The payload of its frame.
    pub(crate) payload: Bytes,
    /// When it went out first, unix milliseconds; none while it never did.
    pub(crate) first_sent_ms: Option<u64>,
}

/// What is known about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing: never seen, or long ago.
    Unknown,
    /// Still to be sent.
    Queued,
    /// In the log.
    Sent(Sent),
    /// Not sent, and why.
    Refused(Refusal),
}

/// Takes messages in, all or none. One that is known already with the same content is left as it is, unless it was
/// refused: then it is queued again, since whoever hands it in again wants it sent.
pub(crate) fn put(db: &mut Connection, drafts: &[Draft], now_ms: u64) -> Result<(), Error> {
    let step = db.transaction()?;
    if count(&step)? + drafts.len() as u64 > OUTBOX_MAX {
        let full = format!("the outbox is full: it holds {OUTBOX_MAX} messages");
        return Err(Error::new(ErrorCode::Busy, Retry::AfterMs(1_000), full));
    }
    for draft in drafts {
        let payload = cbor::encode(draft);
        if !is_known(&step, draft.message, &payload)? && !requeue(&step, draft.message, now_ms)? {
            step.prepare_cached(
                "INSERT INTO outbox (message, room, payload, created_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                draft.message.as_bytes(),
                draft.room.as_bytes(),
                payload,
                to_sql(now_ms)?
            ])?;
        }
    }
    Ok(step.commit()?)
}

/// Whether this message is on its way or sent; an error when it was another one.
fn is_known(step: &Transaction<'_>, message: MessageId, payload: &[u8]) -> Result<bool, Error> {
    let queued: Option<(Vec<u8>, bool)> = step
        .prepare_cached("SELECT payload, code IS NOT NULL FROM outbox WHERE message = ?1")?
        .query_row([message.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let sent: Option<Vec<u8>> = step
        .prepare_cached("SELECT digest FROM sent WHERE message = ?1")?
        .query_row([message.as_bytes()], |row| row.get(0))
        .optional()?;
    let (same, refused) = match (queued, sent) {
        (None, None) => return Ok(false),
        (Some((queued, refused)), _) => (queued == payload, refused),
        (None, Some(digest)) => (digest == sha256(payload), false),
    };
    if !same {
        return Err(Error::usage(format!("the id {message} was used for another message")));
    }
    // From now on an earlier attempt has done it.
    step.prepare_cached("UPDATE sent SET duplicate = 1 WHERE message = ?1")?.execute([message.as_bytes()])?;
    Ok(!refused)
}

/// Messages still to be sent.
pub(crate) fn count(db: &Connection) -> Result<u64, Error> {
    from_sql(db.query_row("SELECT count(*) FROM outbox WHERE code IS NULL", [], |row| row.get(0))?)
}

/// The next messages to send behind a place, in order.
pub(crate) fn next(db: &mut Connection, after: i64, limit: usize) -> Result<Vec<Queued>, Error> {
    let mut select = db.prepare_cached(
        "SELECT place, message, room, payload, first_sent_ms FROM outbox
         WHERE place > ?1 AND code IS NULL ORDER BY place LIMIT ?2",
    )?;
    let mut rows = select.query(params![after, limit as i64])?;
    let mut queued = Vec::new();
    while let Some(row) = rows.next()? {
        queued.push(Queued {
            place: row.get(0)?,
            message: id(&row.get::<_, Vec<u8>>(1)?)?,
            room: id(&row.get::<_, Vec<u8>>(2)?)?,
            payload: row.get::<_, Vec<u8>>(3)?.into(),
            first_sent_ms: row.get::<_, Option<i64>>(4)?.map(from_sql).transpose()?,
        });
    }
    Ok(queued)
}

/// Notes that messages are about to go out, those of them that never did. From here on what became of them is
/// unknown until the server says it.
pub(crate) fn launching(db: &mut Connection, queued: &[Queued], now_ms: u64) -> Result<(), Error> {
    if queued.iter().all(|queued| queued.first_sent_ms.is_some()) {
        return Ok(());
    }
    let step = db.transaction()?;
    for queued in queued {
        step.prepare_cached(
            "UPDATE outbox SET first_sent_ms = ?2 WHERE place = ?1 AND first_sent_ms IS NULL",
        )?
        .execute(params![queued.place, to_sql(now_ms)?])?;
    }
    Ok(step.commit()?)
}

/// Notes that messages are in the log. Gives those that were still waiting for this: the others were taken out or
/// answered before, and are no news.
pub(crate) fn acked(db: &mut Connection, acks: Vec<(RoomId, Ack)>) -> Result<Vec<(RoomId, Ack)>, Error> {
    let step = db.transaction()?;
    let mut news = Vec::new();
    for (room, ack) in acks {
        let payload: Option<Vec<u8>> = step
            .prepare_cached("DELETE FROM outbox WHERE message = ?1 RETURNING payload")?
            .query_row([ack.message.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(payload) = payload else { continue };
        step.prepare_cached(
            "INSERT OR REPLACE INTO sent (message, room, digest, incarnation, seq, at_ms, duplicate)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            ack.message.as_bytes(),
            room.as_bytes(),
            sha256(&payload),
            to_sql(ack.at.incarnation.0)?,
            to_sql(ack.at.seq.0)?,
            to_sql(ack.at_ms)?,
            ack.duplicate,
        ])?;
        news.push((room, ack));
    }
    step.prepare_cached("DELETE FROM sent WHERE place <= (SELECT max(place) FROM sent) - ?1")?
        .execute([to_sql(OUTCOMES_MAX)?])?;
    step.commit()?;
    Ok(news)
}

/// Notes that messages will not be sent. The oldest of very many refusals are forgotten.
pub(crate) fn refused(db: &mut Connection, refusals: &[Refused]) -> Result<(), Error> {
    let step = db.transaction()?;
    for Refused { message, refusal } in refusals {
        step.prepare_cached("UPDATE outbox SET code = ?2, text = ?3 WHERE message = ?1")?.execute(
            params![message.as_bytes(), refusal.code.0, refusal.text.as_ref().map(|text| text.as_str())],
        )?;
    }
    step.prepare_cached(
        "DELETE FROM outbox WHERE code IS NOT NULL AND place <=
         (SELECT place FROM outbox WHERE code IS NOT NULL ORDER BY place DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([to_sql(OUTCOMES_MAX)?])?;
    Ok(step.commit()?)
}

/// Queues a refused message again, behind all others; `false` when there is none.
pub(crate) fn retry(db: &mut Connection, message: MessageId, now_ms: u64) -> Result<bool, Error> {
    let step = db.transaction()?;
    let found = requeue(&step, message, now_ms)?;
    step.commit()?;
    Ok(found)
}

/// Gives a refused message a new place, because whoever sends has passed the old one. When it first went out stays
/// as it is: the server's memory of its id began then.
fn requeue(step: &Transaction<'_>, message: MessageId, now_ms: u64) -> Result<bool, Error> {
    let moved = step
        .prepare_cached(
            "UPDATE outbox SET code = NULL, text = NULL, told = 0, created_ms = ?2,
             place = (SELECT seq FROM sqlite_sequence WHERE name = 'outbox') + 1
             WHERE message = ?1 AND code IS NOT NULL",
        )?
        .execute(params![message.as_bytes(), to_sql(now_ms)?])?;
    if moved > 0 {
        // An update does not count as having given the place away.
        step.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'outbox'", [])?;
    }
    Ok(moved > 0)
}

/// Takes a message out; `false` when there is none.
pub(crate) fn cancel(db: &mut Connection, message: MessageId) -> Result<bool, Error> {
    Ok(db.execute("DELETE FROM outbox WHERE message = ?1", [message.as_bytes()])? == 1)
}

/// What is known about a message.
pub(crate) fn outcome(db: &mut Connection, message: MessageId) -> Result<Outcome, Error> {
    let queued: Option<(Option<u16>, Option<String>)> = db
        .prepare_cached("SELECT code, text FROM outbox WHERE message = ?1")?
        .query_row([message.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match queued {
        Some((None, _)) => Outcome::Queued,
        Some((Some(code), Some(text))) => Outcome::Refused(Refusal::because(Code(code), text)),
        Some((Some(code), None)) => Outcome::Refused(Refusal::new(Code(code))),
        None => sent(db, message)?.map_or(Outcome::Unknown, Outcome::Sent),
    })
}

fn sent(db: &mut Connection, message: MessageId) -> Result<Option<Sent>, Error> {
    let mut select =
        db.prepare_cached("SELECT room, incarnation, seq, at_ms, duplicate FROM sent WHERE message = ?1")?;
    let mut rows = select.query([message.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let at = Cursor { incarnation: Incarnation(from_sql(row.get(1)?)?), seq: Seq(from_sql(row.get(2)?)?) };
    Ok(Some(Sent {
        id: message,
        room: id(&row.get::<_, Vec<u8>>(0)?)?,
        at,
        at_ms: from_sql(row.get(3)?)?,
        duplicate: row.get(4)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{Store, testing};
    use super::*;
    use crate::config::Blocking;
    use quipu_protocol::Blob;
    use quipu_protocol::entry::{Ext, Kind};

    const ROOM: RoomId = RoomId::from_bytes([1; 16]);

    fn draft(n: u8, body: &str) -> Draft {
        Draft {
            room: ROOM,
            message: MessageId::from_bytes([n; 16]),
            kind: Kind::TEXT,
            body: Blob::new(body.as_bytes().to_vec()).unwrap(),
            ext: Ext::default(),
        }
    }

    fn ack(n: u8, seq: u64) -> (RoomId, Ack) {
        let at = Cursor { incarnation: Incarnation(1), seq: Seq(seq) };
        (ROOM, Ack { message: MessageId::from_bytes([n; 16]), at, at_ms: 7, duplicate: false })
    }

    fn no_to(message: MessageId, refusal: Refusal) -> Refused {
        Refused { message, refusal }
    }

    async fn names(store: &Store) -> Vec<u8> {
        let queued = store.run(|db| next(db, 0, 100)).await.unwrap();
        queued.iter().map(|queued| queued.message.as_bytes()[0]).collect()
    }

    #[tokio::test]
    async fn order_and_outcomes_survive_a_crash() {
        let (store, folder) = testing::store().await;
        store.run(|db| put(db, &[draft(3, "a"), draft(1, "b"), draft(2, "c")], 5)).await.unwrap();
        assert_eq!(store.run(|db| acked(db, vec![ack(3, 41)])).await.unwrap().len(), 1);
        assert_eq!(store.run(|db| acked(db, vec![ack(3, 41)])).await.unwrap(), [], "no news");
        let no = Refusal::because(Code::FORBIDDEN, "readers only read");
        let noted = no.clone();
        store.run(move |db| refused(db, &[no_to(MessageId::from_bytes([1; 16]), noted)])).await.unwrap();
        // Not closed, as after a crash: copied, since the lock is ours.
        let copy = tempfile::tempdir().unwrap();
        for file in ["profile.db", "profile.db-wal"] {
            std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
        }
        let store = Store::open(copy.path(), Blocking::Inline).await.unwrap();
        assert_eq!(names(&store).await, [2]);
        let known = |n| move |db: &mut Connection| outcome(db, MessageId::from_bytes([n; 16]));
        assert!(matches!(store.run(known(3)).await, Ok(Outcome::Sent(Sent { at, .. })) if at.seq == Seq(41)));
        assert_eq!(store.run(known(1)).await, Ok(Outcome::Refused(no)));
        assert_eq!(store.run(known(2)).await, Ok(Outcome::Queued));
        assert_eq!(store.run(known(4)).await, Ok(Outcome::Unknown));
        assert_eq!(store.run(|db| retry(db, MessageId::from_bytes([1; 16]), 6)).await, Ok(true));
        assert_eq!(names(&store).await, [2, 1], "a retry goes to the end");
    }

    #[tokio::test]
    async fn the_same_message_again_is_one_message() {
        let (store, _folder) = testing::store().await;
        for _ in 0..2 {
            store.run(|db| put(db, &[draft(1, "a")], 5)).await.unwrap();
        }
        assert_eq!(names(&store).await, [1]);
        let other = store.run(|db| put(db, &[draft(2, "x"), draft(1, "other")], 5)).await.unwrap_err();
        assert_eq!(other.code, ErrorCode::Usage);
        assert_eq!(names(&store).await, [1], "all or none");
        store.run(|db| acked(db, vec![ack(1, 9)])).await.unwrap();
        store.run(|db| put(db, &[draft(1, "a")], 5)).await.unwrap();
        assert_eq!(names(&store).await, [0_u8; 0], "what was sent is not sent again");
        let known = store.run(|db| outcome(db, MessageId::from_bytes([1; 16]))).await;
        assert!(matches!(known, Ok(Outcome::Sent(sent)) if sent.duplicate), "and says so");
        assert!(store.run(|db| put(db, &[draft(1, "other")], 5)).await.is_err());
    }

    #[tokio::test]
    async fn a_refused_message_handed_in_again_is_sent_again() {
        let (store, _folder) = testing::store().await;
        let no = |n| {
            move |db: &mut Connection| {
                refused(db, &[no_to(MessageId::from_bytes([n; 16]), Refusal::new(Code::FORBIDDEN))])
            }
        };
        store.run(|db| put(db, &[draft(1, "a"), draft(2, "b")], 5)).await.unwrap();
        store
            .run(|db| {
                let queued = next(db, 0, 9)?;
                launching(db, &queued, 7)
            })
            .await
            .unwrap();
        store.run(no(1)).await.unwrap();
        assert!(store.run(|db| put(db, &[draft(1, "other")], 8)).await.is_err());
        store.run(|db| put(db, &[draft(1, "a")], 8)).await.unwrap();
        assert_eq!(names(&store).await, [2, 1], "behind all others");
        store.run(|db| put(db, &[draft(3, "c")], 8)).await.unwrap();
        assert_eq!(names(&store).await, [2, 1, 3]);
        let queued = store.run(|db| next(db, 0, 9)).await.unwrap();
        let stamps: Vec<_> = queued.iter().map(|queued| queued.first_sent_ms).collect();
        assert_eq!(stamps, [Some(7), Some(7), None], "its first time stays");
    }

    #[tokio::test]
    async fn refused_messages_leave_room_for_others_and_are_bounded() {
        let (store, _folder) = testing::store().await;
        let name = |n: u64| {
            let mut name = [0; 16];
            name[..8].copy_from_slice(&n.to_be_bytes());
            MessageId::from_bytes(name)
        };
        let many: Vec<Draft> = (0..OUTBOX_MAX).map(|n| Draft { message: name(n), ..draft(0, "x") }).collect();
        store.run(move |db| put(db, &many, 5)).await.unwrap();
        store.run(|db| Ok(db.execute("UPDATE outbox SET code = 403", [])?)).await.unwrap();
        assert_eq!(store.run(|db| count(db)).await, Ok(0));
        let late = name(OUTCOMES_MAX + 1);
        store
            .run(move |db| {
                let one = Draft { message: late, ..draft(0, "x") };
                put(db, &[one], 5)?;
                refused(db, &[no_to(late, Refusal::new(Code::FORBIDDEN))])
            })
            .await
            .unwrap();
        assert_eq!(store.run(move |db| outcome(db, name(0))).await, Ok(Outcome::Unknown));
        assert!(matches!(store.run(move |db| outcome(db, name(1))).await, Ok(Outcome::Refused(_))));
    }

    #[tokio::test]
    async fn a_full_outbox_refuses() {
        let (store, _folder) = testing::store().await;
        let many: Vec<Draft> = (0..OUTBOX_MAX)
            .map(|n| {
                let mut draft = draft(0, "x");
                let mut name = [0; 16];
                name[..8].copy_from_slice(&n.to_be_bytes());
                draft.message = MessageId::from_bytes(name);
                draft
            })
            .collect();
        store.run(move |db| put(db, &many, 5)).await.unwrap();
        let error = store.run(|db| put(db, &[draft(9, "x")], 5)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Busy);
    }
}
