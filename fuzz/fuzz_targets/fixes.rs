//! Any bytes as a packet of fixes: what is read can be packed, in JSON too, and is the same.
#![no_main]

use fanfare_proto::{Fix, JsonFix, tick};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Ok(read) = tick::unpack_fixes(packet) else {
        return;
    };
    let fixes: Vec<Fix> = read.into_iter().filter_map(Result::ok).collect();
    let mut again = Vec::new();
    for packet in tick::pack_fixes(&fixes) {
        assert!(packet.len() <= tick::MAX_PACKET);
        let part = tick::unpack_fixes(&packet).expect("what was packed can be read");
        again.extend(part.into_iter().map(|fix| fix.expect("a checked fix stays one")));
    }
    assert_eq!(again, fixes);
    for fix in fixes {
        assert_eq!(Fix::try_from(JsonFix::from(fix)), Ok(fix));
    }
});
