//! What is refused to whom, for the operator: a line in the log at most once a minute for each kind and party.

use std::net::IpAddr;

use fanfare_proto::{OrgId, UserId};

use super::{Crowd, Full, Site};
use crate::{limit::LogLimiter, time::Elapsed};

/// Who was refused what lately.
#[derive(Debug, Default)]
pub(super) struct Refusals(LogLimiter<String>);

impl Refusals {
    fn log(&self, kind: &'static str, whose: &str, reason: &'static str, now: Elapsed) {
        if let Some(more) = self.0.allow_for(reason, whose.to_owned(), now) {
            tracing::info!(kind, whose, reason, more, "refused");
        }
    }
}

impl Crowd {
    /// Something was refused to a user, or to all of their organisation.
    pub fn log_user(&self, org: &OrgId, user: &UserId, reason: &'static str, now: Elapsed) {
        // What an organisation has used up is refused to each of its users.
        if reason.ends_with("this organisation") {
            self.refusals.log("organisation", org.as_str(), reason, now);
        } else {
            self.refusals.log("user", &format!("{org}/{user}"), reason, now);
        }
    }

    /// Something was refused to an address, or to the network of 64 bits that it is of.
    pub(super) fn log_address(&self, address: IpAddr, reason: &'static str, now: Elapsed) {
        let Site(site) = Site::of(address);
        self.refusals.log("address", &site.to_string(), reason, now);
    }

    /// There was no room for a connection.
    pub(super) fn log_full(&self, full: Full, address: IpAddr, org: &OrgId, user: &UserId, now: Elapsed) {
        match full {
            Full::Address => self.log_address(address, "too many connections from this address", now),
            Full::User => self.log_user(org, user, "too many connections of this user", now),
            Full::Organisation => self.log_user(org, user, "too many connections of this organisation", now),
            Full::Server => self.log_server("too many connections", now),
        }
    }

    /// Something was refused because of all that are here.
    pub fn log_server(&self, reason: &'static str, now: Elapsed) {
        self.refusals.log("server", "", reason, now);
    }
}
