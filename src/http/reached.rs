//! How a client reaches the server: what proxies that are trusted say of it, or else what the client calls it.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, Version, header};
use fanfare_proto::{ErrorBody, ErrorCode};

use super::{Routes, forwarded::Forwarded};
use crate::net::{
    Own,
    authority::{Authority, Host},
    public::{PublicQuic, PublicUrl},
    single,
};

/// What is known of it. Found out once for each request, before anything else is done with it.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    /// Where clients are sent to.
    pub(super) public: PublicUrl,
    /// What the server is called by whoever asks.
    pub(super) own: Own,
}

/// The server's side of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    /// The configured address, which nothing else changes.
    pub(super) public: Option<&'a PublicUrl>,
    /// Whether TCP speaks TLS.
    pub(super) tls: bool,
    /// The TCP port, where a client names none and no scheme tells it.
    pub(super) port: u16,
}

impl Reached {
    /// Of a request, by what the client wrote itself and what trusted proxies added.
    pub(super) fn of(
        here: Here<'_>,
        client: &Asked<'_>,
        proxies: Option<&Forwarded>,
    ) -> Result<Self, ErrorBody> {
        let written = client.authority()?;
        let https = proxies.and_then(|told| told.https).unwrap_or(here.tls);
        let told = proxies.and_then(|told| told.authority.clone());
        let named = told
            .or(written)
            .unwrap_or(Authority { host: Host::Name("localhost".to_owned()), port: Some(here.port) });
        let port = named.port.or(proxies.and_then(|told| told.port));
        let port = port.unwrap_or(if https { 443 } else { 80 });
        // By the certificate that the client has seen. A proxy that takes any name over http also takes one whose owner has it
        // point here, and that our side of it is encrypted says nothing to the client.
        let vouched = proxies.map_or(here.tls, |told| told.https == Some(true));
        let own = Own::new(named.host.clone(), port, vouched);
        let prefix = proxies.map(|told| told.prefix.clone()).unwrap_or_default();
        let public = here.public.cloned().unwrap_or(PublicUrl { https, host: named.host, port, prefix });
        Ok(Self { public, own })
    }
}

/// What a client wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) version: Version,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// What the client calls the server. HTTP/1.1 must say it once, and in one way.
    fn authority(&self) -> Result<Option<Authority>, ErrorBody> {
        if let Some(name) = single::twice(self.headers) {
            return Err(wrong(&format!("{name} is given twice")));
        }
        let Some(host) = self.headers.get(header::HOST) else {
            return if self.version < Version::HTTP_11 { Ok(None) } else { Err(wrong("host is missing")) };
        };
        let host = host.to_str().ok().and_then(Authority::parse).ok_or_else(|| wrong("host is malformed"))?;
        let other =
            self.uri.authority().is_some_and(|uri| Authority::parse(uri.as_str()).as_ref() != Some(&host));
        if other { Err(wrong("host is another one than that of the address")) } else { Ok(Some(host)) }
    }
}

fn wrong(why: &str) -> ErrorBody {
    ErrorCode::InvalidMessage.with(why)
}

impl Routes {
    /// Where a client that reaches the server so finds WebTransport.
    pub(super) fn webtransport(&self, public: &PublicUrl) -> Option<String> {
        let (host, port) = match &self.services.config.public_quic {
            Some(PublicQuic::None) => return None,
            Some(PublicQuic::At(host, port)) => (host, *port),
            Some(PublicQuic::Port(port)) => (&public.host, *port),
            // Both ports are one, also where it is published as another one.
            None => (&public.host, public.port),
        };
        let here = Host::parse(&loopback(self.bound.ip()));
        let host = match (host, &here) {
            // A browser may take `localhost` for the address of the other family, where nobody listens.
            (Host::Name(name), Some(here)) if name == "localhost" && self.identity.is_development() => here,
            (host, _) => host,
        };
        Some(format!("https://{host}:{port}"))
    }
}

/// This machine, in the family of an address.
fn loopback(bound: IpAddr) -> String {
    match bound {
        IpAddr::V6(address) if !address.is_unspecified() => "[::1]".to_owned(),
        _ => "127.0.0.1".to_owned(),
    }
}
