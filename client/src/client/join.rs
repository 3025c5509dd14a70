//! Joining: from a link to an account, once, however often it is asked.
//!
//! ```text
//!   link ──▶ key on disk ──▶ dial, pin ──▶ Redeem ──▶ account on disk ──▶ Auth
//! ```
//!
//! Invariant: the secret of the invite is sent only to the server the link's pin names.

use quipu_protocol::control::Token;
use quipu_protocol::request::ServerRole;
use quipu_protocol::token::sha256;
use quipu_protocol::{DeviceName, InviteLink, Nickname};
use zeroize::Zeroizing;

use super::Client;
use crate::account::Account;
use crate::auth::DeviceSecret;
use crate::ending::Ending;
use crate::error::{Error, ErrorCode};
use crate::limits::AUTH_TIMEOUT;
use crate::net::dial::Dialled;
use crate::net::endpoint::Dialler;
use crate::session;
use crate::session::connect::{authenticate, note};
use crate::session::frames::in_time;
use crate::session::greeting::{Credentials, Greeting, of_invite};
use crate::store::identity::{self, Membership};

impl Client {
    /// Redeems an invite and makes this profile an account's device. Asking again with the same link after a lost
    /// answer gives the same account. Does not [`Client::start`].
    ///
    /// # Errors
    /// One code per reason, so that each has a sentence of its own: [`ErrorCode::LinkDamaged`],
    /// [`ErrorCode::InviteExpired`], [`ErrorCode::InviteUsed`], [`ErrorCode::InviteUnknown`],
    /// [`ErrorCode::NicknameTaken`], [`ErrorCode::AlreadyJoined`], [`ErrorCode::Usage`] for a name outside its rule,
    /// and those of connecting.
    pub async fn join(&self, link: &str, nickname: &str, device_name: &str) -> Result<Account, Error> {
        let link: InviteLink = link.parse()?;
        let (nickname, device_name): (Nickname, DeviceName) = (nickname.parse()?, device_name.parse()?);
        let invite = sha256(&link.secret);
        if let Some(known) = self.core().store.run(identity::membership).await? {
            return if known.invite == invite { Ok(known.account) } else { Err(belongs_to(&known.account)) };
        }
        let mut fresh = Zeroizing::new([0; 32]);
        self.core().config.seams.entropy.fill(&mut fresh[..]);
        let seed = self.core().store.run(move |db| identity::seed_for(db, &invite, &fresh)).await?;
        let credentials = Credentials { secret: DeviceSecret::from_seed(&seed)?, pin: link.pin };
        let config = &self.core().config;
        let dialler = Dialler::new(config.transport.clone(), &config.seams, link.pin)?;
        let dialled = dialler.dial(&link.host, link.port).await.map_err(|ending| ending.error())?;
        let redeeming = self.redeem(&dialled, &credentials, &link, nickname, device_name);
        let joined = in_time(AUTH_TIMEOUT, "redeeming the invite", redeeming).await;
        session::close(&dialled, &Ending::Stopped).await;
        joined.map_err(|ending| of_invite(&ending))
    }

    async fn redeem(
        &self,
        dialled: &Dialled,
        credentials: &Credentials,
        link: &InviteLink,
        nickname: Nickname,
        device_name: DeviceName,
    ) -> Result<Account, Ending> {
        let mut greeting = Greeting::begin(dialled, &self.core().config.agent).await?;
        let exporter = greeting.exporter();
        let names = (nickname.clone(), device_name.clone());
        let redeem = credentials.secret.redeem(&link.secret, nickname, device_name, link.pin, &exporter);
        let token = greeting.redeem(redeem).await?;
        let mut membership = newcomer(link, names, &token);
        let kept = membership.clone();
        self.core().store.run(move |db| identity::keep(db, &kept)).await?;
        // From here on the account is ours, whatever happens to this connection. The nickname and the role are
        // the server's word, and come with this answer.
        match authenticate(&mut greeting, credentials, &membership).await {
            Ok(granted) => note(self.core(), &mut membership, &granted).await?,
            // The code alone: the text may be the server's.
            Err(ending) => {
                tracing::info!(code = ending.error().code.word(), "joined, and not yet signed in");
            }
        }
        Ok(membership.account)
    }
}

fn newcomer(link: &InviteLink, (nickname, device_name): (Nickname, DeviceName), token: &Token) -> Membership {
    let account = Account {
        host: link.host.clone(),
        port: link.port,
        pin: link.pin,
        user: token.user,
        device: token.device,
        nickname,
        device_name,
        role: ServerRole::MEMBER,
    };
    Membership {
        account,
        invite: sha256(&link.secret),
        token: token.token.to_vec(),
        expires_ms: token.expires_ms.min(i64::MAX as u64),
        skew_ms: 0,
    }
}

fn belongs_to(account: &Account) -> Error {
    let Account { nickname, host, .. } = account;
    Error::never(
        ErrorCode::AlreadyJoined,
        format!("this profile is {nickname} on {host} already; use another profile for another account"),
    )
}
