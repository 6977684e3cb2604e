//! README.md cannot rot: each of its examples is one of the vectors, and it names everything there is.

use std::collections::BTreeSet;

use fanfare_proto::{CloseCode, Command, ErrorCode, Request, ServerEvent, event::name};
use serde_json::Value;

use crate::{
    events,
    file::{self, Vector},
};

/// The fenced blocks of README.md in the given language.
fn blocks(language: &str) -> Vec<String> {
    let readme = file::text("README.md");
    let fence = format!("```{language}\n");
    let blocks = readme.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().trim().to_owned()).collect()
}

fn wires(name: &str) -> Vec<(Value, Vector)> {
    let wires: Vec<Vector> = file::read(name);
    wires.into_iter().map(|wire| (serde_json::from_str(wire.wire.get()).unwrap(), wire)).collect()
}

/// A block holds one example or several, as JSON values one after the other.
#[test]
fn examples() {
    let (commands, events) = (wires("commands.json"), wires("events.json"));
    let (mut asked, mut said) = (BTreeSet::new(), BTreeSet::new());
    for block in blocks("json") {
        for example in serde_json::Deserializer::from_str(&block).into_iter::<Value>() {
            let example = example.unwrap_or_else(|error| panic!("{error} in {block}"));
            let text = example.to_string();
            let event = example["event"].as_str().unwrap().to_owned();
            if commands.iter().any(|(value, _)| *value == example) {
                Request::parse(text.as_bytes()).unwrap();
                asked.insert(event);
            } else if let Some((_, wire)) = events.iter().find(|(value, _)| *value == example) {
                ServerEvent::parse(text.as_bytes()).unwrap();
                events::rewrite(&text, wire.answers.as_deref());
                said.insert(wire.answers.clone().unwrap_or(event));
            } else {
                panic!("not among the vectors: {text}");
            }
        }
    }
    let missing: Vec<_> = Command::NAMES.iter().filter(|name| !asked.contains(**name)).collect();
    assert!(missing.is_empty(), "commands without an example: {missing:?}");
    let missing: Vec<_> =
        name::ALL.iter().filter(|name| **name != name::REPLY && !said.contains(**name)).collect();
    assert!(missing.is_empty(), "events without an example: {missing:?}");
}

/// The annotated packet: hexadecimal digits, and from `|` on what they mean.
#[test]
fn packets() {
    let vectors: Value = file::read("ticks.json");
    let known: Vec<Vec<u8>> = ["fixes", "ticks"]
        .iter()
        .flat_map(|kind| vectors[kind].as_array().unwrap())
        .map(|vector| file::bytes(vector["hex"].as_str().unwrap()))
        .collect();
    let blocks = blocks("hex");
    assert!(!blocks.is_empty());
    for block in blocks {
        let digits: String = block.lines().map(|line| line.split('|').next().unwrap()).collect();
        assert!(known.contains(&file::bytes(&digits)), "not among the vectors: {block}");
    }
}

#[test]
fn tables() {
    let readme = file::text("README.md");
    for code in CloseCode::ALL {
        let row = format!("| {} | {} |", code.number(), code.reason());
        assert!(readme.contains(&row), "no row {row}");
    }
    for code in ErrorCode::ALL {
        let row = format!("| `{}` |", serde_json::to_value(code).unwrap().as_str().unwrap());
        assert!(readme.contains(&row), "no row {row}");
    }
    let codes: Value = file::read("codes.json");
    for (limit, value) in codes["limits"].as_object().unwrap() {
        let row = format!("| `{limit}` | {value} |");
        assert!(readme.contains(&row), "no row {row}");
    }
    for reason in codes["bad_fixes"].as_array().unwrap() {
        assert!(readme.contains(&format!("`{}`", reason.as_str().unwrap())));
    }
}
