//! The configuration: flags over `FANFARE_*` variables over a file over defaults, checked once at the start.

mod auth;
mod choice;
mod compression;
mod drain;
mod issuers;
mod limits;
mod retention;
mod secret;
mod store;

use std::{borrow::Cow, collections::HashMap, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;

pub use self::{
    auth::{Algorithm, Auth, Claims, OwnRole},
    compression::Compression,
    drain::Drain,
    issuers::{Issuer, Jwks},
    limits::Limits,
    retention::Retention,
    secret::Secret,
    store::{AtStart, Scylla, Store, StoreKind},
};
use crate::{auth::policy, outbox::Bounds};

/// Everything that can be set. `fanfare.toml` holds the same names; a variable is `FANFARE_` and the path with `__`
/// for each step, such as `FANFARE_AUTH__SECRET_FILE`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the TCP port (HTTP, WebSocket) and the UDP port (WebTransport). Port 0 takes free ones.
    pub listen: SocketAddr,
    /// Where the embedded store keeps its files.
    pub data_dir: PathBuf,
    /// Threads that own connections; 0 for one a core.
    pub shards: usize,
    /// Origins of web pages that may connect. Programs send none and are not concerned.
    pub origins: Vec<String>,
    /// Networks of proxies that pass HTTP on, and are believed about whose it is (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpNet>,
    /// Where what must last is kept.
    pub store: Store,
    /// Certificates.
    pub tls: Tls,
    /// Tokens.
    pub auth: Auth,
    /// How much of anything.
    pub limits: Limits,
    /// Compression of large events.
    pub compression: Compression,
    /// Times of a connection.
    pub session: Session,
    /// The way down.
    pub drain: Drain,
    /// Live positions.
    pub ticks: Ticks,
    /// Who is there.
    pub presence: Presence,
    /// How long things are kept.
    pub retention: Retention,
    /// Logs of the process.
    pub log: Log,
}

/// See [`Config::tls`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain as PEM. With it, TCP speaks TLS too.
    pub certificate: Option<PathBuf>,
    /// Its key as PEM.
    pub key: Option<PathBuf>,
    /// Where the development certificate is made and kept when no certificate is given. TCP is plain then.
    pub development_dir: PathBuf,
}

/// See [`Config::session`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// Time for the first message, `authenticate`.
    pub auth_timeout_ms: u64,
    /// Time for TLS, for the head of each HTTP request, and for the handshake of a transport.
    pub handshake_timeout_ms: u64,
    /// Time for an HTTP request, its body included.
    pub request_timeout_ms: u64,
    /// Longest life of an HTTP connection, however many requests it brings.
    pub http_life_ms: u64,
    /// How often the server asks for a sign of life.
    pub heartbeat_ms: u64,
    /// Silence after which a client is gone.
    pub silence_ms: u64,
    /// Age of the oldest unsent frame after which a client is too slow.
    pub write_timeout_ms: u64,
    /// Silence of the network after which a QUIC connection is gone.
    pub quic_idle_ms: u64,
}

/// See [`Config::ticks`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ticks {
    /// How often changed positions are sent.
    pub flush_ms: u64,
    /// How far a device's clock may be ahead.
    pub ahead_ms: u64,
    /// How often senders are told what is stored.
    pub acknowledge_ms: u64,
}

/// See [`Config::presence`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Presence {
    /// How long a device whose connection has ended still counts.
    pub grace_ms: u64,
    /// How often changes are sent.
    pub flush_ms: u64,
    /// How long a node that is not heard of is taken to be alive.
    pub lease_ms: u64,
}

/// See [`Config::log`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// JSON lines instead of text.
    pub json: bool,
    /// What is logged, such as `info` or `fanfare=debug`.
    pub filter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4433)),
            data_dir: "data".into(),
            shards: 0,
            origins: vec!["http://localhost:4433".into(), "http://127.0.0.1:4433".into()],
            trusted_proxies: Vec::new(),
            store: Store::default(),
            tls: Tls::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            compression: Compression::default(),
            session: Session::default(),
            drain: Drain::default(),
            ticks: Ticks::default(),
            presence: Presence::default(),
            retention: Retention::default(),
            log: Log::default(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: None, key: None, development_dir: "certs".into() }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            auth_timeout_ms: 10_000,
            handshake_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            http_life_ms: 300_000,
            heartbeat_ms: 25_000,
            silence_ms: 60_000,
            write_timeout_ms: 10_000,
            quic_idle_ms: 30_000,
        }
    }
}

impl Default for Ticks {
    fn default() -> Self {
        Self { flush_ms: 100, ahead_ms: 60_000, acknowledge_ms: 2_000 }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self { grace_ms: 10_000, flush_ms: 250, lease_ms: 15_000 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { json: false, filter: "info".into() }
    }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It cannot be read: a syntax error, an unknown key, a value of the wrong type.
    #[error(transparent)]
    Unreadable(#[from] config::ConfigError),
    /// A value is outside what is allowed.
    #[error("{key} must be {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// A file that it names cannot be read.
    #[error("{key}: {path}: {error}")]
    File {
        /// The key.
        key: Cow<'static, str>,
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The key for tokens is missing.
    #[error("{0} is not set: tokens cannot be verified without it (for a first try: fanfare serve --dev)")]
    NoKey(&'static str),
    /// A user of the database without a password.
    #[error("store.scylla.user is set, but neither store.scylla.password_file nor store.scylla.password")]
    NoPassword,
    /// A value, or what the file holds that it names, is of no use.
    #[error("{key}: {problem}")]
    Content {
        /// The key that names the file.
        key: Cow<'static, str>,
        /// What is wrong.
        problem: String,
    },
    /// A role of the configuration makes no sense.
    #[error("auth.roles: {0}")]
    Role(#[from] policy::BadRole),
}

impl Config {
    /// Reads `file` (it must exist) or, without one, `fanfare.toml` where there is one; then the environment.
    pub fn load(file: Option<&std::path::Path>) -> Result<Self, Invalid> {
        let source = match file {
            Some(path) => config::File::from(path).required(true),
            None => config::File::with_name("fanfare.toml").required(false),
        };
        let variables = variables();
        let mut environment = config::Environment::with_prefix("FANFARE")
            .prefix_separator("_")
            .separator("__")
            .list_separator(",")
            .with_list_parse_key("origins")
            .with_list_parse_key("trusted_proxies")
            .with_list_parse_key("limits.exempt")
            .with_list_parse_key("store.scylla.nodes")
            .with_list_parse_key("retention.short_fix_organisations")
            .with_list_parse_key("retention.long_fix_organisations")
            .try_parsing(true);
        let mut builder = config::Config::builder();
        for (name, value) in &variables {
            let key = name.trim_start_matches("FANFARE_").to_ascii_lowercase().replace("__", ".");
            let last = key.rsplit('.').next().unwrap_or_default();
            if issuers::LISTS.contains(&last) && key.starts_with("auth.issuers.") {
                environment = environment.with_list_parse_key(&key);
            }
            // A secret of digits is a text, too: as a number it would become another one.
            if name.starts_with("FANFARE_") && matches!(last, "secret" | "password") {
                builder = builder.set_override(&key, value.as_str())?;
            }
        }
        let mut loaded: Self = builder
            .add_source(source)
            .add_source(environment.source(Some(variables)))
            .build()?
            .try_deserialize()?;
        // An empty variable is an empty list, not a list of nothing.
        loaded.origins.retain(|origin| !origin.is_empty());
        loaded.check()?;
        Ok(loaded)
    }

    fn check(&self) -> Result<(), Invalid> {
        self.policy()?;
        require(
            self.origins.iter().all(|origin| is_origin(origin)),
            "origins",
            "a list of `https://host` or `https://host:port` (or http), with nothing behind it",
        )?;
        require(self.shards <= 64, "shards", "0 to 64")?;
        self.limits.check()?;
        self.compression.check()?;
        let handshake = self.session.handshake_timeout_ms;
        require(handshake >= 100, "session.handshake_timeout_ms", "at least 100")?;
        require(self.session.request_timeout_ms >= 100, "session.request_timeout_ms", "at least 100")?;
        require(self.session.http_life_ms >= 100, "session.http_life_ms", "at least 100")?;
        require(self.session.heartbeat_ms >= 100, "session.heartbeat_ms", "at least 100")?;
        require(self.session.quic_idle_ms >= 1000, "session.quic_idle_ms", "at least 1000")?;
        require(
            self.session.silence_ms > self.session.heartbeat_ms,
            "session.silence_ms",
            "larger than session.heartbeat_ms",
        )?;
        self.drain.check()?;
        require((10..=1000).contains(&self.ticks.flush_ms), "ticks.flush_ms", "10 to 1000")?;
        require(self.ticks.acknowledge_ms >= 10, "ticks.acknowledge_ms", "at least 10")?;
        self.store.scylla.check()?;
        // What is accepted must be storable.
        let large = self.store.kind == StoreKind::Scylla && self.limits.message_bytes > 4 << 20;
        require(!large, "limits.message_bytes", "at most 4194304 with store.kind `scylla`")?;
        self.retention.check()?;
        require((10..=10_000).contains(&self.presence.flush_ms), "presence.flush_ms", "10 to 10000")?;
        require(self.presence.grace_ms <= 600_000, "presence.grace_ms", "at most 600000")?;
        let lease = 5_000..=600_000;
        require(lease.contains(&self.presence.lease_ms), "presence.lease_ms", "5000 to 600000")?;
        let people = self.limits.people_per_organisation <= 1_000_000;
        require(people, "limits.people_per_organisation", "at most 1000000")?;
        require(
            self.tls.certificate.is_some() == self.tls.key.is_some(),
            "tls.key",
            "given together with tls.certificate",
        )
    }

    /// Bounds of a connection's lanes.
    pub const fn bounds(&self) -> Bounds {
        Bounds {
            urgent: self.limits.urgent_bytes,
            ordered: self.limits.ordered_bytes,
            age: Duration::from_millis(self.session.write_timeout_ms),
        }
    }
}

/// Those of the environment that may be settings. `FANFARE_TEST_*` is for tests, whose servers inherit it.
fn variables() -> HashMap<String, String> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| !name.starts_with("FANFARE_TEST_")).collect()
}

fn require(ok: bool, key: &'static str, allowed: &'static str) -> Result<(), Invalid> {
    if ok { Ok(()) } else { Err(Invalid::Value { key, allowed }) }
}

/// Whether it is written as browsers write it. Any other form would never match.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    text == format!("{scheme}://{authority}") && !authority.as_str().contains('@')
}

fn read(key: impl Into<Cow<'static, str>>, path: &std::path::Path) -> Result<Vec<u8>, Invalid> {
    std::fs::read(path).map_err(|error| Invalid::File { key: key.into(), path: path.into(), error })
}
