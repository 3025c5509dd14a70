//! Messages the server refused for good: kept with every word until a person was told.

use rusqlite::{Connection, params};

use quipu_protocol::entry::Draft;
use quipu_protocol::{Code, MessageId, Refusal, RoomId, cbor};

use super::{damaged, id};
use crate::client::Undelivered;
use crate::error::Error;

/// Those nobody was told of, of one room or of all, the oldest first.
pub(crate) fn untold(
    db: &mut Connection,
    room: Option<RoomId>,
    limit: usize,
) -> Result<Vec<Undelivered>, Error> {
    let mut select = db.prepare_cached(
        "SELECT outbox.message, outbox.room, room.name, outbox.payload, outbox.code, outbox.text
         FROM outbox LEFT JOIN room ON room.room = outbox.room
         WHERE outbox.code IS NOT NULL AND outbox.told = 0 AND (?1 IS NULL OR outbox.room = ?1)
         ORDER BY outbox.place LIMIT ?2",
    )?;
    let room = room.map(|room| *room.as_bytes());
    let mut rows = select.query(params![room, limit as i64])?;
    let mut untold = Vec::new();
    while let Some(row) = rows.next()? {
        let draft: Draft = cbor::decode(&row.get::<_, Vec<u8>>(3)?, "Draft")
            .map_err(|_| damaged("a message that cannot be read"))?;
        let code = Code(row.get(4)?);
        untold.push(Undelivered {
            id: id(&row.get::<_, Vec<u8>>(0)?)?,
            room: id(&row.get::<_, Vec<u8>>(1)?)?,
            room_name: row.get(2)?,
            kind: draft.kind,
            target: draft.ext.target,
            text: String::from_utf8_lossy(&draft.body).into_owned(),
            refusal: match row.get::<_, Option<String>>(5)? {
                Some(text) => Refusal::because(code, text),
                None => Refusal::new(code),
            },
        });
    }
    Ok(untold)
}

/// Lets go of refused messages that a person was told of. One that expired may have arrived: it is told no more, and its id
/// stays taken.
pub(crate) fn told(db: &mut Connection, messages: &[MessageId]) -> Result<(), Error> {
    let step = db.transaction()?;
    for message in messages {
        let key = params![message.as_bytes(), Code::EXPIRED.0];
        step.prepare_cached("DELETE FROM outbox WHERE message = ?1 AND code IS NOT NULL AND code <> ?2")?
            .execute(key)?;
        step.prepare_cached("UPDATE outbox SET told = 1 WHERE message = ?1 AND code = ?2")?.execute(key)?;
    }
    Ok(step.commit()?)
}

#[cfg(test)]
mod tests {
    use quipu_protocol::Blob;
    use quipu_protocol::entry::{Ext, Kind};
    use quipu_protocol::publish::Refused;

    use super::super::{outbox, testing};
    use super::*;

    fn draft(n: u8, room: u8) -> Draft {
        Draft {
            room: RoomId::from_bytes([room; 16]),
            message: MessageId::from_bytes([n; 16]),
            kind: Kind::TEXT,
            body: Blob::new(b"every word of it".to_vec()).unwrap(),
            ext: Ext::default(),
        }
    }

    #[tokio::test]
    async fn what_was_refused_is_told_once_and_an_id_that_may_be_used_stays_taken() {
        let (store, _folder) = testing::store().await;
        let drafts = [draft(1, 1), draft(2, 2), draft(3, 1), draft(4, 1)];
        let message = |n| MessageId::from_bytes([n; 16]);
        let no = move |n, code| Refused { message: message(n), refusal: Refusal::because(code, "why") };
        let told = store
            .run(move |db| {
                outbox::put(db, &drafts, 5)?;
                let refused = [no(1, Code::FORBIDDEN), no(2, Code::GONE), no(3, Code::EXPIRED)];
                outbox::refused(db, &refused)?;
                let here = untold(db, Some(RoomId::from_bytes([1; 16])), 9)?;
                told(db, &[message(1), message(3), message(4)])?;
                Ok((here, untold(db, None, 9)?))
            })
            .await
            .unwrap();
        let ids = |of: &[Undelivered]| of.iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!((ids(&told.0), ids(&told.1)), (vec![message(1), message(3)], vec![message(2)]));
        assert_eq!(
            (told.0[0].text.as_str(), &told.0[0].refusal),
            ("every word of it", &Refusal::because(Code::FORBIDDEN, "why"))
        );
        let left = store
            .run(move |db| {
                let outcomes = [1, 3, 4].map(|n| outbox::outcome(db, message(n)));
                outbox::retry(db, message(3), 6)?;
                outbox::refused(db, &[no(3, Code::FORBIDDEN)])?;
                Ok((outcomes, untold(db, None, 9)?))
            })
            .await
            .unwrap();
        let outcomes = left.0.map(Result::unwrap);
        assert!(matches!(outcomes[0], outbox::Outcome::Unknown));
        assert!(matches!(outcomes[1], outbox::Outcome::Refused(_)), "it may have arrived");
        assert!(matches!(outcomes[2], outbox::Outcome::Queued), "it was not refused");
        assert_eq!(ids(&left.1), [message(2), message(3)], "refused again, it is news again");
    }
}
