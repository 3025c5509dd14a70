//! One connection: handshake, then whichever protocol was agreed on.

use std::sync::Arc;

use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Incoming};
use tokio::time::timeout;
use tracing::{Instrument, debug, info_span};

use super::gate::Pass;
use super::sessions::{PanicGuard, close};
use super::{Shared, control, health, session};
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::tls::{ALPN_HEALTH, ALPN_QUIPU};
use quipu_protocol::CloseCode;
use quipu_protocol::limits::AUTH_TIMEOUT_MS;

/// Serves one attempt to connect to its end. `pass` is held while nobody knows who it is.
pub(super) async fn serve(incoming: Incoming, shared: Arc<Shared>, pass: Pass) {
    let span = info_span!("connection", from = %incoming.remote_address());
    run(incoming, shared, pass).instrument(span).await;
}

async fn run(incoming: Incoming, shared: Arc<Shared>, pass: Pass) {
    let connected = tokio::select! {
        biased;
        // Nobody is there yet who could be told.
        () = shared.stopping.cancelled() => return,
        connected = handshake(incoming) => connected,
    };
    let Some(connection) = connected else { return };
    let _guard = PanicGuard::new(&connection);
    match protocol(&connection).as_deref() {
        Some(ALPN_QUIPU) => chat(connection, shared, pass).await,
        // Nobody says who they are here, so the place among strangers is kept to the end.
        Some(ALPN_HEALTH) => {
            health::serve(&connection, &shared.stopping).await;
            drop(pass);
        }
        // TLS agrees on nothing we did not offer.
        _ => close(&connection, CloseCode::Protocol),
    }
}

/// What it costs in CPU is over when this begins to wait for the network. So nobody waits for another's handshake: how many
/// there are at once is the gate's to say.
async fn handshake(incoming: Incoming) -> Option<Connection> {
    let connecting = incoming.accept().inspect_err(|error| debug!(%error, "handshake refused")).ok()?;
    match timeout(HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            debug!(%error, "handshake failed");
            None
        }
        Err(_) => {
            debug!("handshake took too long");
            None
        }
    }
}

fn protocol(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

/// Authenticates in time, gives the place among strangers back, and serves the session.
async fn chat(connection: Connection, shared: Arc<Shared>, pass: Pass) {
    let deadline = std::time::Duration::from_millis(AUTH_TIMEOUT_MS);
    let greeted = tokio::select! {
        biased;
        () = shared.stopping.cancelled() => return close(&connection, CloseCode::Shutdown),
        greeted = timeout(deadline, control::greet(&connection, &shared)) => greeted,
    };
    match greeted {
        Ok(Ok(greeted)) => {
            drop(pass);
            session::run(connection, shared, greeted).await;
        }
        Ok(Err(refused)) => {
            debug!(error = %refused.error, "not authenticated");
            // The answer must arrive before the close that would discard it.
            refused.said(&connection).await;
            close(&connection, refused.code);
        }
        Err(_) => close(&connection, CloseCode::AuthTimeout),
    }
}
