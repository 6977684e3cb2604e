//! Staying with a newer token.

use std::rc::Rc;

use fanfare_proto::{
    ErrorBody, ErrorCode,
    command::{Channel, TokenRefresh},
    event::TokenRefreshed,
};
use serde_json::{Value, json};

use super::Session;
use crate::auth::jwt::Refused;

impl Session {
    /// `token:refresh`. What was subscribed to under other rights ends before the answer.
    pub(super) async fn refresh(&self, command: &TokenRefresh) -> Result<Value, ErrorBody> {
        let verified = self.verifier.verify(&command.token, self.local.services.clock.now()).await;
        let newer = verified.map_err(Refused::error)?;
        let current = self.identity();
        if !newer.is_same_user(&current) {
            return Err(ErrorCode::Unauthorized.with("a token of somebody else"));
        }
        let resubscribe: Vec<Channel> = if newer.has_same_rights(&current) {
            Vec::new()
        } else {
            self.following.borrow_mut().drain().map(|(channel, _)| channel).collect()
        };
        let answer = TokenRefreshed { expires_at: newer.expires_at, roles: newer.role_names(), resubscribe };
        self.identity.replace(Rc::new(newer));
        self.refreshed.notify_one();
        Ok(json!(answer))
    }
}
