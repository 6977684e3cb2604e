//! Where tokens come from.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not now; the client asks again after a back-off.
    #[error("{0}")]
    Temporary(String),
    /// Never: the user logged out, for example. The client ends.
    #[error("{0}")]
    Denied(String),
}

/// Where the client takes its token from.
#[derive(Clone)]
pub struct Token(Source);

#[derive(Clone)]
enum Source {
    Fixed(Arc<str>),
    Provider(Arc<dyn Fn() -> BoxFuture<'static, Result<String, TokenError>> + Send + Sync>),
}

impl Token {
    /// One token. When it has expired the client ends.
    pub fn fixed(token: impl Into<Arc<str>>) -> Self {
        Self(Source::Fixed(token.into()))
    }

    /// Asked for a token at the start, again before that one ends, and when the server says that it has expired.
    pub fn provider<F, R>(provider: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        Self(Source::Provider(Arc::new(move || Box::pin(provider()))))
    }

    /// Whether asking again may give another token.
    pub(crate) fn renewable(&self) -> bool {
        matches!(self.0, Source::Provider(_))
    }

    pub(crate) fn get(&self) -> BoxFuture<'static, Result<String, TokenError>> {
        match &self.0 {
            Source::Fixed(token) => Box::pin(std::future::ready(Ok(trimmed(token)))),
            Source::Provider(provider) => {
                let asked = provider();
                Box::pin(async move { Ok(trimmed(&asked.await?)) })
            }
        }
    }
}

/// Read from a file or a program's output it may end in a line feed, which is no part of it.
fn trimmed(token: &str) -> String {
    token.trim().to_owned()
}

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self::fixed(token)
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self::fixed(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
