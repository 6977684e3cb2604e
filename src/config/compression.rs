//! Compression of large events.

use serde::Deserialize;

use super::{Invalid, within};
use crate::frame;

/// See [`Config::compression`](super::Config::compression).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compression {
    /// Whether it is offered to clients at all, for either direction.
    pub enabled: bool,
    /// Events of more bytes than this are compressed, for clients that can undo it.
    pub above_bytes: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self { enabled: true, above_bytes: 1024 }
    }
}

impl Compression {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        within(self.above_bytes, frame::SMALL..=16 << 20, "compression.above_bytes")
    }
}
