//! Compression of one event: deflate without a header (RFC 1951). Nothing is kept from one event to the next, so an
//! event that many receive is compressed once, and what one holds says nothing about another.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The name by which `authenticate` and its answer speak of it.
pub const NAME: &str = "deflate-raw";

/// First byte of a binary WebSocket message that is a compressed event. Packets begin with their version.
pub const MARK: u8 = 0x80;

/// Fast: most of what there is to be had, in a fraction of the time.
const LEVEL: u32 = 2;

/// What is reserved at first, for each byte that came. Texts seldom are made smaller than that.
const USUAL_RATIO: usize = 4;

/// Bytes that cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// More came out than allowed. No more than that was inflated.
    #[error("more than {limit} bytes when inflated")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// Not what deflate writes, cut off, or followed by something else.
    #[error("not a deflated event")]
    Corrupt,
}

thread_local! {
    /// About 300 KiB: for each thread that compresses, not for each connection.
    static COMPRESS: RefCell<Option<Compress>> = const { RefCell::new(None) };
}

/// Compresses an event, and puts it behind `prefix`; `None` where it would not get smaller.
pub fn deflate(event: &[u8], prefix: &[u8]) -> Option<Vec<u8>> {
    COMPRESS.with_borrow_mut(|compress| {
        let compress = compress.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        compress.reset();
        // What does not fit is no gain.
        let mut out = Vec::with_capacity(prefix.len() + event.len());
        out.extend_from_slice(prefix);
        match compress.compress_vec(event, &mut out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) if out.len() < prefix.len() + event.len() => {
                out.shrink_to_fit();
                Some(out)
            }
            _ => None,
        }
    })
}

/// The event that was compressed. Whatever `bytes` claim, no more than `limit` + 1 bytes are reserved for it.
pub fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Decompress::new(false);
    // One byte more shows that there is more.
    let most = limit.saturating_add(1);
    let mut out = Vec::new();
    loop {
        let grow = out.len().max(bytes.len().saturating_mul(USUAL_RATIO)).max(64);
        out.reserve_exact(grow.min(most - out.len()));
        let (read, written) = (inflater.total_in(), out.len());
        let rest = bytes.get(read as usize..).unwrap_or_default();
        let status = inflater
            .decompress_vec(rest, &mut out, FlushDecompress::None)
            .map_err(|_| InflateError::Corrupt)?;
        if out.len() > limit {
            return Err(InflateError::TooLarge { limit });
        }
        match status {
            Status::StreamEnd if inflater.total_in() == bytes.len() as u64 => return Ok(out),
            Status::StreamEnd => return Err(InflateError::Corrupt),
            // It wants bytes that are not there.
            _ if out.len() < out.capacity() && inflater.total_in() == bytes.len() as u64 => {
                return Err(InflateError::Corrupt);
            }
            _ if inflater.total_in() == read && out.len() == written => return Err(InflateError::Corrupt),
            _ => {}
        }
    }
}
