//! The TypeScript client's types are those of this crate.

use fanfare_proto::{event::name, typescript::generate};

#[test]
fn the_generated_file_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/typescript/src/generated.ts");
    let found = std::fs::read_to_string(path).expect("generated.ts is readable");
    assert!(
        found == generate(),
        "generated.ts is not current. Renew it with\n  cargo run -p fanfare-proto --features typescript \
         --example typescript > clients/typescript/src/generated.ts"
    );
}

#[test]
fn every_event_is_there() {
    let text = generate();
    let answers = [name::AUTHENTICATED, name::REPLY, name::CLIENT_PONG];
    for event in name::ALL.iter().filter(|event| !answers.contains(event)) {
        assert!(text.contains(&format!("  '{event}': ")), "{event} has no type in typescript.rs");
    }
}
