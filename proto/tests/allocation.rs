//! A promise of many bytes costs no memory. Alone in its binary, because it counts all that is allocated.

#![allow(clippy::unwrap_used)]

use std::{alloc::System, io::Write};

use bytes::BytesMut;
use fanfare_proto::{Request, deflate, frame, tick};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocated(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    region.change().bytes_allocated
}

/// 1 GiB of zeros, deflated.
fn bomb() -> Vec<u8> {
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflater.write_all(&vec![0; 16 << 20]).unwrap();
    deflater.flush().unwrap();
    // The same blocks again and again, and an empty last one.
    [deflater.get_ref().repeat(64), vec![0x03, 0x00]].concat()
}

#[test]
fn forged_lengths_allocate_nothing_much() {
    let mut header = BytesMut::from(&b"\xff\xff\xff\xff"[..]);
    let bytes = allocated(|| assert!(frame::decode(&mut header, frame::MAX_EVENT).is_err()));
    assert_eq!(bytes, 0);
    let mut header = BytesMut::from(&b"\x00\x10\x00\x00"[..]);
    let bytes = allocated(|| assert_eq!(frame::decode(&mut header, frame::MAX_EVENT), Ok(None)));
    assert_eq!(bytes, 0);

    // A count that the limit refuses, and the largest that it lets pass without an entry behind it.
    for count in [&b"\xfd\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\xfc\xff\xff\xff\x7f", b"\xfb\x00\x02"] {
        let fixes = [&[tick::VERSION], count].concat();
        let bytes = allocated(|| assert!(tick::unpack_fixes(&fixes).is_err()));
        assert!(bytes <= 16 * tick::MAX_PACKET, "{bytes} bytes for {count:x?}");
        let ticks = [&[tick::VERSION, 0, 0, 0], count].concat();
        let bytes = allocated(|| assert!(tick::unpack_ticks(&ticks).is_err()));
        assert!(bytes <= 16 * tick::MAX_PACKET, "{bytes} bytes for {count:x?}");
    }

    // A gigabyte of zeros in a megabyte, and in the largest frame of a request: what comes out of the first bytes
    // shows that it is too much.
    let bomb = bomb();
    assert!(bomb.len() <= frame::MAX_EVENT);
    let bytes = allocated(|| {
        let limit = frame::MAX_EVENT;
        assert_eq!(deflate::inflate(&bomb, limit), Err(deflate::InflateError::TooLarge { limit }));
    });
    assert!(bytes <= 2 * frame::MAX_EVENT + 64 * 1024, "{bytes} bytes for a bomb");
    let bytes = allocated(|| assert!(deflate::inflate(&bomb[..1024], 4096).is_err()));
    assert!(bytes <= 64 * 1024, "{bytes} bytes for a small one");

    // Reading an event takes a small multiple of its size, whatever is in it.
    let deep = format!("{{\"event\":\"client:ping\",\"data\":{}", "[".repeat(100_000));
    let bytes = allocated(|| assert!(Request::parse(deep.as_bytes()).is_err()));
    assert!(bytes <= 4 * deep.len(), "{bytes} bytes");
}
