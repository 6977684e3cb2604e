//! What is refused at the edge, in the log: each kind once a minute for each sender, and how many were left out.

use std::{fmt::Display, net::IpAddr};

use crate::{limit::LogLimiter, time::Clock};

/// Longest part of a sender's name that counts.
const NAME: usize = 128;

/// Longest reason that is printed, in characters.
const REASON: usize = 200;

/// Who was refused what lately.
#[derive(Debug, Default)]
pub struct Refusals(LogLimiter<String>);

impl Refusals {
    /// A line about a sender at an address, where one is due.
    pub fn note(&self, kind: &'static str, address: IpAddr, reason: impl Display) {
        if let Some(left_out) = self.0.allow_for(kind, address.to_string(), Clock::system().elapsed()) {
            tracing::info!(%address, kind, reason = %shown(&reason), left_out, "refused");
        }
    }

    /// A line about a page that may not connect, where one is due.
    pub fn note_origin(&self, origin: &http::HeaderValue, address: IpAddr) {
        let origin = origin.as_bytes().escape_ascii().to_string();
        let origin = &origin[..origin.len().min(NAME)];
        if let Some(left_out) = self.0.allow_for("origin", origin.to_owned(), Clock::system().elapsed()) {
            tracing::warn!(
                origin,
                %address,
                left_out,
                "a page of this origin may not connect: it is not in the setting `origins`"
            );
        }
    }
}

/// What is printed of a reason. A stranger may have written it: none of it begins another line or moves a cursor.
fn shown(reason: &impl Display) -> String {
    reason.to_string().chars().flat_map(char::escape_debug).take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stays_within_its_line() {
        for (reason, expected) in [
            ("GET /a-b?c", "GET /a-b?c"),
            ("a\nINFO b\r\u{1b}[2J\0", r"a\nINFO b\r\u{1b}[2J\0"),
            ("\u{202e}\u{9b}2J\u{2028}", r"\u{202e}\u{9b}2J\u{2028}"),
            ("Zoë", "Zoë"),
        ] {
            assert_eq!(shown(&reason), expected);
        }
        assert_eq!(shown(&"x".repeat(9000)).len(), REASON);
        assert_eq!(shown(&"\u{1b}".repeat(9000)).len(), REASON);
    }
}
