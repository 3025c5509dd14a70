//! The smallest conversation worth testing a network with: numbered messages out, the same ones back.
//!
//! Knows QUIC and nothing of how the network misbehaves. [`talk`] is the check: it fails on the first echo that is
//! missing, doubled, out of order or changed.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// How long either side waits for any sign of the other. Half of it loses every seventh connection to a blackout of 20 s
/// at 20 % loss.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(60);
const MESSAGE_BYTES: usize = 200;

type Message = [u8; MESSAGE_BYTES];

/// Settings as a chat would choose them.
pub(crate) fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IDLE_MAX.try_into().expect("a minute fits a QUIC timeout")))
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .initial_rtt(Duration::from_millis(100));
    transport
}

/// Returns what it is sent, on as many connections as come, until dropped.
pub(crate) struct EchoServer {
    notes: Arc<Mutex<Notes>>,
    _tasks: JoinSet<()>,
}

/// What a server noticed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Notes {
    /// Addresses peers were seen at, each time one changed.
    pub(crate) paths: Vec<SocketAddr>,
    /// Why connections ended.
    pub(crate) ends: Vec<ConnectionError>,
}

impl EchoServer {
    pub(crate) fn start(endpoint: Endpoint) -> Self {
        let notes = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(endpoint, Arc::clone(&notes)));
        Self { notes, _tasks: tasks }
    }

    pub(crate) fn notes(&self) -> Notes {
        self.notes.lock().expect("no note panics").clone()
    }
}

async fn accept(endpoint: Endpoint, notes: Arc<Mutex<Notes>>) {
    let mut connections = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        connections.spawn(serve(incoming, Arc::clone(&notes)));
    }
    // The endpoint is gone; each connection still has its reason to note.
    while connections.join_next().await.is_some() {}
}

async fn serve(incoming: quinn::Incoming, notes: Arc<Mutex<Notes>>) {
    // A handshake that fails under loss is the client's to report.
    let Ok(connection) = incoming.await else { return };
    while let Ok((send, recv)) = connection.accept_bi().await {
        echo(&connection, send, recv, &notes).await;
    }
    let end = connection.closed().await;
    notes.lock().expect("no note panics").ends.push(end);
}

/// Ends with the stream or the connection; the caller learns why from the connection.
async fn echo(connection: &Connection, mut send: SendStream, mut recv: RecvStream, notes: &Mutex<Notes>) {
    let mut message: Message = [0; MESSAGE_BYTES];
    while recv.read_exact(&mut message).await.is_ok() {
        note_path(&mut notes.lock().expect("no note panics"), connection.remote_address());
        if send.write_all(&message).await.is_err() {
            return;
        }
    }
    let _ = send.finish();
}

fn note_path(notes: &mut Notes, path: SocketAddr) {
    if notes.paths.last() != Some(&path) {
        notes.paths.push(path);
    }
}

/// Sends `count` messages, one `every` so often, and waits for all echoes. Returns how long each took from the time it
/// was due to be sent, or the error that ended the connection.
///
/// # Panics
/// On an echo that is not the next one expected, or on anything after the last.
pub(crate) async fn talk(
    connection: &Connection,
    count: u64,
    every: Duration,
) -> Result<Vec<Duration>, ConnectionError> {
    let (mut send, mut recv) = connection.open_bi().await?;
    let begin = Instant::now();
    let due = |number: u64| begin + every.mul_f64(number as f64);
    let speak = async {
        for number in 0..count {
            sleep_until(due(number)).await;
            send.write_all(&message(number)).await.map_err(std::io::Error::from)?;
        }
        send.finish().map_err(std::io::Error::from)
    };
    let listen = async {
        let mut delays = Vec::new();
        for number in 0..count {
            let mut echo: Message = [0; MESSAGE_BYTES];
            recv.read_exact(&mut echo).await.map_err(std::io::Error::other)?;
            assert!(echo == message(number), "echo {number} is not what was said");
            delays.push(due(number).elapsed());
        }
        let surplus = recv.read(&mut [0]).await.map_err(std::io::Error::from)?;
        assert_eq!(surplus, None, "an echo of nothing");
        Ok(delays)
    };
    match tokio::try_join!(biased; speak, listen) {
        Ok(((), delays)) => Ok(delays),
        // Stream errors are only the shadow of the connection's own.
        Err(_) => Err(connection.closed().await),
    }
}

/// The longest of some delays.
pub(crate) fn worst(delays: &[Duration]) -> Duration {
    delays.iter().copied().max().unwrap_or_default()
}

fn message(number: u64) -> Message {
    let mut message = [number as u8; MESSAGE_BYTES];
    message[..8].copy_from_slice(&number.to_be_bytes());
    message
}
