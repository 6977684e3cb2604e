//! Any bytes as a request: refused shortly, or a request that survives being written.
#![no_main]

use fanfare_proto::{Command, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match Request::parse(bytes) {
    Ok(request) => {
        let json = request.to_json().expect("what was read can be written");
        let again = Request::parse(json.as_bytes()).expect("what was written can be read");
        assert_eq!(again.id, request.id);
        // Floating-point numbers of many digits may come back off by the last bit; fixes are compared by `fixes`.
        if !matches!(request.command, Command::LocationUpdate(_)) {
            assert_eq!(again, request);
        }
    }
    Err(refusal) => assert!(refusal.error.message.len() < 1000),
});
