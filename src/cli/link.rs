//! What `replay`, `watch` and `chat` share: where the server is, how it is reached, and whose token is shown.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use fanfare::{
    auth::{Units, policy::Role},
    config::Config,
    time::Clock,
};
use fanfare_client::{
    Client, CloseReason, Config as ClientConfig, Preference, State, Token, TokenError, Transport,
    proto::{DepartmentId, DeviceId, ErrorCode, OrgId, UnixMs, UserId, id},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

/// Longest wait for the first connection. A connection that is lost later is tried for without end.
const REACH: Duration = Duration::from_secs(30);

/// How long a minted token is valid. Then another one is minted.
const HOURS: u64 = 12;

/// Where the server is.
#[derive(Debug, Clone, Args)]
pub(super) struct Link {
    /// Where the server answers HTTP
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4433")]
    url: String,
    /// Another host that the server may name as its own; may be given more than once
    #[arg(long = "allow-host", value_name = "HOST")]
    hosts: Vec<String>,
    /// How it is reached
    #[arg(long, value_enum, default_value_t)]
    transport: Way,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Way {
    /// WebTransport, or WebSocket where that does not get through
    #[default]
    Auto,
    Webtransport,
    Websocket,
}

impl Link {
    /// A client's configuration.
    pub(super) fn config(&self, token: Token, device: DeviceId) -> ClientConfig {
        let preference = match self.transport {
            Way::Auto => Preference::Auto,
            Way::Webtransport => Preference::Only(Transport::WebTransport),
            Way::Websocket => Preference::Only(Transport::WebSocket),
        };
        let config = ClientConfig::new(&self.url, token, device).transport(preference);
        self.hosts.iter().fold(config, ClientConfig::allow_host)
    }

    /// Whether QUIC may be used.
    pub(super) fn may_quic(&self) -> bool {
        !matches!(self.transport, Way::Websocket)
    }
}

/// Makes tokens with the configured shared secret.
#[derive(Debug, Clone)]
pub(super) struct Mint {
    config: Arc<Config>,
    org: OrgId,
}

impl Mint {
    pub(super) fn new(common: &super::Common, org: OrgId) -> anyhow::Result<Self> {
        let config = Arc::new(common.load()?);
        Ok(Self { config, org })
    }

    /// Tokens for a user, as long as they are needed.
    pub(super) fn token(
        &self,
        user: &UserId,
        role: Role,
        departments: &[DepartmentId],
    ) -> anyhow::Result<Token> {
        let (mint, user, units) = (self.clone(), user.clone(), Units::new(departments.to_vec(), Vec::new()));
        let make = move || {
            let roles = vec![role.as_str().to_owned()];
            super::token::mint(&mint.config, user.clone(), mint.org.clone(), roles, &units, HOURS)
        };
        // What cannot work is told now, not by a client that does not connect.
        make().context("making a token")?;
        Ok(Token::provider(move || {
            let token = make().map_err(|error| TokenError::Denied(format!("{error:#}")));
            async move { token }
        }))
    }
}

/// The token that was given: itself, or `@` and the name of a file that holds it.
pub(super) fn given(token: &str) -> anyhow::Result<Token> {
    match token.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(Path::new(path)).with_context(|| path.to_owned())?;
            Ok(Token::fixed(text.trim()))
        }
        None => Ok(Token::fixed(token)),
    }
}

/// A device id that no other run has.
pub(super) fn device(prefix: &str) -> anyhow::Result<DeviceId> {
    Ok(DeviceId::new(&format!("{prefix}-{}", random()?))?)
}

/// 128 random bits in hexadecimal.
pub(super) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).context("no random numbers")?;
    Ok(id::hex(&bytes))
}

/// Waits for the first connection. Says at once why there is none yet, and that it is waited for.
pub(super) async fn opened(client: &Client) -> anyhow::Result<Transport> {
    let mut state = client.state();
    let waiting = async {
        if let Ok(state) = state.wait_for(|state| matches!(state, State::Backoff { .. })).await
            && let State::Backoff { cause, .. } = &*state
        {
            eprintln!("no connection: {}; trying for {} s", clean(&cause.to_string()), REACH.as_secs());
        }
        std::future::pending().await
    };
    let opened = async {
        tokio::select! { opened = client.opened() => opened, never = waiting => never }
    };
    match timeout(REACH, opened).await {
        Ok(Ok(transport)) => Ok(transport),
        Ok(Err(CloseReason::Refused(error))) if error.code == ErrorCode::AuthFailed => {
            bail!("{error} (is it signed with this server's secret? see --data-dir and --config)")
        }
        Ok(Err(reason)) => bail!("{reason}"),
        Err(_) => match &*client.state().borrow() {
            State::Backoff { cause, .. } => bail!("{cause}"),
            _ => bail!("the server does not answer"),
        },
    }
}

/// The time of day.
pub(super) fn now() -> UnixMs {
    Clock::system().now()
}

/// How people call a transport.
pub(super) const fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::WebTransport => "WebTransport",
        Transport::WebSocket => "WebSocket",
    }
}

/// Words of others, fit for a terminal: control characters could do anything there.
pub(super) fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || is_direction(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// Characters that turn the direction of text, and so may show a line as another one.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Ctrl-C and SIGTERM.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("signals")?,
            terminate: signal(SignalKind::terminate()).context("signals")?,
        })
    }

    /// Waits for one. Cancel safe.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn nothing_of_others_controls_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd} c\u{fffd}d");
        assert_eq!(clean("Grüße, 你好 👋"), "Grüße, 你好 👋");
    }
}
