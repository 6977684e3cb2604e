//! Imports between the server's modules go one way. This reads the sources, and fails where one points upwards.

#![allow(clippy::unwrap_used)]

mod reader;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use reader::{paths, tokens};

/// Each module of the library with the paths of other modules that it may use. A row names only modules of rows
/// above it, so the directions cannot form a circle. What stands here and is used nowhere is an error as well: the
/// table says how things are.
const MAY_USE: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("time", &[]),
    ("limit", &["time::Elapsed"]),
    ("metrics", &[]),
    ("stage", &[]),
    ("files", &[]),
    ("net", &["files", "limit::LogLimiter", "time::Clock"]),
    ("frame", &["metrics", "net"]),
    ("outbox", &["frame::Frame"]),
    ("auth", &["id", "limit::LogLimiter", "metrics", "time::Elapsed", "time::Wall"]),
    ("store", &["id", "limit::LogLimiter", "time::Clock"]),
    ("error", &["id::Tenant", "limit::LogLimiter", "store::StoreError", "time::Clock"]),
    (
        "config",
        &[
            "auth",
            "frame",
            "net::BadOrigin",
            "net::Origins",
            "net::public",
            "outbox::Bounds",
            "store::FixClass",
            "store::scylla::LARGEST",
        ],
    ),
    ("crowd", &["config::Limits", "limit", "time::Elapsed"]),
    (
        "hub",
        &[
            "auth::Identity",
            "frame::Frame",
            "id",
            "metrics",
            "net::Packet",
            "outbox::StateKey",
            "store::Committed",
            "store::Event",
        ],
    ),
    ("shard", &["hub", "id", "metrics", "net::Datagrams", "net::Packet", "outbox", "store"]),
    (
        "domain",
        &[
            "auth",
            "config",
            "crowd",
            "error",
            "frame::Frame",
            "hub",
            "id",
            "limit::LogLimiter",
            "metrics",
            "net::Packet",
            "outbox",
            "shard",
            "store",
            "time",
        ],
    ),
    (
        "session",
        &[
            "auth", "config", "crowd", "domain", "error", "hub", "id", "limit", "metrics", "outbox", "shard",
            "stage", "store", "time",
        ],
    ),
    (
        "http",
        &[
            "auth",
            "config::ForwardedHeaders",
            "config::Tiles",
            "crowd",
            "domain",
            "hub",
            "id::Tenant",
            "metrics",
            "net",
            "stage",
        ],
    ),
    (
        "connection",
        &[
            "auth::jwt",
            "crowd::Visitor",
            "frame::Compressor",
            "metrics",
            "net",
            "outbox",
            "session",
            "shard",
            "stage",
        ],
    ),
    (
        "server",
        &[
            "auth::revocation::Revocations",
            "config",
            "connection",
            "crowd",
            "domain",
            "files",
            "http",
            "hub",
            "metrics",
            "net",
            "session",
            "shard",
            "stage",
            "store",
            "time",
        ],
    ),
];

/// Paths that one file alone of its module may use, with the files below its folder.
const ONLY_IN: &[(&str, &str, &str)] = &[
    // Ticks are packed once for all receivers, so the table makes packets. No other domain knows of any.
    ("domain", "net::Packet", "domain/location/table.rs"),
];

/// Functions that only these files, or the files below these folders, may call; tests of their own besides. That a tenant comes
/// from nowhere else is what keeps organisations apart.
const ONLY_CALLED_IN: &[(&str, &str, &[&str])] = &[
    ("Tenant", "verified", &["auth/"]),
    // What servers leave in the store for each other says whose it is: revocations, and who is there.
    ("Tenant", "stored", &["store/", "domain/revocation.rs", "domain/presence/pages.rs"]),
];

/// Other crates that one part alone may use.
const CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("h3", &["net"]),
    ("h3_datagram", &["net"]),
    ("h3_webtransport", &["net"]),
    ("hyper", &["net"]),
    ("tokio_rustls", &["net"]),
    // The endpoint belongs to the server, its connections to the transport.
    ("quinn", &["net", "server"]),
    ("axum", &["http", "net"]),
    ("jsonwebtoken", &["auth"]),
    ("reqwest", &["auth"]),
];

#[test]
fn imports_go_one_way() {
    let problems: Vec<String> = sources().iter().flat_map(|(file, text)| problems(file, text)).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn the_table_is_a_ladder_and_says_how_things_are() {
    let mut above = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        used.extend(paths(&file, &text).into_iter().map(|path| (module.clone(), path)));
    }
    for (module, allowed) in MAY_USE {
        for path in *allowed {
            let target = path.split("::").next().unwrap_or_default();
            assert!(above.contains(target), "{module}: {target} does not stand above it");
            let is_used = used.iter().any(|(by, path_used)| by == module && covers(path, path_used));
            assert!(is_used, "{module} does not use {path} any more: take it from the table");
        }
        above.insert(*module);
    }
    let lib = fs::read_to_string(root().join("lib.rs")).unwrap();
    let declared: BTreeSet<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, above, "every module of lib.rs has its row");
}

#[test]
fn a_planted_violation_is_found() {
    let found = |file: &str, text: &str| problems(file, text).len();
    // In every form in which an import can be written.
    assert_eq!(found("domain/chat.rs", "use crate::connection::Door;"), 1);
    assert_eq!(found("domain/chat.rs", "use crate::{id::Topic, session::{self, Session}};"), 2);
    assert_eq!(found("domain/chat.rs", "fn f() { crate::session::dispatch(); }"), 1);
    assert_eq!(found("domain/chat.rs", "use super::super::session::Session;"), 1);
    assert_eq!(found("hub.rs", "use super::{id::Topic, domain::Services};"), 1);
    assert_eq!(found("store/sqlite/log.rs", "use crate::hub as publisher;"), 1);
    // Part of a module is not all of it, and what is for one file is not for the next.
    assert_eq!(found("hub.rs", "use crate::net::Link;"), 1);
    assert_eq!(found("hub.rs", "use crate::net::*;"), 1);
    assert_eq!(found("domain/chat.rs", "use crate::net::Packet;"), 1);
    assert_eq!(found("domain/location/table.rs", "use crate::net::{Packet, Link};"), 1);
    // Tenants made of a client's text, under whatever name.
    assert_eq!(found("domain/chat.rs", "fn f(org: OrgId) { Tenant::stored(org) }"), 1);
    assert_eq!(found("http/connections.rs", "fn f(org: OrgId) { crate::id::Tenant::verified(org) }"), 1);
    assert_eq!(found("http/me.rs", "fn f(org: Option<OrgId>) { org.map(Tenant::stored) }"), 1);
    assert_eq!(found("domain/revocation.rs", "fn f(org: OrgId) { Tenant::verified(org) }"), 1);
    assert_eq!(found("domain/chat.rs", "use crate::id::Tenant as T;"), 1);
    assert_eq!(found("domain/chat.rs", "type T = Tenant;"), 1);
    // Other crates.
    assert_eq!(found("domain/chat.rs", "use rusqlite::Connection;"), 1);
    assert_eq!(found("session/mod.rs", "fn f(c: quinn::Connection) {}"), 1);
    assert_eq!(found("new.rs", ""), 1);
}

#[test]
fn what_is_allowed_passes() {
    let passes = |file: &str, text: &str| assert_eq!(problems(file, text), Vec::<String>::new());
    passes("domain/chat.rs", "use super::notice; use crate::{hub::{self, Hub}, store::*};");
    passes("domain/location/table.rs", "use crate::{hub::Flush, net::Packet};");
    passes("net/webtransport/adapter/streams.rs", "pub(in crate::net::webtransport) struct S;");
    passes("hub.rs", "// crate::session, \"crate::server\"\nconst S: &str = \"crate::server::x\";");
    passes("hub.rs", "/* crate::session */ fn f<'a>(c: char) -> bool { c == '\"' || crate::id::x::<u8>() }");
    passes("auth/issuer.rs", "fn f(org: OrgId) { Tenant::verified(org) }");
    passes("store/sqlite/value.rs", "fn f(org: OrgId) { Tenant::stored(org) }");
    passes(
        "domain/chat.rs",
        "fn f(id: &Tenant) {} #[cfg(test)] mod tests { fn g() { Tenant::stored(org); } }",
    );
    passes("limit.rs", "#[cfg(test)] mod tests { use super::*; }");
}

/// Calls of what the file may not call. A type that is renamed could not be found again, so that counts as well.
fn calls(file: &str, tokens: &[String]) -> Vec<String> {
    let tests = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let end = tokens.windows(tests.len()).position(|window| window == tests).unwrap_or(tokens.len());
    let tokens = &tokens[..end];
    let mut problems = Vec::new();
    for (of, name, places) in ONLY_CALLED_IN {
        let called = tokens.windows(3).any(|three| three == [*of, "::", *name]);
        if called && !places.iter().any(|place| file.starts_with(place)) {
            problems.push(format!("{file} calls {of}::{name}"));
        }
    }
    for of in ONLY_CALLED_IN.iter().map(|(of, ..)| *of).collect::<BTreeSet<_>>() {
        let imported = tokens.windows(2).any(|two| two == [of, "as"]);
        let mut aliases = tokens.split(|token| token == "type").skip(1);
        let aliased = aliases.any(|rest| {
            rest.split(|token| token == ";").next().is_some_and(|alias| alias.ends_with(&[of.to_owned()]))
        });
        if imported || aliased {
            problems.push(format!("{file} renames {of}"));
        }
    }
    problems
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The library's files, by their paths below `src/`. The program around it (`main.rs`, `cli/`) is a crate of its own.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "cli" {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && name != "main.rs" && name != "lib.rs"
            {
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn module_of(file: &str) -> String {
    let first = file.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// Whether what a row allows includes a path.
fn covers(allowed: &str, path: &str) -> bool {
    path == allowed || path.strip_prefix(allowed).is_some_and(|rest| rest.starts_with("::"))
}

/// Whether a file is this one, or below the folder of the same name.
fn is_at(place: &str, file: &str) -> bool {
    file == place || place.strip_suffix(".rs").is_some_and(|folder| Path::new(file).starts_with(folder))
}

fn problems(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{file}: module {module} has no row in the table")];
    };
    let mut problems = Vec::new();
    for path in paths(file, text) {
        let own = covers(&module, &path);
        let elsewhere = ONLY_IN
            .iter()
            .any(|(of, only, place)| *of == module && covers(only, &path) && !is_at(place, file));
        if !own && (elsewhere || !allowed.iter().any(|allowed| covers(allowed, &path))) {
            problems.push(format!("{file} uses {path}"));
        }
    }
    let tokens = tokens(text);
    problems.extend(calls(file, &tokens));
    for (name, owners) in CRATES {
        let used = tokens.windows(2).any(|pair| pair[0] == *name && pair[1] == "::");
        if used && !owners.contains(&module.as_str()) {
            problems.push(format!("{file} uses the crate {name}"));
        }
    }
    problems
}
