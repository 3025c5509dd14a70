//! The floor: a fan-out with nothing in it. Raw quinn with Quipu's own TLS and transport settings.
//!
//! ```text
//!   author ── bidi, frames ──▶ [frames] ── one long-lived uni stream per reader ──▶ readers
//! ```
//!
//! Every client opens one bidirectional stream and is given two unidirectional ones, as many as a client of Quipu has
//! with INBOX and one open room. What is written to any bidirectional stream goes to the second stream of all others.
//! No accounts, no permissions, no disk, no acknowledgements, no history: what is left is the price of QUIC. Like
//! Quipu it encodes once, shares the bytes, and gives a reader everything that is pending in one write.

use std::io::Read as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use quinn::{Connection, Endpoint, RecvStream, TokioRuntime};
use quipu_server::seams::Seams;
use quipu_server::tls::{self, Identity, Secrets};
use socket2::Socket;
use tokio::sync::watch;

use super::frames::Frames;

/// As in the server.
const SOCKET_BYTES: usize = 4 * 1024 * 1024;
/// Frames a reader is given in one write, as in the server.
const BATCH_MAX: usize = quipu_server::limits::BATCH_ENTRIES_MAX;

/// Serves until its input ends, which it does when the bench does.
pub(crate) fn main(certs: &Path) -> Result<()> {
    std::thread::spawn(|| {
        // Whatever comes or fails, it means that nobody needs us any more.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    // The same runtime as the server's.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(certs))
}

async fn serve(certs: &Path) -> Result<()> {
    let seams = Seams::system();
    let identity = Identity::load_or_create(certs, &["localhost".parse()?], &seams)?;
    let secrets = Secrets::ephemeral(&seams);
    let crypto = tls::server_crypto(&identity, &secrets, seams.clock.clone())?;
    let config = tls::server_config(crypto, &secrets, seams.clock.clone())?;
    let socket = Socket::from(UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?);
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BYTES)?;
    let endpoint_config = tls::endpoint_config(&secrets, None);
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(endpoint_config, Some(config), socket.into(), runtime)?;
    println!("address={}", endpoint.local_addr()?);
    let floor = Arc::new(Floor::default());
    while let Some(incoming) = endpoint.accept().await {
        let floor = Arc::clone(&floor);
        tokio::spawn(async move {
            // A client that goes is no failure.
            if let Ok(connection) = incoming.await {
                let _ = floor.client(connection).await;
            }
        });
    }
    Ok(())
}

/// All frames since the start, and a wake-up.
struct Floor {
    frames: Mutex<Vec<Bytes>>,
    count: watch::Sender<usize>,
}

impl Default for Floor {
    fn default() -> Self {
        let frames = Mutex::default();
        let count = watch::Sender::new(0);
        Self { frames, count }
    }
}

impl Floor {
    async fn client(&self, connection: Connection) -> Result<()> {
        // As in the server, once it knows who it is.
        tls::welcome(&connection);
        let (_answers, said) = connection.accept_bi().await?;
        let mut inbox = connection.open_uni().await?;
        inbox.write_all(&[0]).await?;
        tokio::select! {
            ended = self.author(said) => ended,
            ended = self.reader(&connection) => ended,
        }
    }

    async fn author(&self, mut said: RecvStream) -> Result<()> {
        let mut frames = Frames::default();
        let mut first = true;
        while let Some(chunk) = said.read_chunk(16 * 1024, true).await? {
            // The stream's type, as everywhere.
            let bytes = &chunk.bytes[usize::from(std::mem::take(&mut first))..];
            let mut taken = Vec::new();
            frames.feed(bytes, |_, frame, _| {
                taken.push(Bytes::copy_from_slice(frame));
                Ok(())
            })?;
            if !taken.is_empty() {
                self.append(taken);
            }
        }
        std::future::pending().await
    }

    fn append(&self, taken: Vec<Bytes>) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.extend(taken);
        let count = frames.len();
        drop(frames);
        self.count.send_replace(count);
    }

    async fn reader(&self, connection: &Connection) -> Result<()> {
        let mut stream = connection.open_uni().await?;
        stream.write_all(&[1]).await?;
        let mut count = self.count.subscribe();
        let mut cursor = *count.borrow_and_update();
        loop {
            let mut pending = self.after(cursor);
            if pending.is_empty() {
                count.changed().await.context("the floor ended")?;
                continue;
            }
            cursor += pending.len();
            stream.write_all_chunks(&mut pending).await?;
        }
    }

    fn after(&self, cursor: usize) -> Vec<Bytes> {
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.iter().skip(cursor).take(BATCH_MAX).cloned().collect()
    }
}
