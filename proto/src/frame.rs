//! Framing of JSON events on a stream: the length as an unsigned 32-bit big-endian number, then the text. The length's
//! highest bit says that the text is compressed; the length is that of what follows.
//!
//! WebSocket messages need no framing: a text message is an event.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before each event on a stream.
pub const HEADER: usize = 4;

/// Default of the largest event a server takes, in bytes.
pub const MAX_EVENT: usize = 1024 * 1024;

/// Largest event a server sends, in bytes. Small, so that an urgent event never waits behind a big one.
pub const MAX_SENT: usize = 32 * 1024;

/// The bit of a header that says "compressed".
pub const COMPRESSED: u32 = 1 << 31;

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An event's JSON.
    Text(Bytes),
    /// The same [deflated](crate::deflate).
    Compressed(Bytes),
}

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
    put(event.len() as u32, event, out);
}

/// Appends one framed event that was [deflated](crate::deflate).
pub fn encode_compressed(event: &[u8], out: &mut BytesMut) {
    put(event.len() as u32 | COMPRESSED, event, out);
}

fn put(header: u32, event: &[u8], out: &mut BytesMut) {
    out.reserve(HEADER + event.len());
    out.put_u32(header);
    out.put_slice(event);
}

/// The length that a header announces, and whether what follows is compressed.
pub const fn header(header: [u8; HEADER]) -> (usize, bool) {
    let header = u32::from_be_bytes(header);
    ((header & !COMPRESSED) as usize, header & COMPRESSED != 0)
}

/// Takes the first whole frame off `buffer`; `None` while it is incomplete.
///
/// Never reserves for what a header only promises: a buffer grows by what has arrived.
pub fn decode(buffer: &mut BytesMut, limit: usize) -> Result<Option<Content>, TooLarge> {
    let Some(first) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let (length, compressed) = header(*first);
    if length > limit {
        return Err(TooLarge { length, limit });
    }
    if buffer.len() < HEADER + length {
        return Ok(None);
    }
    buffer.advance(HEADER);
    let content = buffer.split_to(length).freeze();
    Ok(Some(if compressed { Content::Compressed(content) } else { Content::Text(content) }))
}
