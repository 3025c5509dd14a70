//! The accept loop: from an attempt to connect to a task of its own.

use std::sync::Arc;

use quinn::{Endpoint, Incoming};
use quipu_protocol::CloseCode;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::frames::code;
use super::gate::Verdict;
use super::{Shared, connection, excess};
use crate::limits::{FAREWELL, GRACE};

/// Serves connections until `shared.stopping`, then sees them out: everyone is told, what is in flight finishes,
/// and after [`GRACE`] the rest is closed.
pub async fn serve(endpoint: Endpoint, shared: Arc<Shared>) {
    let connections = TaskTracker::new();
    let watching = tokio::spawn(excess::watch(Arc::clone(&shared)));
    loop {
        let incoming = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { break };
        admit(incoming, &shared, &connections);
    }
    // From here on a newcomer is not even answered; a client that dials finds nobody and tries again later.
    endpoint.set_server_config(None);
    connections.close();
    watching.abort();
    info!(open = connections.len(), "stopping");
    if timeout(GRACE, connections.wait()).await.is_err() {
        warn!(open = connections.len(), "grace is over, closing anyway");
    }
    endpoint.close(code(CloseCode::Shutdown.number()), b"Shutdown");
    if timeout(FAREWELL, endpoint.wait_idle()).await.is_err() {
        debug!("some peers did not confirm the close");
    }
}

fn admit(incoming: Incoming, shared: &Arc<Shared>, connections: &TaskTracker) {
    let from = incoming.remote_address();
    match shared.gate.judge(from, incoming.remote_address_validated()) {
        Verdict::Accept(pass) => {
            connections.spawn(connection::serve(incoming, Arc::clone(shared), pass));
        }
        Verdict::Retry => {
            // Fails only for an attempt that already answers a Retry, and that one's address is proven.
            if incoming.retry().is_err() {
                debug!("retry was not possible");
            }
        }
        Verdict::Ignore => incoming.ignore(),
    }
}
