//! The server is going away: the next connection is opened beside the one that there is, which goes on meanwhile.

use std::time::Duration;

use fanfare_proto::{command::MAX_CURSORS, event::GoingAway};
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    Loss,
    actor::Actor,
    connect::{Attempt, Opened},
    session::Session,
};

/// The longest notice believed.
const MAX_NOTICE: Duration = Duration::from_mins(1);

/// A move, from the server's word on.
#[derive(Default)]
pub(crate) struct Moving {
    /// When it begins.
    pub(crate) at: Option<Instant>,
    attempt: Option<BoxFuture<'static, Result<Opened, Loss>>>,
}

impl Moving {
    /// The connection that was opened, or why there is none.
    pub(crate) async fn opened(&mut self) -> Result<Opened, Loss> {
        match &mut self.attempt {
            Some(attempt) => {
                let result = attempt.await;
                self.attempt = None;
                result
            }
            None => std::future::pending().await,
        }
    }
}

impl Actor {
    /// Moves at a random moment of the first half of the notice, as others move too.
    pub(crate) fn go_away(&mut self, session: &mut Session, going: &GoingAway) {
        let notice = Duration::from_millis(going.within_ms).min(MAX_NOTICE);
        self.expect_back();
        session.moving.at = Some(Instant::now() + self.shared.environment.part_of(notice / 2));
    }

    /// Opens a connection beside this one. What both bring is told apart by the cursors.
    pub(crate) fn begin_move(&mut self, session: &mut Session) {
        session.moving.at = None;
        let Some(token) = self.token.clone() else { return };
        let attempt = self.attempt_with(token, Box::new(|| {}));
        session.moving.attempt = Some(Box::pin(attempt.run()));
    }

    pub(crate) fn attempt_with(&self, token: String, greeting: Box<dyn Fn() + Send + Sync>) -> Attempt {
        Attempt {
            dialer: self.dialer.clone(),
            transports: self.transports(),
            token,
            device_id: self.config.device_id.clone(),
            cursors: self.cursors.newest(MAX_CURSORS),
            compress: self.config.compress,
            limits: self.config.limits.clone(),
            greeting,
        }
    }
}
