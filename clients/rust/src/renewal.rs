//! A newer token in the place of one that is about to end, on the same connection.

use std::time::Duration;

use fanfare_proto::{RequestId, UnixMs};
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use crate::{Token, TokenError, actor::until};

/// A token is renewed when a fifth of its life is left, of a long one a minute before its end.
const PART: u64 = 5;
const AHEAD_MS: u64 = 60_000;
/// A renewal that failed is tried again so much later.
const AGAIN: Duration = Duration::from_secs(10);
/// How long the application may take to give a token.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longer than any connection.
const FAR_MS: u64 = 365 * 24 * 3600 * 1000;

/// Whether and when a connection's token is renewed.
#[derive(Default)]
pub(crate) struct Renewal {
    /// When the next one is asked for; never, where there is no other.
    at: Option<Instant>,
    /// The same on the server's clock, which goes on while the machine sleeps.
    due: Option<UnixMs>,
    /// The application has been asked for it.
    asked: Option<BoxFuture<'static, Result<String, TokenError>>>,
    /// It is on its way to the server.
    sent: Option<(u64, String)>,
}

/// What the application gives, unless that takes too long.
pub(crate) fn in_time(source: &Token) -> impl Future<Output = Result<String, TokenError>> + Send + use<> {
    let asked = timeout(PATIENCE, source.get());
    let late = || TokenError::Temporary("the application gave no token in time".into());
    async move { asked.await.unwrap_or_else(|_| Err(late())) }
}

impl Renewal {
    /// The token in use ends then; it is `now` on the server's clock.
    pub(crate) fn ends(&mut self, expires_at: UnixMs, now: UnixMs) {
        let life = expires_at.since(now).min(FAR_MS);
        let wait = life - (life / PART).min(AHEAD_MS);
        self.at = Some(Instant::now() + Duration::from_millis(wait));
        self.due = Some(now.plus(wait));
    }

    /// Looks at the clock: the machine may have slept, and timers with it.
    pub(crate) fn look(&mut self, now: UnixMs) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.at = Some(Instant::now());
        }
    }

    /// A newer token, when it is time for one. May be dropped at any point, and goes on when it is called again.
    pub(crate) async fn token(&mut self, source: &Token) -> Result<String, TokenError> {
        if self.asked.is_none() {
            until(self.at).await;
            (self.at, self.due) = (Some(Instant::now() + AGAIN), None);
            self.asked = Some(Box::pin(in_time(source)));
        }
        let given = match &mut self.asked {
            Some(asked) => asked.await,
            None => std::future::pending().await,
        };
        self.asked = None;
        given
    }

    pub(crate) fn sent(&mut self, id: u64, token: String) {
        self.sent = Some((id, token));
    }

    /// The token that the server has answered by this.
    pub(crate) fn answered(&mut self, re: &RequestId) -> Option<String> {
        self.sent.take_if(|(id, _)| *re == RequestId::Number(*id)).map(|(_, token)| token)
    }
}
