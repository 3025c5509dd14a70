//! Bots and webhooks as SQL. A webhook that ended is gone; a bot that was revoked stays, as its account does.

use quipu_protocol::request::Permissions;
use quipu_protocol::{HookId, RoomId, UserId};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row, params};

use super::reads::{behind, count, many, one, rows_max};
use super::rows::{kept, number};
use super::writes::Batch;
use crate::store::{BotRow, HookRow, StoreError};

const BOT: &str = "SELECT user, owner, scope, rooms, created_ms, revoked_ms FROM bots";
const HOOK: &str = "SELECT hook, secret_hash, room, bot, created_by, created_ms FROM hooks";

pub(super) fn bot(conn: &Connection, user: UserId) -> Result<Option<BotRow>, StoreError> {
    one(conn, &format!("{BOT} WHERE user = ?1"), [user.as_bytes()], bot_row)
}

pub(super) fn bots(
    conn: &Connection,
    owner: Option<UserId>,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<BotRow>, StoreError> {
    let after = behind(after.as_ref().map(UserId::as_bytes));
    match owner {
        Some(owner) => {
            let sql = format!("{BOT} WHERE owner = ?1 AND user > ?2 ORDER BY user LIMIT ?3");
            many(conn, &sql, params![owner.as_bytes(), after, rows_max(limit)], bot_row)
        }
        None => {
            let sql = format!("{BOT} WHERE user > ?1 ORDER BY user LIMIT ?2");
            many(conn, &sql, params![after, rows_max(limit)], bot_row)
        }
    }
}

pub(super) fn bots_alive(conn: &Connection, owner: UserId) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM bots WHERE owner = ?1 AND revoked_ms IS NULL";
    count(conn, sql, [owner.as_bytes()])
}

pub(super) fn bots_made(conn: &Connection, owner: UserId) -> Result<u64, StoreError> {
    count(conn, "SELECT count(*) FROM bots WHERE owner = ?1", [owner.as_bytes()])
}

pub(super) fn hook(conn: &Connection, hook: HookId) -> Result<Option<HookRow>, StoreError> {
    one(conn, &format!("{HOOK} WHERE hook = ?1"), [hook.as_bytes()], hook_row)
}

pub(super) fn hook_by_hash(conn: &Connection, hash: &[u8; 32]) -> Result<Option<HookRow>, StoreError> {
    one(conn, &format!("{HOOK} WHERE secret_hash = ?1"), [hash], hook_row)
}

pub(super) fn hooks(
    conn: &Connection,
    room: RoomId,
    after: Option<HookId>,
    limit: usize,
) -> Result<Vec<HookRow>, StoreError> {
    let after = behind(after.as_ref().map(HookId::as_bytes));
    let sql = format!("{HOOK} WHERE room = ?1 AND hook > ?2 ORDER BY hook LIMIT ?3");
    many(conn, &sql, params![room.as_bytes(), after, rows_max(limit)], hook_row)
}

impl Batch<'_> {
    pub(super) fn put_bot(&self, bot: &BotRow) -> Result<(), StoreError> {
        let rooms: Option<Vec<u8>> =
            bot.rooms.as_ref().map(|rooms| rooms.iter().flat_map(|room| *room.as_bytes()).collect());
        self.execute(
            "INSERT INTO bots (user, owner, scope, rooms, created_ms, revoked_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (user) DO UPDATE SET owner = ?2, scope = ?3, rooms = ?4, created_ms = ?5, revoked_ms = ?6",
            params![
                bot.user.as_bytes(),
                bot.owner.as_bytes(),
                kept(bot.scope.0),
                rooms,
                kept(bot.created_ms),
                bot.revoked_ms.map(kept),
            ],
        )
    }

    pub(super) fn put_hook(&self, hook: &HookRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO hooks (hook, secret_hash, room, bot, created_by, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                hook.hook.as_bytes(),
                hook.secret_hash,
                hook.room.as_bytes(),
                hook.bot.as_bytes(),
                hook.created_by.as_bytes(),
                kept(hook.created_ms),
            ],
        )
    }

    pub(super) fn remove_hook(&self, hook: HookId) -> Result<(), StoreError> {
        self.execute("DELETE FROM hooks WHERE hook = ?1", [hook.as_bytes()])
    }

    pub(super) fn remove_hooks_of(&self, bot: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM hooks WHERE bot = ?1", [bot.as_bytes()])
    }
}

fn bot_row(row: &Row<'_>) -> rusqlite::Result<BotRow> {
    Ok(BotRow {
        user: UserId::from_bytes(row.get(0)?),
        owner: UserId::from_bytes(row.get(1)?),
        scope: Permissions(number(row, 2)?),
        rooms: row.get::<_, Option<Vec<u8>>>(3)?.map(|bytes| rooms(&bytes)).transpose()?,
        created_ms: number(row, 4)?,
        revoked_ms: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
    })
}

fn rooms(bytes: &[u8]) -> rusqlite::Result<Vec<RoomId>> {
    let room = |bytes: &[u8]| {
        RoomId::try_from(bytes)
            .map_err(|error| Error::FromSqlConversionFailure(3, Type::Blob, Box::new(error)))
    };
    bytes.chunks(16).map(room).collect()
}

fn hook_row(row: &Row<'_>) -> rusqlite::Result<HookRow> {
    Ok(HookRow {
        hook: HookId::from_bytes(row.get(0)?),
        secret_hash: row.get(1)?,
        room: RoomId::from_bytes(row.get(2)?),
        bot: UserId::from_bytes(row.get(3)?),
        created_by: UserId::from_bytes(row.get(4)?),
        created_ms: number(row, 5)?,
    })
}
