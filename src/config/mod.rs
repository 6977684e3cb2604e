//! The configuration: flags over `FANFARE_*` variables over a file over defaults, checked once at the start.

mod auth;
mod choice;
mod compression;
mod drain;
mod issuers;
mod kubernetes;
mod limits;
mod public;
mod retention;
mod secret;
mod session;
mod store;
mod tiles;
mod unreadable;

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Display,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use serde::Deserialize;

pub use self::{
    auth::{Algorithm, Auth, Claims, OwnRole},
    compression::Compression,
    drain::Drain,
    issuers::{Issuer, Jwks},
    limits::Limits,
    public::ForwardedHeaders,
    retention::Retention,
    secret::Secret,
    session::Session,
    store::{AtStart, Scylla, Store, StoreKind},
    tiles::Tiles,
    unreadable::Unreadable,
};
use crate::{
    auth::policy,
    net::{
        BadOrigin, Origins,
        public::{PublicQuic, PublicUrl},
    },
    outbox::Bounds,
    store::scylla::LARGEST,
};

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
    /// Where clients reach the server, if not where they say that they do. Its pages may connect.
    pub public_url: Option<PublicUrl>,
    /// Where they reach it by QUIC, if not on the host and port of HTTP.
    pub public_quic: Option<PublicQuic>,
    /// Networks of proxies that pass HTTP on, and are believed about whose it is and how they were reached
    /// (`X-Forwarded-*`, `Forwarded`).
    pub trusted_proxies: Vec<IpNet>,
    /// Which of the two kinds they write.
    pub forwarded_headers: ForwardedHeaders,
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
    /// Streets under the console's map.
    pub tiles: Tiles,
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
            public_url: None,
            public_quic: None,
            trusted_proxies: Vec::new(),
            forwarded_headers: ForwardedHeaders::default(),
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
            tiles: Tiles::default(),
            log: Log::default(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: None, key: None, development_dir: "certs".into() }
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
    Unreadable(#[from] Unreadable),
    /// A value is outside what is allowed.
    #[error("{key} must be {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it may be.
        allowed: Cow<'static, str>,
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
    #[error("{0} is not set: tokens cannot be verified without it (for a first try: --dev)")]
    NoKey(&'static str),
    /// Two keys for one thing. Which of them was forgotten is not for us to say.
    #[error("{0} is set beside {1}: one of the two is meant")]
    Beside(String, String),
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
    pub fn load(file: Option<&Path>) -> Result<Self, Invalid> {
        let source = config::File::from_str(&text(file)?, config::FileFormat::Toml);
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
                builder = builder.set_override(&key, value.as_str()).map_err(Unreadable::from)?;
            }
        }
        let built = builder.add_source(source).add_source(environment.source(Some(variables))).build();
        let mut loaded: Self = built.and_then(config::Config::try_deserialize).map_err(Unreadable::from)?;
        // An empty variable is an empty list, not a list of nothing.
        loaded.origins.retain(|origin| !origin.is_empty());
        loaded.check()?;
        Ok(loaded)
    }

    fn check(&self) -> Result<(), Invalid> {
        self.policy()?;
        self.allowed_origins()?;
        within(self.shards, 0..=64, "shards")?;
        self.limits.check()?;
        self.compression.check()?;
        self.session.check()?;
        self.drain.check()?;
        within(self.ticks.flush_ms, 10..=1_000, "ticks.flush_ms")?;
        within(self.ticks.ahead_ms, 1_000..=86_400_000, "ticks.ahead_ms")?;
        within(self.ticks.acknowledge_ms, 10..=3_600_000, "ticks.acknowledge_ms")?;
        self.store.scylla.check()?;
        // What is accepted must be storable.
        let large = self.store.kind == StoreKind::Scylla && self.limits.message_bytes > LARGEST;
        require(!large, "limits.message_bytes", "at most 4194304 with store.kind `scylla`")?;
        self.retention.check()?;
        self.tiles.check()?;
        within(self.presence.flush_ms, 10..=10_000, "presence.flush_ms")?;
        within(self.presence.grace_ms, 0..=600_000, "presence.grace_ms")?;
        within(self.presence.lease_ms, 5_000..=600_000, "presence.lease_ms")?;
        require(
            self.tls.certificate.is_some() == self.tls.key.is_some(),
            "tls.key",
            "given together with tls.certificate",
        )
    }

    /// The pages that may connect: those listed, and the server's own at its public address.
    pub fn allowed_origins(&self) -> Result<Origins, Invalid> {
        let listed = Origins::parse(self.origins.iter().map(String::as_str))
            .map_err(|bad: BadOrigin| Invalid::Content { key: "origins".into(), problem: bad.to_string() })?;
        Ok(match &self.public_url {
            Some(public) => listed.with(public),
            None => listed,
        })
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

/// The configuration file, which is TOML then. Only the one that nobody has named may be missing.
fn text(file: Option<&Path>) -> Result<String, Invalid> {
    let path = file.unwrap_or(Path::new("fanfare.toml"));
    let text = match std::fs::read_to_string(path) {
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| Invalid::File { key: "file".into(), path: path.into(), error })?,
    };
    match toml::de::DeTable::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Unreadable::syntax(path, &text, &error).into()),
    }
}

/// Those of the environment that may be settings. `FANFARE_TEST_*` is for tests, whose servers inherit it.
fn variables() -> HashMap<String, String> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts
        .filter(|(name, value)| !name.starts_with("FANFARE_TEST_") && !kubernetes::is_injected(name, value))
        .collect()
}

/// Variables that look like settings, and are Kubernetes' own: they are ignored. Rising.
pub fn ignored_variables() -> Vec<String> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut names: Vec<_> =
        texts.filter(|(name, value)| kubernetes::is_injected(name, value)).map(|(name, _)| name).collect();
    names.sort();
    names
}

fn require(ok: bool, key: &'static str, allowed: &'static str) -> Result<(), Invalid> {
    if ok { Ok(()) } else { Err(Invalid::Value { key, allowed: allowed.into() }) }
}

fn within<T: Copy + PartialOrd + Display>(
    value: T,
    bounds: RangeInclusive<T>,
    key: &'static str,
) -> Result<(), Invalid> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(Invalid::Value { key, allowed: format!("{} to {}", bounds.start(), bounds.end()).into() })
}

fn read(key: impl Into<Cow<'static, str>>, path: &Path) -> Result<Vec<u8>, Invalid> {
    std::fs::read(path).map_err(|error| Invalid::File { key: key.into(), path: path.into(), error })
}
