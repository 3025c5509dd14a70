//! Invites: made, listed, taken back. Of a secret only its hash is kept.

use std::time::Duration;

use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    CreateInvite, InviteAnswer, InviteInfo, Invites, ListInvites, RevokeInvite, ServerRole,
};
use quipu_protocol::token::sha256;
use quipu_protocol::{Blob, Code, InviteId, List, Refusal, RoomId};

use super::accounts::{ROLES, acting, in_use};
use super::{Auth, Authenticated};
use crate::limits::{INVITE_LIFE_MAX, INVITE_USES_MAX, INVITES_MADE_MAX};
use crate::store::{InviteRow, Reads, StoreError, WriteError, Writes};

/// Life of the invite a new server prints.
const OWNER_INVITE_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// People shown beside an invite.
const REDEEMED_BY_MAX: usize = 16;

impl Auth {
    /// Makes an invite to the server, to the server and a room, or for a device of the asker. `leads` says whether the
    /// asker may let somebody into that room; it is asked again, elsewhere, when the invite is redeemed.
    ///
    /// # Errors
    /// Nobody gives a role above their own, and members invite members.
    pub async fn create_invite(
        &self,
        who: &Authenticated,
        ask: CreateInvite,
        leads: impl FnOnce(&dyn Reads, &Authenticated, RoomId) -> Result<(), WriteError> + Send + 'static,
    ) -> Result<InviteAnswer, Refusal> {
        let role = ask.role.unwrap_or(ServerRole::MEMBER);
        let own_device = ask.own_device.unwrap_or(false);
        if own_device && ask.room.is_some() {
            let text = "a device of yours is in your rooms: name none";
            return Err(Refusal::because(Code::BAD_REQUEST, text));
        }
        let uses = if own_device { 1 } else { ask.uses };
        let life_max_ms = INVITE_LIFE_MAX.as_millis() as u64;
        if uses == 0 || uses > INVITE_USES_MAX || ask.life_ms == 0 || ask.life_ms > life_max_ms {
            let text =
                format!("an invite has 1 to {INVITE_USES_MAX} uses and lives at most {life_max_ms} ms");
            return Err(Refusal::because(Code::BAD_REQUEST, text));
        }
        let (row, secret) = self.invite_row(uses, ask.life_ms, role);
        let row = InviteRow {
            created_by: Some(who.user()),
            device: Some(who.device()),
            room: ask.room,
            for_user: own_device.then_some(who.user()),
            ..row
        };
        let (who, stored) = (who.clone(), row.clone());
        let job = self.storage.write(move |store| {
            may_invite(acting(&*store, &who)?.role, role, own_device)?;
            if let Some(room) = stored.room {
                leads(&*store, &who, room)?;
            }
            put_another(store, &stored)
        });
        job.await.map_err(WriteError::refusal)?;
        Ok(InviteAnswer { invite: row.invite, secret: blob(secret), expires_ms: row.expires_ms })
    }

    /// The invite of a server that has no account yet: its secret, and when it ends in unix milliseconds. Those
    /// made before and not used are taken back, since their secrets are known to nobody. `None` once there is
    /// an account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owner_invite(&self) -> Result<Option<([u8; 16], u64)>, WriteError> {
        let (row, secret) = self.invite_row(1, OWNER_INVITE_LIFE.as_millis() as u64, ServerRole::OWNER);
        let expires_ms = row.expires_ms;
        let job = self.storage.write(move |store| {
            if store.users()? > 0 {
                return Ok(false);
            }
            for old in store.invites(None, None, usize::MAX)? {
                store.put_invite(&InviteRow { revoked: true, ..old })?;
            }
            store.put_invite(&row)?;
            Ok(true)
        });
        Ok(job.await?.then_some((secret, expires_ms)))
    }

    /// The asker's invites; an admin's answer has all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn invites(&self, who: &Authenticated, ask: ListInvites) -> Result<Invites, Refusal> {
        let user = who.user();
        let question = self.storage.read(move |store| {
            let sees_all = in_use(store, user)?.is_some_and(|row| row.role >= ServerRole::ADMIN);
            let by = (!sees_all).then_some(user);
            let mut rows = store.invites(by, ask.after, ROWS_MAX + 1)?;
            let more = rows.len() > ROWS_MAX;
            rows.truncate(ROWS_MAX);
            let rows: Result<Vec<_>, _> = rows.into_iter().map(|row| info(store, row)).collect();
            Ok(Invites { invites: List::first(rows?), more })
        });
        question.await.map_err(|error| error.refusal())
    }

    /// Takes an invite back. Who used it stays.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when it is not the asker's to take back.
    pub async fn revoke_invite(&self, who: &Authenticated, ask: RevokeInvite) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage.write(move |store| {
            let (user, admin) = (who.user(), acting(&*store, &who)?.role >= ServerRole::ADMIN);
            let row = store.invite(ask.invite)?.filter(|row| admin || row.created_by == Some(user));
            let row = row.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            let expires_ms = row.expires_ms.min(now_ms);
            Ok(store.put_invite(&InviteRow { revoked: true, expires_ms, ..row })?)
        });
        job.await.map_err(WriteError::refusal)
    }

    pub(super) fn invite_row(&self, uses_left: u64, life_ms: u64, role: ServerRole) -> (InviteRow, [u8; 16]) {
        let secret: [u8; 16] = self.random();
        let now_ms = self.now_ms();
        // A link carries whole seconds: end where the link says.
        let expires_ms = (now_ms + life_ms) / 1_000 * 1_000;
        let row = InviteRow {
            invite: InviteId::from_bytes(self.random()),
            secret_hash: sha256(&secret),
            created_by: None,
            device: None,
            room: None,
            role,
            for_user: None,
            uses_left,
            expires_ms,
            revoked: false,
            created_ms: now_ms,
        };
        (row, secret)
    }
}

pub(super) fn blob(secret: [u8; 16]) -> Blob<16> {
    Blob::new(secret.to_vec()).expect("16 bytes are 16 bytes")
}

/// Writes an invite of an account that has not made too many.
pub(super) fn put_another(store: &mut dyn Writes, row: &InviteRow) -> Result<(), WriteError> {
    let made = row.created_by.map_or(Ok(0), |by| store.invites_made(by))?;
    if made >= INVITES_MADE_MAX {
        let text =
            format!("an account has at most {INVITES_MADE_MAX} invites, and what ended counts for a week");
        return Err(Refusal::because(Code::QUOTA, text).into());
    }
    Ok(store.put_invite(row)?)
}

fn may_invite(own: ServerRole, role: ServerRole, own_device: bool) -> Result<(), Refusal> {
    if own_device {
        return Ok(());
    }
    if own < ServerRole::ADMIN {
        return Err(Refusal::because(Code::FORBIDDEN, "only an admin invites people to the server"));
    }
    if role > own {
        return Err(Refusal::because(Code::FORBIDDEN, "nobody gives a role above their own"));
    }
    if !ROLES.contains(&role) {
        return Err(Refusal::because(Code::BAD_REQUEST, "a role is guest, bot, member, admin or owner"));
    }
    Ok(())
}

fn info(store: &dyn Reads, row: InviteRow) -> Result<InviteInfo, StoreError> {
    Ok(InviteInfo {
        invite: row.invite,
        uses_left: row.uses_left,
        expires_ms: row.expires_ms,
        revoked: row.revoked,
        redeemed_by: List::first(store.redeemed_by(row.invite, REDEEMED_BY_MAX)?),
        created_by: row.created_by,
        room: row.room,
    })
}
