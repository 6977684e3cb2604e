//! Any bytes as a packet of ticks: what is read can be packed, and is the same.
#![no_main]

use fanfare_proto::{UnixMs, id::MAX_NUMBER, tick};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Ok(read) = tick::unpack_ticks(packet) else {
        return;
    };
    let possible = read.ticks.iter().all(|tick| tick.time.0 <= MAX_NUMBER);
    let base = read.ticks.first().map_or(UnixMs(0), |tick| tick.time);
    let mut again = Vec::new();
    for packet in tick::pack_ticks(&[0], read.view, read.epoch, base, &read.ticks) {
        assert!(packet.len() <= 1 + tick::MAX_PACKET);
        let part = tick::unpack_ticks(&packet[1..]).expect("what was packed can be read");
        assert_eq!((part.view, part.epoch), (read.view, read.epoch));
        again.extend(part.ticks);
    }
    if possible {
        assert_eq!(again, read.ticks);
    }
});
