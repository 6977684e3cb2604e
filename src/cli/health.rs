//! `fanfare health`: whether the server takes clients, for containers and scripts.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use fanfare::config::Config;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Options of `fanfare health`.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Where the server answers HTTP [default: the configured `listen` address, on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Health {
    /// Fails unless the server says that it is ready.
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        let (base, client) = match self.url {
            Some(url) => (url, builder),
            // Its certificate names the host that clients ask for, not this machine's own address.
            None => (local(&common.look()?), builder.tls_danger_accept_invalid_certs(true)),
        };
        let url = format!("{}/health/ready", base.trim_end_matches('/'));
        let answer = client.build()?.get(&url).send().await.with_context(|| url.clone())?;
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        if !status.is_success() {
            bail!("{url}: {status}: {text}");
        }
        super::say(&text)?;
        Ok(())
    }
}

/// Where a server with this configuration is reached from its own machine.
fn local(config: &Config) -> String {
    let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
    let ip = match config.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, config.listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_asked_on_this_machine() {
        let table = [
            ("0.0.0.0:4433", false, "http://127.0.0.1:4433"),
            ("[::]:80", true, "https://[::1]:80"),
            ("10.0.0.7:4433", false, "http://10.0.0.7:4433"),
        ];
        for (listen, certificate, url) in table {
            let mut config = Config { listen: listen.parse().unwrap(), ..Config::default() };
            config.tls.certificate = certificate.then(|| "a.pem".into());
            assert_eq!(local(&config), url);
        }
    }
}
