//! One fetch of a set of keys, bounded in time and size.

use std::time::Duration;

use reqwest::{Certificate, Client, Url, header, redirect::Policy};

use super::set::{BadSet, Set};

/// Largest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 256 * 1024;

/// An address that keys are not fetched from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL.
    #[error("it is no URL: {0}")]
    Syntax(String),
    /// Whoever is on the way could put keys of their own in place.
    #[error("it must be https://, or http:// to this machine (localhost, 127.0.0.1, [::1])")]
    Open,
    /// It would be logged.
    #[error("it must not hold a user or a password")]
    Credentials,
    /// The authority's file is of no use.
    #[error("it holds no certificate as PEM")]
    Authority,
    /// There is no client for it.
    #[error("{0}")]
    Client(String),
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}")]
    Http(String),
    #[error("it answered {0}; redirects are not followed")]
    Status(reqwest::StatusCode),
    #[error("it answered more than {MAX_ANSWER} bytes")]
    Large,
    #[error(transparent)]
    Set(#[from] BadSet),
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(causes(error))
    }
}

/// With what is behind it, which is what matters, and without the address, whose query might be a secret.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = next {
        text = if text.is_empty() { cause.to_string() } else { format!("{text}: {cause}") };
        next = cause.source();
    }
    text
}

/// A set, and how long its issuer says that it may be kept.
pub(super) struct Fetched {
    pub(super) set: Set,
    pub(super) max_age: Option<Duration>,
}

/// What fetches from one address.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    url: Url,
}

impl Fetcher {
    /// Checks the address. `authority` is a PEM file: whom its certificate is from, if not one that the system knows.
    pub(super) fn new(url: &str, timeout: Duration, authority: Option<&[u8]>) -> Result<Self, BadUrl> {
        let url: Url = url.parse().map_err(|e: url::ParseError| BadUrl::Syntax(e.to_string()))?;
        let near = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && near) {
            return Err(BadUrl::Open);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .timeout(timeout)
            .connect_timeout(timeout)
            .pool_max_idle_per_host(0)
            .referer(false);
        if near {
            builder = builder.no_proxy();
        }
        if let Some(pem) = authority {
            let certificates = Certificate::from_pem_bundle(pem).map_err(|_| BadUrl::Authority)?;
            if certificates.is_empty() {
                return Err(BadUrl::Authority);
            }
            builder = builder.tls_certs_only(certificates);
        } else if url.scheme() == "http" {
            // Nothing is encrypted; a machine without certificates serves as well.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build().map_err(|e| BadUrl::Client(causes(e)))?, url })
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, Failed> {
        let request = self.client.get(self.url.clone()).header(header::ACCEPT, "application/json");
        let mut answer = request.send().await?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(Failed::Status(answer.status()));
        }
        let max_age = max_age(answer.headers());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Failed::Large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { set: Set::read(&body)?, max_age })
    }

    /// For the log: a query might be a secret.
    pub(super) fn place(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
}

/// What `Cache-Control` allows; `None` where it says nothing.
pub(super) fn max_age(headers: &header::HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut allowed = None;
    for directive in values.flat_map(|value| value.split(',')).map(|d| d.trim().to_ascii_lowercase()) {
        if matches!(directive.as_str(), "no-store" | "no-cache") {
            return Some(Duration::ZERO);
        }
        let seconds = directive.strip_prefix("max-age=").map(|text| text.trim_matches('"').parse::<u32>());
        if let Some(Ok(seconds)) = seconds {
            allowed = Some(Duration::from_secs(seconds.into()));
        }
    }
    allowed
}
