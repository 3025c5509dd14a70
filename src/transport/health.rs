//! A health page over HTTP/0.9 on QUIC (`hq-29`), the protocol of quinn's own example client: whether the server
//! answers can be asked with a tool that knows nothing of chat.

use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use quipu_protocol::CloseCode;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::sessions::close;

/// Longest request line, in bytes.
const REQUEST_BYTES_MAX: usize = 1_024;
/// Pages on one connection.
const PAGES_MAX: usize = 16;
/// Longest life of such a connection.
const LIFE: Duration = Duration::from_secs(10);

const PAGE: &str = concat!("quipu-server ", env!("CARGO_PKG_VERSION"), "\nup\n");

/// Answers a few requests, then closes.
pub(super) async fn serve(connection: &Connection, stopping: &CancellationToken) {
    let pages = async {
        for _ in 0..PAGES_MAX {
            let Ok((send, recv)) = connection.accept_bi().await else {
                return;
            };
            if answer(send, recv).await.is_none() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = stopping.cancelled() => {}
        _ = timeout(LIFE, pages) => {}
    }
    close(connection, CloseCode::None);
}

async fn answer(mut send: SendStream, mut recv: RecvStream) -> Option<()> {
    let request = recv.read_to_end(REQUEST_BYTES_MAX).await.ok()?;
    let body = if request.starts_with(b"GET /") { PAGE } else { "400: GET /\n" };
    send.write_all(body.as_bytes()).await.ok()?;
    send.finish().ok()?;
    // The peer has it when it says so; closing earlier would lose it.
    send.stopped().await.ok()?;
    Some(())
}
