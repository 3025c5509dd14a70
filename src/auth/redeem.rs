//! Redeeming an invite: from a secret and a key to an account and a device, exactly once.
//!
//! Everything is decided in one job: of a hundred who redeem the same secret at once, one wins. The same secret
//! with the same key again gives the same device, so a lost answer can be asked for again. The rooms a newcomer finds
//! themselves in are entered in that job too, through a function that comes in: this part knows no rooms. A retry
//! enters nothing, so an invite is no way back for somebody who was sent out.

use quipu_protocol::control::{Redeem, Token};
use quipu_protocol::token::{self, Purpose, sha256};
use quipu_protocol::{Code, DeviceId, DeviceName, Nickname, Refusal, UserId, cbor};

use super::accounts::in_use;
use super::leaving::may_be_called;
use super::{Auth, AuthError, Authenticated, Exporter};
use crate::limits::DEVICES_PER_USER_MAX;
use crate::store::{BotRow, DeviceRow, InviteRow, UserRow, WriteError, Writes};

/// A newcomer, as the job needs them.
struct Newcomer {
    secret_hash: [u8; 32],
    key: Vec<u8>,
    nickname: Nickname,
    device_name: DeviceName,
    user: UserId,
    device: DeviceId,
    now_ms: u64,
}

impl Auth {
    /// Makes the account or the device the invite is for. `welcome` runs in the same job, when there is a new account,
    /// and takes it into rooms; when it fails there is no account.
    ///
    /// # Errors
    /// Refusals are for the peer as they are: each way an invite can fail has its own code.
    pub async fn redeem(
        &self,
        redeem: &Redeem,
        exporter: Exporter<'_>,
        welcome: impl FnOnce(&mut dyn Writes, &Authenticated, &InviteRow) -> Result<(), WriteError>
        + Send
        + 'static,
    ) -> Result<Token, Refusal> {
        let secret: [u8; 16] = redeem.secret[..].try_into().map_err(|_| Refusal::from(Code::BAD_REQUEST))?;
        let subject = token::redeem_subject(&secret, &redeem.key);
        self.check_proof(Purpose::Redeem, subject, &redeem.key, &redeem.proof, exporter)
            .map_err(|error: AuthError| error.refusal())?;
        let newcomer = Newcomer {
            secret_hash: sha256(&secret),
            key: cbor::encode(&redeem.key),
            nickname: redeem.nickname.clone(),
            device_name: redeem.device_name.clone(),
            user: UserId::from_bytes(self.random()),
            device: DeviceId::from_bytes(self.random()),
            now_ms: self.now_ms(),
        };
        let job = self.storage.write(move |store| take_in(store, newcomer, welcome));
        let (device, user, bot) = job.await.map_err(WriteError::refusal)?;
        Ok(self.issue(&device, &user, bot.as_ref(), redeem.key.clone()))
    }
}

fn take_in(
    store: &mut dyn Writes,
    new: Newcomer,
    welcome: impl FnOnce(&mut dyn Writes, &Authenticated, &InviteRow) -> Result<(), WriteError>,
) -> Result<(DeviceRow, UserRow, Option<BotRow>), WriteError> {
    let unknown = || Refusal::because(Code::NOT_FOUND, "this server does not know the invite");
    let invite = store.invite_by_hash(&new.secret_hash)?.ok_or_else(unknown)?;
    if let Some(device) = store.device_by_key(&new.key)? {
        return again(store, &invite, device);
    }
    check(&invite, new.now_ms)?;
    let user = match invite.for_user {
        Some(user) => owner_of_device(store, user)?,
        None => new_user(store, &invite, &new)?,
    };
    let device = DeviceRow {
        device: new.device,
        user: user.user,
        name: new.device_name,
        key: new.key,
        invite: invite.invite,
        created_ms: new.now_ms,
        seen_ms: new.now_ms,
        revoked_ms: None,
    };
    store.put_device(&device)?;
    store.put_invite(&used_once(&invite, new.now_ms))?;
    if invite.for_user.is_none() {
        let who = Authenticated::new(user.user, device.device, user.nickname.clone(), user.role);
        welcome(store, &who, &invite)?;
    }
    let bot = store.bot(user.user)?;
    Ok((device, user, bot))
}

/// The invite with one use less; with its last one it ends.
fn used_once(invite: &InviteRow, now_ms: u64) -> InviteRow {
    let uses_left = invite.uses_left - 1;
    let expires_ms = if uses_left == 0 { invite.expires_ms.min(now_ms) } else { invite.expires_ms };
    InviteRow { uses_left, expires_ms, ..invite.clone() }
}

/// The answer to a retry, unless the key belongs to another invite or was revoked meanwhile.
fn again(
    store: &mut dyn Writes,
    invite: &InviteRow,
    device: DeviceRow,
) -> Result<(DeviceRow, UserRow, Option<BotRow>), WriteError> {
    if device.invite != invite.invite || device.revoked_ms.is_some() {
        return Err(Refusal::because(Code::CONFLICT, "this device key is in use").into());
    }
    let user = store.user(device.user)?.ok_or_else(|| Refusal::from(Code::INTERNAL))?;
    let bot = store.bot(user.user)?;
    Ok((device, user, bot))
}

fn check(invite: &InviteRow, now_ms: u64) -> Result<(), Refusal> {
    if invite.revoked {
        Err(Refusal::because(Code::USED, "the invite was revoked"))
    } else if invite.uses_left == 0 {
        Err(Refusal::because(Code::USED, "the invite was already used"))
    } else if now_ms >= invite.expires_ms {
        Err(Refusal::because(Code::EXPIRED, "the invite has expired"))
    } else {
        Ok(())
    }
}

fn owner_of_device(store: &mut dyn Writes, user: UserId) -> Result<UserRow, WriteError> {
    let devices = store.devices(user)?.iter().filter(|device| device.revoked_ms.is_none()).count();
    if devices >= DEVICES_PER_USER_MAX {
        return Err(Refusal::because(
            Code::QUOTA,
            format!("an account has at most {DEVICES_PER_USER_MAX} devices"),
        )
        .into());
    }
    if store.bot(user)?.is_some_and(|bot| bot.revoked_ms.is_some()) {
        return Err(Refusal::because(Code::GONE, "the bot was revoked").into());
    }
    in_use(&*store, user)?.ok_or_else(|| Refusal::from(Code::GONE).into())
}

fn new_user(store: &mut dyn Writes, invite: &InviteRow, new: &Newcomer) -> Result<UserRow, WriteError> {
    may_be_called(&*store, &new.nickname, new.now_ms)?;
    if store.user_by_nickname(&new.nickname.folded())?.is_some() {
        return Err(
            Refusal::because(Code::CONFLICT, "the nickname is taken; the invite is still good").into()
        );
    }
    let user = UserRow {
        user: new.user,
        nickname: new.nickname.clone(),
        role: invite.role,
        epoch: 0,
        created_ms: new.now_ms,
        deactivated_ms: None,
    };
    store.put_user(&user)?;
    Ok(user)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quipu_protocol::InviteId;
    use quipu_protocol::request::ServerRole;

    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Blocking, Effect, Observer, Storage};

    struct Nobody;

    impl Observer for Nobody {
        fn committed(&self, _: &[Effect]) {}
    }

    const ADA: UserId = UserId::from_bytes([1; 16]);

    fn device(number: usize) -> Newcomer {
        Newcomer {
            secret_hash: [7; 32],
            key: number.to_be_bytes().to_vec(),
            nickname: "ada".parse().unwrap(),
            device_name: "phone".parse().unwrap(),
            user: ADA,
            device: DeviceId::from_bytes((number as u128 + 1).to_be_bytes()),
            now_ms: 0,
        }
    }

    /// Goal: a device too many costs neither the account nor the invite anything, and one that is shut out makes room.
    #[tokio::test]
    async fn an_account_has_so_many_devices() {
        let storage =
            Storage::start(Box::new(MemoryStore::new()), Blocking::Inline, Arc::new(Nobody)).unwrap();
        let prepare = storage.write(|store| {
            let nickname = "ada".parse().unwrap();
            let role = ServerRole::MEMBER;
            store.put_user(&UserRow {
                user: ADA,
                nickname,
                role,
                epoch: 0,
                created_ms: 0,
                deactivated_ms: None,
            })?;
            Ok(store.put_invite(&InviteRow {
                invite: InviteId::from_bytes([1; 16]),
                secret_hash: [7; 32],
                created_by: Some(ADA),
                device: None,
                room: None,
                role,
                for_user: Some(ADA),
                uses_left: 1_000,
                expires_ms: u64::MAX,
                revoked: false,
                created_ms: 0,
            })?)
        });
        prepare.await.unwrap();
        let add = |number| storage.write(move |store| take_in(store, device(number), |_, _, _| Ok(())));
        for number in 0..DEVICES_PER_USER_MAX {
            add(number).await.unwrap();
        }
        assert_eq!(add(1_000).await.unwrap_err().refusal().code, Code::QUOTA);
        let uses = storage.read(|store| Ok(store.invite(InviteId::from_bytes([1; 16]))?.unwrap().uses_left));
        assert_eq!(uses.await.unwrap(), 1_000 - DEVICES_PER_USER_MAX as u64);
        let (first, ..) = add(0).await.unwrap();
        storage
            .write(move |store| Ok(store.put_device(&DeviceRow { revoked_ms: Some(1), ..first })?))
            .await
            .unwrap();
        add(1_000).await.unwrap();
    }
}
