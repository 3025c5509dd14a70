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

use super::{ConfigError, Limits, log_filter};
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

/// Where a value stands, for messages.
struct Source<'a> {
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

    fn error(&self, span: Option<Range<usize>>, reason: &str) -> ConfigError {
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
