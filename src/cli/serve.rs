//! `fanfare serve`.

use std::{
    io::IsTerminal,
    net::{IpAddr, SocketAddr},
};

use anyhow::Context;
use clap::Args;
use fanfare::{
    auth::Units,
    config::{self, Config, Log},
    net::public::PublicUrl,
    server::{self, Server, StartError},
    time::Clock,
};
use fanfare_proto::{OrgId, UserId};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Options of `fanfare serve`.
#[derive(Debug, Args, Default)]
pub(super) struct Serve {
    /// Address of the TCP and the UDP port
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Only tell whether the configuration would do: nothing is opened or made
    #[arg(long)]
    check_config: bool,
}

impl Serve {
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let mut config = if self.check_config { common.look()? } else { common.load()? };
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if self.check_config {
            log_filter(&config.log)?;
            for note in server::check(&config)? {
                super::say(&note)?;
            }
            super::say("the configuration is good")?;
            return Ok(());
        }
        log_to_stderr(&config.log)?;
        server::raise_open_files();
        let ignored = config::ignored_variables();
        if !ignored.is_empty() {
            tracing::info!(
                variables = ignored.join(" "),
                "ignored: Kubernetes' own, for a Service of this name"
            );
        }
        // Before anything can be told to stop.
        let mut terminate = signal(SignalKind::terminate()).context("signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
        let token = if common.dev { Some(development_token(&config)?) } else { None };
        let public = config.public_url.clone();
        // Until the database is there, which may take long.
        let started = tokio::select! {
            started = start(config.clone()) => started?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let server = started?;
        server.log(&config);
        tracing::info!(tcp = %server.tcp(), udp = %server.udp(), "serving");
        if let Some(token) = token {
            println!("{}", introduction(&server, public.as_ref(), &token));
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; once more to stop at once");
        let again = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        server.stop_unless(again).await;
        Ok(())
    }
}

/// On a thread of its own: it blocks, and is left behind when there is no point in waiting any more.
async fn start(config: Config) -> anyhow::Result<Result<Server, StartError>> {
    let runtime = tokio::runtime::Handle::current();
    let (done, started) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("start".into()).spawn(move || {
        let _within = runtime.enter();
        // Nobody may be waiting any more, which is fine.
        let _ = done.send(Server::start(config, Clock::system()));
    })?;
    started.await.context("the start was broken off")
}

pub(super) fn log_to_stderr(log: &Log) -> anyhow::Result<()> {
    let filter = log_filter(log)?;
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if log.json {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
    Ok(())
}

fn log_filter(log: &Log) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&log.filter).context("log.filter")
}

fn development_token(config: &Config) -> anyhow::Result<String> {
    let (user, org) = (UserId::new("dispatcher")?, OrgId::new("demo")?);
    super::token::mint(config, user, org, vec!["admin".into()], &Units::default(), 24)
}

/// What a person who starts it for the first time wants to do next.
fn introduction(server: &Server, public: Option<&PublicUrl>, token: &str) -> String {
    let scheme = if server.is_development() { "http" } else { "https" };
    let url = match public {
        Some(public) => public.to_string(),
        None => format!("{scheme}://{}", called(server.tcp())),
    };
    format!(
        "Fanfare serves {url} (and UDP port {}). Its console, for an admin of organisation `demo`:\n\n\
         {url}/#token={token}",
        server.udp().port()
    )
}

/// How a browser on this machine calls the server: `localhost`, unless it listens elsewhere.
fn called(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        IpAddr::V6(ip) if ip.is_loopback() => format!("[::1]:{port}"),
        ip if ip.is_unspecified() || ip.is_loopback() => format!("localhost:{port}"),
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::called;

    #[test]
    fn the_console_is_where_the_server_listens() {
        for (address, name) in [
            ("127.0.0.1:4433", "localhost:4433"),
            ("0.0.0.0:80", "localhost:80"),
            ("[::]:80", "localhost:80"),
            ("[::1]:4433", "[::1]:4433"),
            ("192.0.2.7:4433", "192.0.2.7:4433"),
            ("[2001:db8::1]:4433", "[2001:db8::1]:4433"),
        ] {
            assert_eq!(called(address.parse().unwrap()), name);
        }
    }
}
