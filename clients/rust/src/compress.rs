//! Compression, where the server agreed to it: large requests go out compressed, and what comes is inflated, within
//! bounds, whoever the server is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::{Bytes, BytesMut};
use fanfare_proto::{deflate, frame};

/// Requests of more bytes than this are worth it.
const ABOVE: usize = 1024;

/// Whether the server takes compressed requests, which its answer to the greeting tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agreed(Arc<AtomicBool>);

impl Agreed {
    pub(crate) fn agree(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Puts a request of the ordered stream into a frame.
    pub(crate) fn frame(&self, text: &str, out: &mut BytesMut) {
        match self.compressed(text, &[]) {
            Some(compressed) => frame::encode_compressed(&compressed, out),
            None => frame::encode(text.as_bytes(), out),
        }
    }

    /// A request as a binary message, where it gets smaller by that.
    pub(crate) fn message(&self, text: &str) -> Option<Vec<u8>> {
        self.compressed(text, &[deflate::MARK])
    }

    fn compressed(&self, text: &str, prefix: &[u8]) -> Option<Vec<u8>> {
        let worth = text.len() > ABOVE && self.0.load(Ordering::Relaxed);
        worth.then(|| deflate::deflate(text.as_bytes(), prefix)).flatten()
    }
}

/// An event of the server.
pub(crate) fn inflate(bytes: &[u8]) -> Result<Bytes, String> {
    deflate::inflate(bytes, frame::MAX_EVENT).map(Bytes::from).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_compressed_before_it_was_agreed_upon_and_nothing_small_ever() {
        let (small, large) = ("x".repeat(ABOVE), "x".repeat(ABOVE + 1));
        let agreed = Agreed::default();
        assert_eq!(agreed.message(&large), None);
        agreed.clone().agree();
        assert_eq!(agreed.message(&small), None);
        let message = agreed.message(&large).unwrap();
        assert_eq!(message[0], deflate::MARK);
        assert_eq!(inflate(&message[1..]).unwrap(), large);

        let mut stream = BytesMut::new();
        agreed.frame(&small, &mut stream);
        agreed.frame(&large, &mut stream);
        let mut next = || frame::decode(&mut stream, frame::MAX_EVENT).unwrap().unwrap();
        assert_eq!(next(), frame::Content::Text(small.into()));
        assert_eq!(next(), frame::Content::Compressed(Bytes::copy_from_slice(&message[1..])));
    }

    #[test]
    fn a_server_cannot_fill_the_memory() {
        let bomb = deflate::deflate(&vec![0; 64 * frame::MAX_EVENT], &[]).unwrap();
        assert!(bomb.len() < frame::MAX_EVENT);
        assert!(inflate(&bomb).is_err());
    }
}
