//! Framing of JSON events on a stream: the length as an unsigned 32-bit big-endian number, then the text.
//!
//! WebSocket messages need no framing: a text message is an event.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before each event on a stream.
pub const HEADER: usize = 4;

/// Default of the largest event a server takes, in bytes.
pub const MAX_EVENT: usize = 1024 * 1024;

/// Largest event a server sends, in bytes. Small, so that an urgent event never waits behind a big one.
pub const MAX_SENT: usize = 32 * 1024;

/// A frame announces more bytes than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes is larger than the {limit} allowed")]
pub struct TooLarge {
    /// What the frame announces.
    pub length: usize,
    /// What is allowed.
    pub limit: usize,
}

/// Appends one framed event.
pub fn encode(event: &[u8], out: &mut BytesMut) {
    out.reserve(HEADER + event.len());
    out.put_u32(event.len() as u32);
    out.put_slice(event);
}

/// Takes the first whole event off `buffer`; `None` while it is incomplete.
///
/// Never reserves for what a header only promises: a buffer grows by what has arrived.
pub fn decode(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, TooLarge> {
    let Some(header) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*header) as usize;
    if length > limit {
        return Err(TooLarge { length, limit });
    }
    if buffer.len() < HEADER + length {
        return Ok(None);
    }
    buffer.advance(HEADER);
    Ok(Some(buffer.split_to(length).freeze()))
}
