//! Fanfare's wire protocol as types: commands, events, ticks, frames, codes. No I/O.
//!
//! `README.md` beside this crate describes the same protocol for readers of other languages.

pub mod code;
pub mod command;
pub mod deflate;
pub mod escape;
pub mod event;
pub mod fix;
pub mod frame;
pub mod id;
pub mod presence;
pub mod tick;
#[cfg(feature = "typescript")]
pub mod typescript;

pub use code::{Advice, CloseCode, ErrorCode};
pub use command::{Command, Refusal, Request, RequestId};
pub use escape::{escape_id, unescape_id};
pub use event::{ErrorBody, ServerEvent};
pub use fix::{BadFix, Fix, JsonFix, Motion, Position};
pub use id::{
    ClientId, ConversationId, Cursor, DepartmentId, DeviceId, Epoch, InvalidId, IssuerId, Lane, MAX_ID,
    OrgId, Seq, TeamId, TokenId, TopicKey, TopicKind, TopicName, UnixMs, UserId,
};
