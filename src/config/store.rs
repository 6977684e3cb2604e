//! Which store, and how a CQL database is reached.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Invalid, Secret, choice::choice, require, within};

/// See [`Config::store`](super::Config::store).
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite`: embedded, for one server. `scylla`: ScyllaDB or Apache Cassandra, for several.
    pub kind: StoreKind,
    /// The database of `scylla`.
    pub scylla: Scylla,
}

/// Backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(try_from = "String")]
pub enum StoreKind {
    /// Files in the data folder.
    #[default]
    Sqlite,
    /// A CQL database.
    Scylla,
}

choice!(StoreKind { "sqlite" => Sqlite, "scylla" => Scylla });

/// See [`Store::scylla`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scylla {
    /// Nodes to begin with, as `host:port`; the others are found through them.
    pub nodes: Vec<String>,
    /// The keyspace. It exists already, unless `create` is set.
    pub keyspace: String,
    /// Development: make the keyspace and the tables where they are missing.
    pub create: bool,
    /// Replication of a keyspace that is made, as CQL writes it.
    pub replication: String,
    /// The data centre whose nodes are spoken to; without it, all.
    pub datacenter: Option<String>,
    /// User name.
    pub user: Option<String>,
    /// Its password. Better in a file.
    pub password: Option<Secret>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// The authority that the nodes' certificates are from, as PEM. With it, connections are encrypted.
    pub tls_authority: Option<PathBuf>,
    /// Our certificate chain as PEM, where nodes ask for one.
    pub tls_certificate: Option<PathBuf>,
    /// Its key as PEM.
    pub tls_key: Option<PathBuf>,
    /// What to do where the database cannot be reached at the start.
    pub at_start: AtStart,
    /// Time for a connection to come about.
    pub connect_timeout_ms: u64,
    /// Time for a read or an ordinary write.
    pub data_timeout_ms: u64,
    /// Time for a write of fixes.
    pub ticks_timeout_ms: u64,
    /// Time for one attempt at a conditional write.
    pub cas_timeout_ms: u64,
    /// Time for an append or another conditional write with all its attempts.
    pub append_timeout_ms: u64,
    /// Calls under way and waiting; those of the urgent lane have as many of their own. More are refused.
    pub waiting: usize,
    /// Bytes of appends under way and waiting; those of the urgent lane have as many of their own. More are refused.
    pub waiting_bytes: usize,
    /// Requests to the database at the same time; an eighth of them is kept for what is written on the urgent lane.
    pub in_flight: usize,
    /// Events of a partition, at about which a log moves to the next.
    pub bucket_events: u64,
    /// Bytes of a partition, at about which a log moves to the next.
    pub bucket_bytes: u64,
}

/// See [`Scylla::at_start`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(try_from = "String")]
pub enum AtStart {
    /// Say so and try again, ever more slowly.
    #[default]
    Retry,
    /// Say so and end.
    Exit,
}

choice!(AtStart { "retry" => Retry, "exit" => Exit });

impl Default for Scylla {
    fn default() -> Self {
        Self {
            nodes: vec!["127.0.0.1:9042".into()],
            keyspace: "fanfare".into(),
            create: false,
            replication: "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".into(),
            datacenter: None,
            user: None,
            password: None,
            password_file: None,
            tls_authority: None,
            tls_certificate: None,
            tls_key: None,
            at_start: AtStart::Retry,
            connect_timeout_ms: 2_000,
            data_timeout_ms: 2_000,
            ticks_timeout_ms: 2_000,
            cas_timeout_ms: 1_000,
            append_timeout_ms: 5_000,
            waiting: 8_192,
            waiting_bytes: 64 << 20,
            in_flight: 512,
            bucket_events: 30_000,
            bucket_bytes: 50 << 20,
        }
    }
}

impl Scylla {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        require(!self.nodes.is_empty(), "store.scylla.nodes", "at least one")?;
        // It is part of statements.
        let name = self.keyspace.as_bytes();
        let plain = name.first().is_some_and(u8::is_ascii_lowercase)
            && name.len() <= 48
            && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
        require(
            plain,
            "store.scylla.keyspace",
            "a lower-case letter, then such letters, digits and _, at most 48",
        )?;
        let map = self.replication.starts_with('{') && self.replication.ends_with('}');
        require(
            map && !self.replication.contains(';'),
            "store.scylla.replication",
            "a map, as CQL writes it",
        )?;
        require(
            self.tls_certificate.is_some() == self.tls_key.is_some(),
            "store.scylla.tls_key",
            "given together with store.scylla.tls_certificate",
        )?;
        require(
            self.tls_certificate.is_none() || self.tls_authority.is_some(),
            "store.scylla.tls_authority",
            "given with store.scylla.tls_certificate",
        )?;
        for (key, value) in [
            ("store.scylla.connect_timeout_ms", self.connect_timeout_ms),
            ("store.scylla.data_timeout_ms", self.data_timeout_ms),
            ("store.scylla.ticks_timeout_ms", self.ticks_timeout_ms),
            ("store.scylla.cas_timeout_ms", self.cas_timeout_ms),
            ("store.scylla.append_timeout_ms", self.append_timeout_ms),
        ] {
            within(value, 10..=60_000, key)?;
        }
        within(self.waiting, 1..=1_000_000, "store.scylla.waiting")?;
        within(self.waiting_bytes, 1 << 20..=2 << 30, "store.scylla.waiting_bytes")?;
        within(self.in_flight, 2..=32_768, "store.scylla.in_flight")?;
        // A request stands beside each event, and a partition has less than 100,000 rows.
        within(self.bucket_events, 1..=45_000, "store.scylla.bucket_events")?;
        // Amendments need room as well, and a partition has less than 100 MB.
        within(self.bucket_bytes, 1 << 16..=64 << 20, "store.scylla.bucket_bytes")
    }

    /// User name and password.
    pub fn credentials(&self) -> Result<Option<(String, String)>, Invalid> {
        let Some(user) = &self.user else { return Ok(None) };
        let password = match (&self.password, &self.password_file) {
            (Some(_), Some(_)) => {
                let key = |name| format!("store.scylla.{name}");
                return Err(Invalid::Beside(key("password"), key("password_file")));
            }
            (Some(password), None) => password.0.clone(),
            (None, Some(path)) => {
                let text = super::read("store.scylla.password_file", path)?;
                String::from_utf8_lossy(text.trim_ascii()).into_owned()
            }
            (None, None) => return Err(Invalid::NoPassword),
        };
        Ok(Some((user.clone(), password)))
    }

    /// A PEM file that is named here.
    pub fn pem(key: &'static str, path: &std::path::Path) -> Result<Vec<u8>, Invalid> {
        super::read(key, path)
    }
}
