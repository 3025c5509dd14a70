//! The first words on CONTROL: hello, an invite or a new token if need be, and who we are.
//!
//! ```text
//!   Hello · Redeem? · Refresh? · Auth ──▶ Authenticated
//! ```

use quipu_protocol::control::{Auth, Authenticated, Hello, Redeem, Refresh, Token};
use quipu_protocol::token::{EXPORTER_BYTES, EXPORTER_LABEL};
use quipu_protocol::{BidiType, Frame, List, MINOR, Message, Refusal, Text};

use super::frames::{FrameReader, FrameWriter, open, priority};
use crate::auth::DeviceSecret;
use crate::ending::Ending;
use crate::net::dial::Dialled;

/// The CONTROL stream of a connection whose server has not heard yet who we are.
#[derive(Debug)]
pub(crate) struct Greeting {
    connection: quinn::Connection,
    writer: FrameWriter,
    reader: FrameReader,
}

impl Greeting {
    /// Opens CONTROL and says hello. The server's own hello is read together with its first answer.
    pub(crate) async fn begin(dialled: &Dialled, agent: &str) -> Result<Self, Ending> {
        let agent = Some(Text::cut(agent.to_owned()));
        let hello = Hello { minor: MINOR, features: List::default(), agent }.to_frame();
        let connection = dialled.connection.clone();
        let (writer, reader) = open(&connection, BidiType::Control, priority::CONTROL, &[hello]).await?;
        Ok(Self { connection, writer, reader })
    }

    /// Redeems an invite.
    pub(crate) async fn redeem(&mut self, redeem: Redeem) -> Result<Token, Ending> {
        self.ask::<Redeem, Token>(&redeem).await
    }

    /// Gets a new token.
    pub(crate) async fn refresh(&mut self, refresh: Refresh) -> Result<Token, Ending> {
        self.ask::<Refresh, Token>(&refresh).await
    }

    /// Says who we are.
    pub(crate) async fn authenticate(&mut self, auth: Auth) -> Result<Authenticated, Ending> {
        self.ask::<Auth, Authenticated>(&auth).await
    }

    /// The exporter of this connection.
    pub(crate) fn exporter(&self) -> impl Fn(&[u8; 32]) -> [u8; EXPORTER_BYTES] + Send + Sync + use<> {
        exporter(&self.connection)
    }

    /// The stream, for what follows.
    pub(crate) fn into_parts(self) -> (FrameWriter, FrameReader) {
        (self.writer, self.reader)
    }

    async fn ask<Q: Message, A: Message>(&mut self, question: &Q) -> Result<A, Ending> {
        self.writer.send(&mut [question.to_frame()]).await?;
        loop {
            let frame = self.next().await?;
            if frame.is::<A>() {
                return Ok(frame.decode()?);
            } else if frame.is::<Refusal>() {
                return Err(frame.decode::<Refusal>()?.into());
            } else if frame.is::<Hello>() {
                let _: Hello = frame.decode()?;
            } else if frame.ty.is_critical() {
                return Err(frame.unexpected().into());
            }
        }
    }

    async fn next(&mut self) -> Result<Frame, Ending> {
        self.reader.next().await?.ok_or(Ending::Finished("the session while signing in"))
    }
}

/// The exporter of a connection, for proofs. The handshake must be complete, and it is: we hold a `Connection`.
pub(crate) fn exporter(
    connection: &quinn::Connection,
) -> impl Fn(&[u8; 32]) -> [u8; EXPORTER_BYTES] + Send + Sync + use<> {
    let connection = connection.clone();
    move |context| {
        let mut value = [0; EXPORTER_BYTES];
        connection
            .export_keying_material(&mut value, EXPORTER_LABEL, context)
            .expect("32 bytes are far below what TLS exports");
        value
    }
}

/// What a refused redemption means, in the words of somebody who was invited.
pub(crate) fn of_invite(ending: &Ending) -> crate::error::Error {
    use crate::error::{Error, ErrorCode as E};
    use quipu_protocol::Code;
    let Ending::Refused(refusal) = ending else {
        return ending.error();
    };
    let mut error = Error::from(refusal.clone());
    error.code = match refusal.code {
        Code::EXPIRED => E::InviteExpired,
        Code::USED => E::InviteUsed,
        Code::NOT_FOUND => E::InviteUnknown,
        Code::CONFLICT => E::NicknameTaken,
        _ => error.code,
    };
    error
}

/// A secret together with the server it is for: what proves who we are.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) secret: DeviceSecret,
    pub(crate) pin: [u8; 32],
}
