//! Staying with a newer token.

use std::{rc::Rc, sync::Arc};

use fanfare_proto::{
    ErrorBody, ErrorCode,
    command::{Channel, TokenRefresh},
    event::TokenRefreshed,
};
use serde_json::{Value, json};

use super::Session;
use crate::auth::jwt::Refused;

impl Session {
    /// `token:refresh`. What is followed, and what is sent unasked, goes on as far as the new rights grant it; the rest ends
    /// before the answer.
    pub(super) async fn refresh(self: &Rc<Self>, command: &TokenRefresh) -> Result<Value, ErrorBody> {
        let clock = &self.local.services.clock;
        let verified = self.verifier.verify(&command.token, clock.now(), clock.elapsed()).await;
        let newer = verified.map_err(Refused::error)?;
        let connection = &self.member().connection;
        let services = &self.local.services;
        // Known is known here, even when it is some time ago: whoever is connected already would otherwise be cut off
        // by a store that is away for longer than a token lasts.
        let device = connection.device.as_ref();
        if let Some(refused) = services.revocations.refusal(&newer, device, services.clock.wall()) {
            return Err(refused.error());
        }
        let current = self.identity();
        if !newer.is_same_user(&current) {
            return Err(ErrorCode::Unauthorized.with("a token of somebody else"));
        }
        let mut resubscribe: Vec<Channel> = Vec::new();
        if !newer.has_same_rights(&current) {
            resubscribe = self.regrant(&newer);
            self.rehear(&newer);
        }
        let answer = TokenRefreshed { expires_at: newer.expires_at, roles: newer.role_names(), resubscribe };
        let newer = Arc::new(newer);
        connection.renew(newer.clone());
        // Revoked between the look above and now, when it was not yet found here.
        let device = connection.device.as_ref();
        if let Some(refused) = services.revocations.refusal(&newer, device, services.clock.wall()) {
            self.outbox.close(refused.close());
        }
        self.refreshed.notify_one();
        Ok(json!(answer))
    }
}
