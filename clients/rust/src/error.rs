//! What can go wrong with a request, and why a client ended.

use fanfare_proto::{Advice, ErrorBody};

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused it.
    #[error("refused: {0}")]
    Refused(ErrorBody),
    /// No answer in time. Whether it was done is unknown; a repeat with the same client id does no harm.
    #[error("no answer in time")]
    Timeout,
    /// Too many requests are unanswered. This one was not sent.
    #[error("too many unanswered requests")]
    Busy,
    /// The connection was lost, and the request is of a kind that is not repeated.
    #[error("the connection was lost")]
    ConnectionLost,
    /// The client has ended.
    #[error("the client is closed")]
    Closed,
    /// The answer is not what the request is answered with.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// The client sends this command itself.
    #[error("{0} is sent by the client itself")]
    Reserved(&'static str),
    /// A value cannot be sent.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    Config(String),
    /// The store of fixes failed.
    #[error("store of fixes: {0}")]
    Store(String),
}

/// Why a client ended for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application closed it, or dropped its last handle.
    #[error("closed by the application")]
    ByApplication,
    /// The server refused the greeting.
    #[error("the server refused: {0}")]
    Refused(ErrorBody),
    /// The server closed with a code that says not to come back.
    #[error("the server closed: {code} {reason}")]
    Server {
        /// The code: see [`fanfare_proto::CloseCode`].
        code: u32,
        /// Its reason.
        reason: String,
    },
    /// There is no token to come back with.
    #[error("no token: {0}")]
    Token(String),
}

/// Why there is no connection at the moment, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// No transport reached the server.
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// The server answered `authenticate` with an error.
    #[error("refused: {0}")]
    Refused(ErrorBody),
    /// The server closed with a code.
    #[error("closed by the server: {code} {reason}")]
    Closed {
        /// The code: see [`fanfare_proto::CloseCode`].
        code: u32,
        /// Its reason.
        reason: String,
    },
    /// The connection broke, or nothing was heard for too long.
    #[error("connection lost: {0}")]
    Broken(String),
    /// The application did not take its events in time. What it has not taken is asked for again.
    #[error("the application reads its events too slowly")]
    SlowConsumer,
    /// The server said something that is no event.
    #[error("the server sent what cannot be read")]
    Unreadable,
    /// The token provider cannot give a token now.
    #[error("no token now: {0}")]
    NoToken(String),
    /// The token provider will not give a token.
    #[error("no token: {0}")]
    TokenDenied(String),
}

impl Loss {
    /// What the server's code says about coming back, where it gave one.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Closed { code, .. } => Some(Advice::of(*code)),
            _ => None,
        }
    }
}
