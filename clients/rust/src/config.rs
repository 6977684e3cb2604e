//! How a client is set up.

use std::{fmt, time::Duration};

use fanfare_proto::DeviceId;
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::{Cursors, Environment, Error, Token};

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// QUIC: streams and datagrams.
    WebTransport,
    /// TCP.
    WebSocket,
}

/// Which transports are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preference {
    /// Both: WebTransport, and WebSocket a little later. Who gets through the greeting first stays, and goes first
    /// next time.
    #[default]
    Auto,
    /// Only this one.
    Only(Transport),
}

/// How a client is set up. [`Config::new`] gives defaults for all but three things.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where the server answers HTTP: `https://example.org`.
    pub base: String,
    /// Other hosts that the server may send the client to. Without them it goes to the host of [`base`](Self::base) alone.
    pub hosts: Vec<String>,
    /// Who the client is.
    pub token: Token,
    /// The device. The application chooses it once and keeps it.
    pub device_id: DeviceId,
    /// Which transports are tried.
    pub transport: Preference,
    /// Where the device stands, as [`Events::cursors`](crate::Events::cursors) told before a restart.
    pub cursors: Cursors,
    /// Whether large events travel compressed, both ways, if the server agrees.
    pub compress: bool,
    /// Certificates that are trusted besides the system's.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Use this endpoint for QUIC instead of an own one.
    pub endpoint: Option<quinn::Endpoint>,
    /// Times and sizes.
    pub limits: Limits,
    /// Time of day and randomness.
    pub environment: Environment,
}

impl Config {
    /// The defaults, for a server, a token and a device.
    pub fn new(base: impl Into<String>, token: impl Into<Token>, device_id: DeviceId) -> Self {
        Self {
            base: base.into(),
            hosts: Vec::new(),
            token: token.into(),
            device_id,
            transport: Preference::Auto,
            cursors: Cursors::default(),
            compress: true,
            certificates: Vec::new(),
            endpoint: None,
            limits: Limits::default(),
            environment: Environment::default(),
        }
    }

    /// The same with another preference of transports.
    #[must_use]
    pub fn transport(mut self, preference: Preference) -> Self {
        self.transport = preference;
        self
    }

    /// The same with another host that the server may send the client to.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// The same with compression or without.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// The same with cursors of an earlier run.
    #[must_use]
    pub fn cursors(mut self, cursors: Cursors) -> Self {
        self.cursors = cursors;
        self
    }

    /// The same with the application's own QUIC endpoint.
    #[must_use]
    pub fn endpoint(mut self, endpoint: quinn::Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    pub(crate) fn base_url(&self) -> Result<Url, Error> {
        let url = Url::parse(&self.base).map_err(|e| Error::Config(format!("{}: {e}", self.base)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Error::Config(format!("{}: not an http or https URL", self.base)));
        }
        Ok(url)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("base", &self.base)
            .field("device_id", &self.device_id)
            .field("transport", &self.transport)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Times and sizes of a client.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How much later the second transport starts.
    pub head_start: Duration,
    /// How long the winner of a race goes first. After that WebTransport has its chance again.
    pub remember: Duration,
    /// Longest time to reach the server by one transport.
    pub dial: Duration,
    /// Longest wait for the answer to `authenticate`.
    pub greeting: Duration,
    /// Longest wait for the answer to a request, time without a connection included.
    pub request: Duration,
    /// Most requests without an answer; the next one fails with [`Error::Busy`].
    pub unanswered: usize,
    /// Most events waiting for the application. When one more comes the connection is closed, and resumed once half
    /// of them are taken.
    pub events: usize,
    /// How often the round trip is measured.
    pub ping: Duration,
    /// First window of the back-off: the wait is a random part of it.
    pub backoff: Duration,
    /// Largest window of the back-off.
    pub backoff_max: Duration,
    /// A session that lived this long resets the back-off.
    pub lived: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_start: Duration::from_millis(500),
            remember: Duration::from_mins(10),
            dial: Duration::from_secs(10),
            greeting: Duration::from_secs(10),
            request: Duration::from_secs(30),
            unanswered: 256,
            events: 1024,
            ping: Duration::from_secs(15),
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            lived: Duration::from_secs(10),
        }
    }
}
