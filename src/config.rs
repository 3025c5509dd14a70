//! What an operator decides: read once, before anything binds, from flags over a file over defaults.
//!
//! ```text
//!   Flags (clap) ──┐
//!                  ├──▶ Config ──▶ Server
//!   File (TOML) ───┘     a mistake ends the program with the file, the line and the reason
//! ```
//!
//! Without a file and without flags the server runs. What both peers must agree on is not here but in the protocol.
//! Invariant: a `Config` that exists is within its bounds; nobody checks again.

mod file;
mod files;
mod retention;

use std::fs;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use quipu_protocol::{Nickname, RoomName};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::tls::{Host, TlsFiles};
use file::File;
pub use files::{FileLimits, MediaError, MediaRange};

/// A self-hosted, secure chat server over QUIC.
///
/// Without any flag it listens on `[::]:4433` and keeps everything in ./data and ./certs.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "quipu-server", version)]
pub struct Flags {
    /// Configuration file (TOML). Flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// UDP address to listen on [default: `[::]:4433`, which also takes IPv4]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Folder of the database and the secrets [default: data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of the server's identity [default: certs]
    #[arg(long, value_name = "DIR")]
    pub certs: Option<PathBuf>,
    /// Host name or address clients reach this server under; the first goes into invites. May be repeated
    /// [default: localhost]
    #[arg(long, value_name = "HOST")]
    pub name: Vec<Host>,
    /// What to log, as in `info` or `warn,quipu_server=debug` [default: info]
    #[arg(long, value_name = "FILTER", value_parser = log_filter)]
    pub log: Option<String>,
    /// Check the configuration and stop
    #[arg(long)]
    pub check_config: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What the program does instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Copy everything the server keeps to a new folder. It may run meanwhile
    Backup {
        /// The folder to make
        to: PathBuf,
    },
    /// Make an empty server's folders from a backup
    Restore {
        /// The folder a backup made
        from: PathBuf,
    },
    /// Make a room of what `quipu export-room` printed, with the same log. The server must not run
    ImportRoom {
        /// What was printed
        file: PathBuf,
        /// What the room is called here [default: as before]
        #[arg(long)]
        name: Option<RoomName>,
        /// An account that owns it, whatever the log says
        #[arg(long, value_name = "NICKNAME")]
        owner: Option<Nickname>,
    },
}

/// Everything an operator decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// UDP address to listen on. Default `[::]:4433`, which takes IPv6 and IPv4. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Folder of the database and the secrets, made if missing. Default `data`, from the working directory.
    pub data: PathBuf,
    /// Folder of the server's identity, made if missing. Default `certs`, from the working directory.
    pub certs: PathBuf,
    /// Where clients reach this server, at least one; the first goes into invites, all into the leaf. Default `localhost`.
    pub names: Vec<Host>,
    /// What to log, in the syntax of `tracing`. Default `info`. Bodies and credentials are not logged at any level.
    pub log: String,
    /// The operator's own certificate instead of the identity in `certs`. Default none.
    pub tls: Option<TlsFiles>,
    /// TCP address to take webhooks at, without TLS. Default none: they are off.
    pub webhooks: Option<SocketAddr>,
    /// Bounds an operator may move.
    pub limits: Limits,
    /// What is granted to files.
    pub files: FileLimits,
    /// What rooms keep. Default everything.
    pub retention: Retention,
}

/// What rooms keep: what holds where a room itself says nothing, and the most it may say. `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Age of the oldest entry, in milliseconds. In the file `age_days`, 1 to 36500. Default none.
    pub age_ms: Option<u64>,
    /// The most a room may say. In the file `age_days_max`, 1 to 36500. Default none.
    pub age_ms_max: Option<u64>,
    /// Entries, from 1. Default none.
    pub count: Option<u64>,
    /// The most a room may say, from 1. Default none.
    pub count_max: Option<u64>,
    /// Bytes of the entries' frames, from 1. Default none.
    pub bytes: Option<u64>,
    /// The most a room may say, from 1. Default none.
    pub bytes_max: Option<u64>,
}

/// Bounds an operator may move. Those of the wire are the protocol's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages per second one account may publish for long, on all its connections. Default 10, 1 to 1000000. A faster author
    /// is read more slowly.
    pub publish_per_second: u32,
    /// Messages it may publish at once after a silence. Default 50, 1 to 1000000.
    pub publish_burst: u32,
    /// Messages per second all authors of one room together may publish. Default 200, 1 to 1000000. What a room remembers in
    /// memory must hold this many for as long as a healthy reader may lag, so it costs memory.
    pub room_publish_per_second: u32,
    /// Connections one device may have. Default 2: one in use, one about to replace it. 1 to 16.
    pub connections_per_device: u32,
    /// Connections that have not yet said who they are, in all. Default 1000, 1 to 100000. Above half of it, and
    /// in any case above 128, newcomers must first prove their address.
    pub unauthenticated_max: u32,
    /// The same from one IPv4 address or IPv6 /64. Default 16, 1 to 10000 and not above `unauthenticated_max`. Many people
    /// may share one address. An IPv4 /24 and an IPv6 /56 have a sixteenth of all places, a /48 an eighth, if that is more.
    pub unauthenticated_per_prefix_max: u32,
}

impl Config {
    /// Reads the file that `flags` name, if any, and lets the flags win over it. Blocks.
    ///
    /// # Errors
    ///
    /// With the file and, where it can be told, the line, when the file cannot be read or a value cannot be used.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            None => File::default(),
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
                File::parse(path, &text)?
            }
        };
        Ok(Self::merge(flags, file))
    }

    fn merge(flags: Flags, file: File) -> Self {
        let default = Self::default();
        let names = if flags.name.is_empty() { file.name.unwrap_or(default.names) } else { flags.name };
        Self {
            listen: flags.listen.or(file.listen).unwrap_or(default.listen),
            data: flags.data.or(file.data).unwrap_or(default.data),
            certs: flags.certs.or(file.certs).unwrap_or(default.certs),
            names,
            log: flags.log.or(file.log).unwrap_or(default.log),
            tls: file.tls,
            webhooks: file.webhooks,
            limits: file.limits,
            files: file.files,
            retention: file.retention,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
            data: PathBuf::from("data"),
            certs: PathBuf::from("certs"),
            names: vec!["localhost".parse().expect("a host name")],
            log: "info".to_owned(),
            tls: None,
            webhooks: None,
            limits: Limits::default(),
            files: FileLimits::default(),
            retention: Retention::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            publish_per_second: 10,
            publish_burst: 50,
            room_publish_per_second: crate::limits::ROOM_PUBLISHES_PER_SECOND,
            connections_per_device: 2,
            unauthenticated_max: 1000,
            unauthenticated_per_prefix_max: 16,
        }
    }
}

/// Why a configuration cannot be used. Always the operator's to mend.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of it cannot be used.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

/// A log filter that `tracing` understands.
fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) => Err("a log filter cannot be empty; use `off`".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

const PORT: u16 = 4433;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn flags(arguments: &[&str]) -> Result<Flags, clap::Error> {
        Flags::try_parse_from([&["quipu-server"], arguments].concat())
    }

    /// The operator's guide says what the code does.
    #[test]
    fn the_guide_lists_the_defaults() {
        let guide = include_str!("../docs/OPERATING.md");
        let limits = Limits::default();
        for (key, default) in [
            ("publish_per_second", limits.publish_per_second),
            ("publish_burst", limits.publish_burst),
            ("room_publish_per_second", limits.room_publish_per_second),
            ("connections_per_device", limits.connections_per_device),
            ("unauthenticated_max", limits.unauthenticated_max),
            ("unauthenticated_per_prefix_max", limits.unauthenticated_per_prefix_max),
        ] {
            assert!(guide.contains(&format!("| `[limits] {key}` | {default} |")), "{key} is {default}");
        }
        let files = FileLimits::default();
        for (key, default) in [
            ("server_bytes_max", files.server_bytes_max),
            ("account_bytes_max", files.account_bytes_max),
            ("file_bytes_max", files.file_bytes_max),
        ] {
            assert!(guide.contains(&format!("| `[files] {key}` | {default} |")), "{key} is {default}");
        }
        let proven_from = crate::limits::UNPROVEN_MAX;
        assert!(guide.contains(&format!("above {proven_from}, they must prove their address")));
    }

    #[test]
    fn nothing_said_is_a_configuration() {
        let config = Config::load(flags(&[]).unwrap()).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.listen.to_string(), "[::]:4433");
        assert_eq!(config.names[0].as_str(), "localhost");
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let text =
            "listen = \"127.0.0.1:1\"\ndata = \"d\"\nname = [\"a.example\"]\n[limits]\npublish_burst = 7\n";
        let file = File::parse(Path::new("quipu.toml"), text).unwrap();
        let config = Config::merge(
            flags(&["--listen", "[::1]:2", "--name", "b.example", "--log", "off"]).unwrap(),
            file,
        );
        assert_eq!(config.listen.to_string(), "[::1]:2");
        assert_eq!(config.data, Path::new("d"));
        assert_eq!(config.certs, Path::new("certs"));
        assert_eq!(config.names, ["b.example".parse().unwrap()]);
        assert_eq!(config.log, "off");
        assert_eq!(config.limits, Limits { publish_burst: 7, ..Limits::default() });
    }

    #[test]
    fn flags_that_mean_nothing_are_usage_errors() {
        for wrong in [
            &["--listen", "4433"][..],
            &["--name", "https://chat"],
            &["--log", "quipu=loudly"],
            &["--log", ""],
            &["--verbose"],
            &["extra"],
        ] {
            assert_eq!(flags(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none.toml");
        let error = Config::load(flags(&["--config", path.to_str().unwrap()]).unwrap()).unwrap_err();
        assert!(
            matches!(&error, ConfigError::Unreadable { .. }) && error.to_string().contains("none.toml"),
            "{error}"
        );
    }
}
