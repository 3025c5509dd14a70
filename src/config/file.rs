//! The configuration file as it is written, and what is wrong with it, by line.
//!
//! ```toml
//! listen = "[::]:4433"
//! name = ["chat.example.org"]
//! [tls]
//! chain = "/etc/chat/fullchain.pem"
//! key = "/etc/chat/key.pem"
//! [limits]
//! publish_per_second = 20
//! ```
//!
//! Every key may be left out, but a key that is not known is an error: it is a mistyped one.
//! Knows nothing of flags.

use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::retention::Section;
use super::{ConfigError, FileLimits, Limits, MediaRange, Retention, log_filter};
use crate::tls::{Host, HostError, TlsFiles};

/// Highest rate and burst of messages: one a microsecond, which is no limit. Benches need that, and servers among bots.
const RATE_MAX: u32 = 1_000_000;

/// What a file says, within its bounds.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) listen: Option<SocketAddr>,
    pub(super) data: Option<PathBuf>,
    pub(super) certs: Option<PathBuf>,
    pub(super) name: Option<Vec<Host>>,
    pub(super) log: Option<String>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) webhooks: Option<SocketAddr>,
    pub(super) limits: Limits,
    pub(super) files: FileLimits,
    pub(super) retention: Retention,
}

impl File {
    /// Parses `text`, which `path` holds.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source { path, text };
        let top: Top = toml::from_str(text).map_err(|error| source.error(error.span(), error.message()))?;
        Ok(Self {
            listen: top.listen,
            data: top.data,
            certs: top.certs,
            name: top.name.map(|names| source.names(names)).transpose()?,
            log: top.log.map(|log| source.log(&log)).transpose()?,
            tls: top.tls.map(|tls| TlsFiles { chain: tls.chain, key: tls.key }),
            webhooks: top.webhooks.map(|webhooks| source.webhooks(&webhooks)).transpose()?,
            limits: source.limits(&top.limits)?,
            files: source.files(&top.files)?,
            retention: top.retention.read(&source)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Top {
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    certs: Option<PathBuf>,
    name: Option<Spanned<Vec<Spanned<String>>>>,
    log: Option<Spanned<String>>,
    tls: Option<Tls>,
    webhooks: Option<Webhooks>,
    #[serde(default)]
    limits: Bounds,
    #[serde(default)]
    files: FileBounds,
    #[serde(default)]
    retention: Section,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    chain: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhooks {
    listen: Spanned<SocketAddr>,
    #[serde(default)]
    allow_remote: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    publish_per_second: Option<Spanned<i64>>,
    publish_burst: Option<Spanned<i64>>,
    room_publish_per_second: Option<Spanned<i64>>,
    connections_per_device: Option<Spanned<i64>>,
    unauthenticated_max: Option<Spanned<i64>>,
    unauthenticated_per_prefix_max: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBounds {
    server_bytes_max: Option<Spanned<i64>>,
    account_bytes_max: Option<Spanned<i64>>,
    file_bytes_max: Option<Spanned<i64>>,
    #[serde(default)]
    types_allowed: Vec<Spanned<String>>,
    #[serde(default)]
    types_forbidden: Vec<Spanned<String>>,
}

/// From which byte to which.
pub(super) type Span = Range<usize>;

/// Where a value stands, for messages.
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn names(&self, names: Spanned<Vec<Spanned<String>>>) -> Result<Vec<Host>, ConfigError> {
        if names.get_ref().is_empty() {
            return Err(self.error(
                Some(names.span()),
                "name must have at least one host; leave it out for `localhost`",
            ));
        }
        let parse = |name: &Spanned<String>| {
            name.get_ref()
                .parse()
                .map_err(|error: HostError| self.error(Some(name.span()), &format!("name: {error}")))
        };
        names.get_ref().iter().map(parse).collect()
    }

    fn log(&self, log: &Spanned<String>) -> Result<String, ConfigError> {
        log_filter(log.get_ref()).map_err(|reason| self.error(Some(log.span()), &format!("log: {reason}")))
    }

    /// Webhooks have no TLS, so by themselves they are for programs of this machine.
    fn webhooks(&self, webhooks: &Webhooks) -> Result<SocketAddr, ConfigError> {
        let address = *webhooks.listen.get_ref();
        if address.ip().is_loopback() || webhooks.allow_remote {
            return Ok(address);
        }
        let reason = format!(
            "listen is {address}, which others reach, and webhooks have no TLS: listen on 127.0.0.1 and put TLS in front, \
             or say allow_remote = true"
        );
        Err(self.error(Some(webhooks.listen.span()), &reason))
    }

    fn limits(&self, bounds: &Bounds) -> Result<Limits, ConfigError> {
        let default = Limits::default();
        let limits = Limits {
            publish_per_second: self.bound(
                "publish_per_second",
                &bounds.publish_per_second,
                1..=RATE_MAX,
                default.publish_per_second,
            )?,
            publish_burst: self.bound(
                "publish_burst",
                &bounds.publish_burst,
                1..=RATE_MAX,
                default.publish_burst,
            )?,
            room_publish_per_second: self.bound(
                "room_publish_per_second",
                &bounds.room_publish_per_second,
                1..=RATE_MAX,
                default.room_publish_per_second,
            )?,
            connections_per_device: self.bound(
                "connections_per_device",
                &bounds.connections_per_device,
                1..=16,
                default.connections_per_device,
            )?,
            unauthenticated_max: self.bound(
                "unauthenticated_max",
                &bounds.unauthenticated_max,
                1..=100_000,
                default.unauthenticated_max,
            )?,
            unauthenticated_per_prefix_max: self.bound(
                "unauthenticated_per_prefix_max",
                &bounds.unauthenticated_per_prefix_max,
                1..=10_000,
                default.unauthenticated_per_prefix_max,
            )?,
        };
        self.related(bounds, limits)
    }

    fn files(&self, bounds: &FileBounds) -> Result<FileLimits, ConfigError> {
        let default = FileLimits::default();
        // Below each other: one that is left out gives way to a smaller one that stands there.
        let server = self.bytes("server_bytes_max", &bounds.server_bytes_max, default.server_bytes_max)?;
        let account = self.bytes(
            "account_bytes_max",
            &bounds.account_bytes_max,
            default.account_bytes_max.min(server),
        )?;
        let file =
            self.bytes("file_bytes_max", &bounds.file_bytes_max, default.file_bytes_max.min(account))?;
        for (one, at, above, max) in [
            ("account_bytes_max", &bounds.account_bytes_max, "server_bytes_max", (account, server)),
            ("file_bytes_max", &bounds.file_bytes_max, "account_bytes_max", (file, account)),
        ] {
            if max.0 > max.1 {
                let reason = format!("{one} is {} and must not be above {above}, which is {}", max.0, max.1);
                return Err(self.error(at.as_ref().map(Spanned::span), &reason));
            }
        }
        Ok(FileLimits {
            server_bytes_max: server,
            account_bytes_max: account,
            file_bytes_max: file,
            types_allowed: self.media("types_allowed", &bounds.types_allowed)?,
            types_forbidden: self.media("types_forbidden", &bounds.types_forbidden)?,
        })
    }

    fn bytes(&self, key: &str, value: &Option<Spanned<i64>>, default: u64) -> Result<u64, ConfigError> {
        let Some(value) = value else { return Ok(default) };
        u64::try_from(*value.get_ref()).map_err(|_| {
            let reason = format!("{key} is {} and must be a number of bytes", value.get_ref());
            self.error(Some(value.span()), &reason)
        })
    }

    fn media(&self, key: &str, ranges: &[Spanned<String>]) -> Result<Vec<MediaRange>, ConfigError> {
        let parse = |range: &Spanned<String>| {
            let parsed = range.get_ref().parse::<MediaRange>();
            parsed.map_err(|error| self.error(Some(range.span()), &format!("{key}: {error}")))
        };
        ranges.iter().map(parse).collect()
    }

    fn bound(
        &self,
        key: &str,
        value: &Option<Spanned<i64>>,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, ConfigError> {
        let Some(value) = value else { return Ok(default) };
        let found = *value.get_ref();
        u32::try_from(found).ok().filter(|found| range.contains(found)).ok_or_else(|| {
            let reason = format!("{key} is {found} and must be from {} to {}", range.start(), range.end());
            self.error(Some(value.span()), &reason)
        })
    }

    fn related(&self, bounds: &Bounds, limits: Limits) -> Result<Limits, ConfigError> {
        let (one, all) = (limits.unauthenticated_per_prefix_max, limits.unauthenticated_max);
        if one <= all {
            return Ok(limits);
        }
        let at = bounds.unauthenticated_per_prefix_max.as_ref().or(bounds.unauthenticated_max.as_ref());
        let reason = format!(
            "unauthenticated_per_prefix_max is {one} and must not be above unauthenticated_max, which is {all}"
        );
        Err(self.error(at.map(Spanned::span), &reason))
    }

    pub(super) fn error(&self, span: Option<Range<usize>>, reason: &str) -> ConfigError {
        let before = self.text.get(..span.map_or(0, |span| span.start)).unwrap_or(self.text);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        ConfigError::Line { path: self.path.to_path_buf(), line, reason: reason.trim().replace('\n', "; ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        File::parse(Path::new("quipu.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_full_file_is_read() {
        let text = r#"
            listen = "0.0.0.0:4433"
            data = "/var/lib/quipu"
            certs = "/etc/quipu"
            name = ["chat.example.org", "192.0.2.7"]
            log = "warn,quipu_server=debug"
            [tls]
            chain = "chain.pem"
            key = "key.pem"
            [webhooks]
            listen = "0.0.0.0:8084"
            allow_remote = true
            [limits]
            publish_per_second = 10
            publish_burst = 40
            room_publish_per_second = 60
            connections_per_device = 3
            unauthenticated_max = 500
            unauthenticated_per_prefix_max = 8
            [files]
            server_bytes_max = 5000
            account_bytes_max = 300
            types_allowed = ["image/*"]
            types_forbidden = ["image/svg+xml"]
            [retention]
            age_days = 30
            age_days_max = 365
            count = 1000
            bytes_max = 1000000
        "#;
        let file = File::parse(Path::new("quipu.toml"), text).unwrap();
        assert_eq!(file.name.unwrap()[1].as_str(), "192.0.2.7");
        assert_eq!(file.tls.unwrap(), TlsFiles { chain: "chain.pem".into(), key: "key.pem".into() });
        assert_eq!(file.webhooks, Some("0.0.0.0:8084".parse().unwrap()));
        let limits = Limits {
            publish_per_second: 10,
            publish_burst: 40,
            room_publish_per_second: 60,
            connections_per_device: 3,
            unauthenticated_max: 500,
            unauthenticated_per_prefix_max: 8,
        };
        assert_eq!(file.limits, limits);
        let files = file.files;
        assert_eq!(
            (files.server_bytes_max, files.account_bytes_max, files.file_bytes_max),
            (5_000, 300, 300)
        );
        assert!(files.takes("image/png") && !files.takes("image/svg+xml") && !files.takes("text/plain"));
        let retention = Retention {
            age_ms: Some(30 * 86_400_000),
            age_ms_max: Some(365 * 86_400_000),
            count: Some(1_000),
            bytes_max: Some(1_000_000),
            ..Retention::default()
        };
        assert_eq!(file.retention, retention);
        assert!(File::parse(Path::new("quipu.toml"), "").is_ok());
    }

    #[test]
    fn every_mistake_has_its_line_and_reason() {
        for (text, line, reason) in [
            ("# a comment\nlisten = \"[::]:4433\"\nlissen = 1\n", 3, "unknown field `lissen`"),
            ("\nlisten = 4433\n", 2, "invalid type"),
            ("listen = \"localhost\"\n", 1, "invalid socket address"),
            ("data = \"a\"\ndata = \"b\"\n", 2, "duplicate key"),
            ("data = \"a\n", 1, ""),
            ("name = \"chat\"\n", 1, "expected a sequence"),
            ("name = [\n  \"chat\",\n  \"https://chat\",\n]\n", 3, "`https://chat` is not a host"),
            ("\nname = []\n", 2, "at least one host"),
            ("log = \"quipu=loudly\"\n", 1, "log: "),
            ("[tls]\nchain = \"a\"\n", 1, "missing field `key`"),
            ("[tls]\nchain = \"a\"\nkey = \"b\"\npassword = \"c\"\n", 4, "unknown field `password`"),
            ("[limits]\n\npublish_burst = 0\n", 3, "publish_burst is 0 and must be from 1 to 1000000"),
            ("[limits]\nconnections_per_device = -1\n", 2, "from 1 to 16"),
            ("[limits]\npublish_per_second = 99999999999\n", 2, "from 1 to 1000000"),
            ("[limits]\npublish_per_second = 1.5\n", 2, "invalid type"),
            ("[limits]\nunauthenticated_max = 10\n", 2, "must not be above unauthenticated_max, which is 10"),
            ("[files]\nfile_bytes_max = -1\n", 2, "must be a number of bytes"),
            ("[files]\naccount_bytes_max = 9\nfile_bytes_max = 10\n", 3, "account_bytes_max, which is 9"),
            ("[files]\n\ntypes_allowed = [\"image\"]\n", 3, "`image` is not a media type"),
            ("[retention]\nage_days = 0\n", 2, "age_days is 0 and must be from 1 to 36500"),
            ("[retention]\ncount = 9\ncount_max = 8\n", 2, "count must not be above count_max"),
            ("[retention]\nhours = 9\n", 2, "unknown field `hours`"),
            ("[limitz]\n", 1, "unknown field `limitz`"),
            ("[webhooks]\n", 1, "missing field `listen`"),
            ("[webhooks]\nlisten = \"[::]:8084\"\n", 2, "webhooks have no TLS"),
            ("[webhooks]\nlisten = \"192.0.2.7:80\"\nallow_remote = false\n", 2, "allow_remote = true"),
        ] {
            let message = error(text);
            assert!(
                message.starts_with(&format!("quipu.toml:{line}: ")) && message.contains(reason),
                "{text:?}: {message}"
            );
        }
    }
}
