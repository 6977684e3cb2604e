//! From nothing to an authenticated connection: the race of transports and the greeting.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare_proto::{
    Advice, CloseCode, Command, Cursor, DeviceId, Request, RequestId, ServerEvent,
    command::Authenticate,
    deflate,
    event::{Authenticated, name},
};
use futures::future::BoxFuture;
use serde::de::IgnoredAny;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    Limits, Loss, Transport,
    link::{Ended, INCOMING, Incoming, Link},
    race::race,
};

/// Reaches the server by one transport. Tests give their own.
pub(crate) trait Dialer: Send + Sync + 'static {
    /// What has to be known before dialling, for example where.
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>>;
    /// What is known of where is no longer so: it has to be asked for again.
    fn forget(&self);
    /// What is known of where may no longer be so: it is asked for again while the way there is tried.
    fn doubt(&self);
    /// Opens a connection.
    fn dial(&self, transport: Transport) -> BoxFuture<'_, Result<Link, String>>;
}

/// An authenticated connection.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) link: Link,
    pub(crate) authenticated: Authenticated,
}

/// What one attempt needs.
pub(crate) struct Attempt {
    pub(crate) dialer: Arc<dyn Dialer>,
    /// In the order of their start.
    pub(crate) transports: Vec<Transport>,
    pub(crate) token: String,
    pub(crate) device_id: DeviceId,
    pub(crate) cursors: Vec<Cursor>,
    /// Whether the server is asked to compress.
    pub(crate) compress: bool,
    pub(crate) limits: Limits,
    /// Called when a transport is through and the greeting begins.
    pub(crate) greeting: Box<dyn Fn() + Send + Sync>,
}

/// The id of `authenticate`. Other requests count from 1.
const GREETING: RequestId = RequestId::Number(0);

/// Bytes of events that may come before the answer to the greeting. With more the attempt is given up: the next one
/// resumes where this one would have.
const EARLY: usize = 4 * 1024 * 1024;

impl Attempt {
    /// Races the transports. Who is *authenticated* first wins: a handshake alone may pass where data stalls.
    pub(crate) async fn run(self) -> Result<Opened, Loss> {
        within(self.limits.dial, self.dialer.prepare()).await?;
        let greeting = Request {
            id: Some(GREETING),
            command: Command::Authenticate(Authenticate {
                token: Some(self.token.clone()),
                device_id: Some(self.device_id.clone()),
                cursors: self.cursors.clone(),
                compress: if self.compress { vec![deflate::NAME.to_owned()] } else { Vec::new() },
            }),
        };
        let greeting = greeting.to_json().map_err(|e| Loss::Unreachable(e.to_string()))?;
        let legs = self.transports.iter().map(|transport| {
            let leg = self.leg(*transport, greeting.clone());
            Box::pin(leg) as BoxFuture<'_, _>
        });
        let decides = Loss::holds_everywhere;
        race(legs.collect(), self.limits.head_start, decides)
            .await
            .unwrap_or_else(|| Err(Loss::Unreachable("no transport".into())))
    }

    async fn leg(&self, transport: Transport, greeting: String) -> Result<Opened, Loss> {
        let mut link = within(self.limits.dial, self.dialer.dial(transport)).await?;
        (self.greeting)();
        let mut early = Vec::new();
        let answer = async {
            if link.ordered.send(greeting).await.is_err() {
                // The transport ended; why is in its last word.
            }
            answer(&mut link, &mut early).await
        };
        let authenticated = timeout(self.limits.greeting, answer)
            .await
            .unwrap_or_else(|_| Err(Loss::Unreachable(format!("{transport:?}: no answer"))))?;
        if self.compress && authenticated.compress.as_deref() == Some(deflate::NAME) {
            link.agreed.agree();
        }
        if !early.is_empty() {
            link.incoming = ahead(early, link.incoming);
        }
        Ok(Opened { link, authenticated })
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, Loss> {
    timeout(limit, work).await.unwrap_or_else(|_| Err("no answer in time".into())).map_err(Loss::Unreachable)
}

/// Waits for the answer to the greeting. Urgent events, which have a stream of their own, may overtake it: they are
/// held, as nobody would send them again.
async fn answer(link: &mut Link, early: &mut Vec<Bytes>) -> Result<Authenticated, Loss> {
    let mut held = 0;
    loop {
        let text = match link.incoming.recv().await {
            Some(Incoming::Event(text)) => text,
            Some(Incoming::Packet(_)) => continue,
            Some(Incoming::Ended(ended)) => return Err(Loss::before_greeting(ended)),
            None => return Err(Loss::Unreachable("the transport ended".into())),
        };
        let event = match ServerEvent::parse(&text) {
            Ok(event) if event.re == Some(GREETING) => event,
            Ok(ServerEvent { re: Some(_), .. }) => continue,
            // Of a kind that came later than this version, perhaps: for the session to judge.
            Err(_) if serde_json::from_slice::<IgnoredAny>(&text).is_err() => return Err(Loss::Unreadable),
            Ok(_) | Err(_) => {
                held += text.len();
                if held > EARLY {
                    return Err(Loss::Unreachable("too much before the greeting".into()));
                }
                early.push(text);
                continue;
            }
        };
        return match event.event.as_str() {
            name::AUTHENTICATED => event.data().map_err(|_| Loss::Unreadable),
            name::ERROR => Err(event.data().map_or(Loss::Unreadable, Loss::Refused)),
            _ => Err(Loss::Unreadable),
        };
    }
}

/// Puts events in front of what comes on a connection. Ends with the transport, or with whoever listens.
fn ahead(early: Vec<Bytes>, mut rest: mpsc::Receiver<Incoming>) -> mpsc::Receiver<Incoming> {
    let (sender, receiver) = mpsc::channel(INCOMING);
    tokio::spawn(async move {
        for text in early {
            if sender.send(Incoming::Event(text)).await.is_err() {
                return;
            }
        }
        while let Some(incoming) = rest.recv().await {
            if sender.send(incoming).await.is_err() {
                return;
            }
        }
    });
    receiver
}

impl Loss {
    /// A word of the server about the token or the client, whatever the transport. Not so a deadline that passed:
    /// one transport may stall where another gets through.
    fn holds_everywhere(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Closed { code, .. } => {
                *code == u32::from(CloseCode::TokenExpired.number()) || Advice::of(*code) == Advice::Never
            }
            _ => false,
        }
    }

    fn before_greeting(ended: Ended) -> Self {
        match ended.code {
            Some(code) => Self::Closed { code, reason: ended.reason },
            None => Self::Unreachable(ended.reason),
        }
    }
}
