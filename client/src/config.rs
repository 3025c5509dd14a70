//! What a program decides before a client opens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::net::transport::{SystemTransport, Transport};
use crate::seams::Seams;

/// What a program decides before a client opens. All but the folder has a default.
#[derive(Debug, Clone)]
pub struct Config {
    /// The profile's folder. Made with mode 0700 when it is not there.
    pub data_dir: PathBuf,
    /// Name and version of the program, at most 64 bytes; the server may show it to its operator.
    pub agent: String,
    /// Clock and randomness.
    pub seams: Seams,
    /// Sockets and names.
    pub transport: Arc<dyn Transport>,
    /// Where the database works.
    pub blocking: Blocking,
    /// How long an action that needs the server waits for a connection, and then for the answer.
    pub patience: Duration,
}

/// Where the database works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// On tokio's threads for blocking work.
    Pool,
    /// In the task that asks: for simulations that must replay.
    Inline,
}

impl Config {
    /// The usual choices, for a profile in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            agent: concat!("quipu/", env!("CARGO_PKG_VERSION")).into(),
            seams: Seams::system(),
            transport: Arc::new(SystemTransport),
            blocking: Blocking::Pool,
            patience: Duration::from_secs(10),
        }
    }
}
