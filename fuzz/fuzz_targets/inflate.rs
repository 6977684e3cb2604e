//! Any bytes as a compressed event: what comes out is never larger than allowed, and what is written can be read.
#![no_main]

use fanfare_proto::deflate::{self, InflateError};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    match deflate::inflate(bytes, LIMIT) {
        Ok(text) => {
            assert!(text.len() <= LIMIT);
            // It has just that size.
            assert_eq!(deflate::inflate(bytes, text.len()).as_ref(), Ok(&text));
            if let Some(limit) = text.len().checked_sub(1) {
                assert_eq!(deflate::inflate(bytes, limit), Err(InflateError::TooLarge { limit }));
            }
            if let Some(again) = deflate::deflate(&text, &[]) {
                assert_eq!(deflate::inflate(&again, text.len()), Ok(text));
            }
        }
        Err(InflateError::TooLarge { limit }) => assert_eq!(limit, LIMIT),
        Err(InflateError::Corrupt) => {}
    }
    if let Some(compressed) = deflate::deflate(bytes, &[]) {
        assert_eq!(deflate::inflate(&compressed, bytes.len()).as_deref(), Ok(bytes));
    }
});
