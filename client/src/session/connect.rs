//! From a profile with an account to an authenticated connection.

use std::time::Duration;

use quinn::{ApplicationClose, ConnectionError};
use quipu_protocol::control::{Authenticated, Token};
use quipu_protocol::request::ServerRole;
use quipu_protocol::{CloseCode, Code};
use tokio::time::timeout;

use super::frames::{FrameReader, FrameWriter, in_time};
use super::greeting::{Credentials, Greeting};
use crate::core::Core;
use crate::ending::Ending;
use crate::error::{Error, ErrorCode};
use crate::limits::{AUTH_TIMEOUT, VERDICT_TIMEOUT};
use crate::net::dial::Dialled;
use crate::net::endpoint::Dialler;
use crate::store::identity::{self, Membership};

/// An authenticated connection, ready to become a session.
#[derive(Debug)]
pub(crate) struct Online {
    pub(crate) dialler: Dialler,
    pub(crate) dialled: Dialled,
    pub(crate) writer: FrameWriter,
    pub(crate) reader: FrameReader,
    pub(crate) granted: Authenticated,
    pub(crate) credentials: Credentials,
    pub(crate) membership: Membership,
}

/// Signs in over a connection. With `refresh`, or when the token has ended, a new token is asked for first; when the
/// server does not accept the one we have, a new one is asked for once.
pub(crate) async fn sign_in(
    core: &Core,
    dialler: Dialler,
    dialled: Dialled,
    credentials: Credentials,
    mut membership: Membership,
    refresh: bool,
) -> Result<Online, Ending> {
    let signing = async {
        let mut greeting = Greeting::begin(&dialled, &core.config.agent).await?;
        let refreshed = refresh || !is_current(core, &membership);
        if refreshed {
            renew(core, &mut greeting, &credentials, &mut membership).await?;
        }
        let granted = match authenticate(&mut greeting, &credentials, &membership).await {
            Err(Ending::Refused(refusal)) if !refreshed && refusal.code == Code::UNAUTHENTICATED => {
                renew(core, &mut greeting, &credentials, &mut membership).await?;
                authenticate(&mut greeting, &credentials, &membership).await?
            }
            granted => granted?,
        };
        note(core, &mut membership, &granted).await?;
        Ok((greeting, granted))
    };
    let signed = in_time(AUTH_TIMEOUT, "signing in", signing).await;
    let (greeting, granted) = match signed {
        Ok(signed) => signed,
        Err(ending) => return Err(verdict(&dialled, ending).await),
    };
    let (writer, reader) = greeting.into_parts();
    Ok(Online { dialler, dialled, writer, reader, granted, credentials, membership })
}

async fn renew(
    core: &Core,
    greeting: &mut Greeting,
    credentials: &Credentials,
    membership: &mut Membership,
) -> Result<(), Ending> {
    let exporter = greeting.exporter();
    let question = credentials.secret.refresh(membership.account.device, credentials.pin, &exporter);
    let token = greeting.refresh(question).await?;
    Ok(keep_token(core, membership, &token).await?)
}

/// Why we were refused: the refusal itself is the same for all reasons, a close that follows it is not.
async fn verdict(dialled: &Dialled, ending: Ending) -> Ending {
    if !matches!(&ending, Ending::Refused(_) | Ending::Finished(_) | Ending::Reset(_)) {
        return ending;
    }
    match timeout(VERDICT_TIMEOUT, dialled.connection.closed()).await {
        Ok(ConnectionError::ApplicationClosed(close)) if is_revoked(&close) => {
            Ending::Closed(ConnectionError::ApplicationClosed(close))
        }
        _ => ending,
    }
}

fn is_revoked(close: &ApplicationClose) -> bool {
    CloseCode::from_number(close.error_code.into_inner()) == Some(CloseCode::Revoked)
}

/// Proves on this connection who we are.
pub(crate) async fn authenticate(
    greeting: &mut Greeting,
    credentials: &Credentials,
    membership: &Membership,
) -> Result<Authenticated, Ending> {
    let exporter = greeting.exporter();
    let auth = credentials.secret.auth(&membership.token, credentials.pin, &exporter);
    let auth = auth
        .ok_or_else(|| Ending::Store(Error::never(ErrorCode::Storage, "the profile's token is too large")))?;
    greeting.authenticate(auth).await
}

/// Keeps what the server said about us and about the time.
pub(crate) async fn note(
    core: &Core,
    membership: &mut Membership,
    granted: &Authenticated,
) -> Result<(), Error> {
    membership.account.nickname = granted.nickname.clone();
    membership.account.role = ServerRole(granted.role);
    membership.skew_ms = i64::try_from(i128::from(granted.now_ms) - i128::from(core.now_ms())).unwrap_or(0);
    keep(core, membership).await
}

/// Keeps a new token.
pub(crate) async fn keep_token(core: &Core, membership: &mut Membership, token: &Token) -> Result<(), Error> {
    membership.token = token.token.to_vec();
    membership.expires_ms = token.expires_ms.min(i64::MAX as u64);
    keep(core, membership).await
}

async fn keep(core: &Core, membership: &Membership) -> Result<(), Error> {
    let membership = membership.clone();
    core.store.run(move |db| identity::keep(db, &membership)).await
}

/// How long a token still holds by the server's clock; zero when it has ended.
pub(crate) fn remaining(core: &Core, membership: &Membership) -> Duration {
    let now_ms = core.now_ms().saturating_add_signed(membership.skew_ms);
    Duration::from_millis(membership.expires_ms.saturating_sub(now_ms))
}

/// A token about to end is as good as ended: it must last through the greeting.
fn is_current(core: &Core, membership: &Membership) -> bool {
    !membership.token.is_empty() && remaining(core, membership) > AUTH_TIMEOUT
}
