//! The device's key, and the account it belongs to.
//!
//! Invariant: the key is on disk before a server hears of it, so that a lost answer costs nothing.

use rusqlite::{Connection, OptionalExtension as _, params};

use quipu_protocol::request::ServerRole;
use zeroize::Zeroizing;

use super::{damaged, from_sql, id, to_sql};
use crate::account::Account;
use crate::error::Error;

/// An account with what only this library needs of it.
#[derive(Clone)]
pub(crate) struct Membership {
    /// What a person may see.
    pub(crate) account: Account,
    /// SHA-256 of the invite's secret, to recognise a join that is repeated.
    pub(crate) invite: [u8; 32],
    /// The token as the server gave it; empty when there is none to use.
    pub(crate) token: Vec<u8>,
    /// When it ends, by the server's clock, unix milliseconds.
    pub(crate) expires_ms: u64,
    /// The server's clock minus ours, in milliseconds, as last seen.
    pub(crate) skew_ms: i64,
}

/// Without the token.
impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Membership({:?})", self.account.user)
    }
}

/// The seed of the device's key for an invite: the one it was tried with before, or `fresh`. A key belongs to one
/// invite, so that asking again means the same and asking elsewhere does not.
pub(crate) fn seed_for(
    db: &mut Connection,
    invite: &[u8; 32],
    fresh: &Zeroizing<[u8; 32]>,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let known: Option<Vec<u8>> =
        db.query_row("SELECT invite FROM identity", [], |row| row.get(0)).optional()?;
    if known.is_none_or(|known| known != invite) {
        db.execute("INSERT OR REPLACE INTO identity VALUES (1, ?1, ?2)", params![&fresh[..], invite])?;
    }
    seed(db)?.ok_or_else(|| damaged("a key that is gone at once"))
}

/// The seed of the device's key, if there is one.
pub(crate) fn seed(db: &mut Connection) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let bytes: Option<Vec<u8>> =
        db.query_row("SELECT seed FROM identity", [], |row| row.get(0)).optional()?;
    let Some(bytes) = bytes.map(Zeroizing::new) else {
        return Ok(None);
    };
    let seed = bytes.as_slice().try_into().map_err(|_| damaged("a key of another length"))?;
    Ok(Some(Zeroizing::new(seed)))
}

/// Who this profile is.
pub(crate) fn membership(db: &mut Connection) -> Result<Option<Membership>, Error> {
    let mut select = db.prepare_cached(
        "SELECT host, port, pin, user, device, nickname, device_name, role, invite, token, expires_ms, skew_ms
         FROM account",
    )?;
    let mut rows = select.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let hash = |bytes: Vec<u8>| bytes.try_into().map_err(|_| damaged("a hash of another length"));
    let name = |_| damaged("a name outside its rule");
    let account = Account {
        host: row.get(0)?,
        port: row.get(1)?,
        pin: hash(row.get(2)?)?,
        user: id(&row.get::<_, Vec<u8>>(3)?)?,
        device: id(&row.get::<_, Vec<u8>>(4)?)?,
        nickname: row.get::<_, String>(5)?.try_into().map_err(name)?,
        device_name: row.get::<_, String>(6)?.try_into().map_err(name)?,
        role: ServerRole(from_sql(row.get(7)?)?),
    };
    Ok(Some(Membership {
        account,
        invite: hash(row.get(8)?)?,
        token: row.get(9)?,
        expires_ms: from_sql(row.get(10)?)?,
        skew_ms: row.get(11)?,
    }))
}

/// Keeps who this profile is, in place of what was known.
pub(crate) fn keep(db: &mut Connection, membership: &Membership) -> Result<(), Error> {
    let account = &membership.account;
    db.execute(
        "INSERT OR REPLACE INTO account VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            account.host,
            account.port,
            account.pin,
            account.user.as_bytes(),
            account.device.as_bytes(),
            account.nickname.as_str(),
            account.device_name.as_str(),
            to_sql(account.role.0)?,
            membership.invite,
            membership.token,
            to_sql(membership.expires_ms)?,
            membership.skew_ms,
        ],
    )?;
    Ok(())
}

/// Drops the token: it is of no use any more.
pub(crate) fn forget_token(db: &mut Connection) -> Result<(), Error> {
    db.execute("UPDATE account SET token = x''", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Store, testing};
    use super::*;
    use crate::config::Blocking;
    use quipu_protocol::{DeviceId, UserId};

    fn ada() -> Membership {
        Membership {
            account: Account {
                host: "chat.example.org".into(),
                port: 4433,
                pin: [1; 32],
                user: UserId::from_bytes([2; 16]),
                device: DeviceId::from_bytes([3; 16]),
                nickname: "ada".parse().unwrap(),
                device_name: "Ada's laptop".parse().unwrap(),
                role: ServerRole::MEMBER,
            },
            invite: [4; 32],
            token: vec![5; 300],
            expires_ms: 1_900_000_000_000,
            skew_ms: -1_500,
        }
    }

    #[tokio::test]
    async fn key_and_account_survive_a_restart() {
        let (store, folder) = testing::store().await;
        let drawn =
            |n, invite| move |db: &mut Connection| seed_for(db, &[invite; 32], &Zeroizing::new([n; 32]));
        let first = store.run(drawn(9, 4)).await.unwrap();
        store.run(|db| keep(db, &ada())).await.unwrap();
        store.close().await;
        let store = Store::open(folder.path(), Blocking::Inline).await.unwrap();
        let second = store.run(drawn(8, 4)).await.unwrap();
        assert_eq!(first, second, "a key is drawn once for an invite");
        let kept = store.run(membership).await.unwrap().unwrap();
        assert_eq!((kept.account, kept.skew_ms, kept.token), (ada().account, -1_500, vec![5; 300]));
        assert_ne!(store.run(drawn(7, 5)).await.unwrap(), first, "another invite, another key");
    }

    #[test]
    fn a_token_is_not_in_its_debug_form() {
        assert!(!format!("{:?}", ada()).contains("5, 5"));
    }
}
