//! Tokens: issued after a proof, and worth nothing without another one on the connection that shows them.
//!
//! The order of checks is fixed (RFC 8725 in spirit): form, key id, signature, issuer and audience, times, the
//! rows behind it, and last the proof. Whoever fails is told nothing but "not authenticated"; only a device that
//! proves its key learns that it, or its account, was shut out.

use quipu_protocol::control::{Auth as AuthFrame, Refresh, Token};
use quipu_protocol::key::{CoseKey, DeviceKey};
use quipu_protocol::limits::{BOT_TOKEN_LIFE_MS, TOKEN_LIFE_MS};
use quipu_protocol::request::{Permissions, ServerRole};
use quipu_protocol::sign::{SignError, Signed};
use quipu_protocol::token::{self, Claims, Confirmation, ISSUER, Purpose, Statement};
use quipu_protocol::{Blob, CloseCode, Code, DeviceId, Refusal, Text, cbor};

use super::accounts::is_in_use;
use super::{Auth, Authenticated, Exporter};
use crate::store::{BotRow, DeviceRow, StoreError, UserRow};

/// How stale the time a device was last seen may be, in milliseconds: it is for people, who need no better.
const SEEN_EVERY_MS: u64 = 60_000;

/// Why somebody was not authenticated. For the log; [`AuthError::refusal`] is for the peer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// The token or the proof is not what it should be.
    #[error("{0}")]
    Signed(#[from] SignError),
    /// Signed with a key this server does not have.
    #[error("token of another key")]
    UnknownKey,
    /// Made for another server.
    #[error("token of another issuer or for another audience")]
    Audience,
    /// Past its time, or before it.
    #[error("token outside its time")]
    Expired,
    /// The device is not there, or has another key.
    #[error("no such device with this key")]
    UnknownDevice,
    /// The account's tokens were ended.
    #[error("token of an earlier epoch")]
    Epoch,
    /// The device was revoked; it has proven to be that device.
    #[error("device was revoked")]
    Revoked,
    /// The account was deactivated; one of its devices has proven to be that.
    #[error("account was deactivated")]
    Deactivated,
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthError {
    /// What the peer is told.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Store(error) => error.refusal(),
            Self::Expired => Refusal::because(Code::EXPIRED, "the token has ended: refresh it"),
            Self::Revoked => Refusal::because(Code::GONE, "this device was revoked"),
            Self::Deactivated => Refusal::because(Code::GONE, "this account is deactivated"),
            _ => Code::UNAUTHENTICATED.into(),
        }
    }

    /// Whether the connection has no further chance, and with which code it is closed.
    pub fn close_code(&self) -> Option<CloseCode> {
        matches!(self, Self::Revoked | Self::Deactivated).then_some(CloseCode::Revoked)
    }
}

impl Auth {
    /// Accepts a token with a proof for the connection behind `exporter`. Gives who it is, and when the token
    /// ends in unix milliseconds.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn authenticate(
        &self,
        auth: &AuthFrame,
        exporter: Exporter<'_>,
    ) -> Result<(Authenticated, u64), AuthError> {
        let claims = self.claims(&auth.token)?;
        let Party { device, user, bot, is_in_use } = self.party(claims.device).await?;
        let key = &claims.confirmation.key;
        if device.user != claims.user || device.key != cbor::encode(key) {
            return Err(AuthError::UnknownDevice);
        }
        if user.epoch != claims.user_epoch {
            return Err(AuthError::Epoch);
        }
        let subject = token::auth_subject(&auth.token);
        self.check_proof(Purpose::Auth, subject, key, &auth.proof, exporter)?;
        still_in(&device, is_in_use)?;
        if claims.scope != scope_of(bot.as_ref()) {
            // A token of the scope before has ended with it: refreshing gives one of this scope.
            return Err(AuthError::Expired);
        }
        self.note_seen(&device).await;
        Ok((Authenticated::of(user, device.device, bot), claims.expires_s * 1_000))
    }

    /// Gives a device a new token for a proof by its key.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn refresh(&self, refresh: &Refresh, exporter: Exporter<'_>) -> Result<Token, AuthError> {
        let subject = token::refresh_subject(&refresh.device);
        let party = self.party(refresh.device).await;
        if let Err(AuthError::UnknownDevice) = party {
            // Somebody's key, so that the time to an answer does not tell which devices there are.
            let nobodys = CoseKey::from(self.key.public());
            let _ = self.check_proof(Purpose::Refresh, subject, &nobodys, &refresh.proof, exporter);
        }
        let Party { device, user, bot, is_in_use } = party?;
        let key: CoseKey = cbor::decode(&device.key, "CoseKey").map_err(|_| AuthError::UnknownDevice)?;
        self.check_proof(Purpose::Refresh, subject, &key, &refresh.proof, exporter)?;
        still_in(&device, is_in_use)?;
        Ok(self.issue(&device, &user, bot.as_ref(), key))
    }

    /// A token for a device whose key has just proven itself.
    pub(super) fn issue(
        &self,
        device: &DeviceRow,
        user: &UserRow,
        bot: Option<&BotRow>,
        key: CoseKey,
    ) -> Token {
        let issued_s = self.now_ms() / 1_000;
        let life_ms = if user.role == ServerRole::BOT { BOT_TOKEN_LIFE_MS } else { TOKEN_LIFE_MS };
        let expires_s = issued_s + life_ms / 1_000;
        let claims = Claims {
            issuer: Text::cut(ISSUER.to_owned()),
            user: user.user,
            audience: Blob::new(self.pin.to_vec()).expect("a pin has 32 bytes"),
            expires_s,
            issued_s,
            token_id: Blob::new(self.random::<16>().to_vec()).expect("16 bytes are 16 bytes"),
            confirmation: Confirmation { key },
            device: device.device,
            scope: scope_of(bot),
            user_epoch: user.epoch,
        };
        let public = self.key.public();
        let token = token::issue(&claims, public.algorithm(), self.key.id(), |bytes| self.key.sign(bytes));
        Token {
            token: Blob::new(token).expect("our claims are of bounded size"),
            expires_ms: expires_s * 1_000,
            user: user.user,
            device: device.device,
        }
    }

    /// That `proof` was made for this purpose and subject, by this key, on this connection.
    pub(super) fn check_proof(
        &self,
        purpose: Purpose,
        subject: [u8; 32],
        key: &CoseKey,
        proof: &[u8],
        exporter: Exporter<'_>,
    ) -> Result<(), AuthError> {
        let key = DeviceKey::try_from(key).map_err(|_| AuthError::UnknownDevice)?;
        let statement = Statement::new(purpose, subject, self.pin);
        Ok(statement.check(proof, &key, &exporter(&subject))?)
    }

    fn claims(&self, token: &[u8]) -> Result<Claims, AuthError> {
        let signed = Signed::parse(token)?;
        if signed.key_id() != self.key.id() {
            return Err(AuthError::UnknownKey);
        }
        let claims = token::verify(&signed, self.key.public())?;
        if claims.issuer.as_str() != ISSUER || claims.audience[..] != self.pin {
            return Err(AuthError::Audience);
        }
        if !claims.is_current(self.now_ms()) {
            return Err(AuthError::Expired);
        }
        Ok(claims)
    }

    async fn party(&self, device: DeviceId) -> Result<Party, AuthError> {
        let found = self.storage.read(move |store| {
            let Some(device) = store.device(device)? else {
                return Ok(None);
            };
            let Some(user) = store.user(device.user)? else {
                return Ok(None);
            };
            let bot = store.bot(user.user)?;
            let is_in_use = is_in_use(store, &user, bot.as_ref())?;
            Ok(Some(Party { device, user, bot, is_in_use }))
        });
        found.await?.ok_or(AuthError::UnknownDevice)
    }

    /// Notes the time, without making the device wait for a disk.
    async fn note_seen(&self, device: &DeviceRow) {
        let now_ms = self.now_ms();
        if now_ms < device.seen_ms.saturating_add(SEEN_EVERY_MS) {
            return;
        }
        let device = device.device;
        let job = self.storage.enqueue(move |store| {
            let Some(row) = store.device(device)? else {
                return Ok(());
            };
            Ok(store.put_device(&DeviceRow { seen_ms: now_ms, ..row })?)
        });
        // The job has its place in the queue; its answer interests nobody.
        drop(job.await);
    }
}

/// A device and whose it is.
struct Party {
    device: DeviceRow,
    user: UserRow,
    bot: Option<BotRow>,
    is_in_use: bool,
}

/// That neither the device nor its account was shut out. Asked when the key has proven itself, not before.
fn still_in(device: &DeviceRow, is_in_use: bool) -> Result<(), AuthError> {
    if device.revoked_ms.is_some() {
        return Err(AuthError::Revoked);
    }
    if is_in_use { Ok(()) } else { Err(AuthError::Deactivated) }
}

fn scope_of(bot: Option<&BotRow>) -> Permissions {
    bot.map_or(Permissions::ANYTHING, |bot| bot.scope)
}
