//! Writes the vectors as seeds for the fuzz targets: `cargo run -p fanfare-proto --example seeds -- fuzz/corpus`.

use std::{error::Error, fs, path::Path};

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args().nth(1).ok_or("usage: seeds CORPUS")?;
    let corpus = Path::new(&corpus);

    let refusals = read("refusals.json")?;
    let requests = wires("commands.json")?
        .into_iter()
        .chain(texts(&refusals["accepted"], "text"))
        .chain(texts(&refusals["refused"], "text"));
    write(corpus, "request", requests)?;
    write(corpus, "server_event", wires("events.json")?)?;

    let frames = read("frames.json")?;
    let frames = ["frames", "incomplete", "too_large"].iter().flat_map(|kind| hexes(&frames[kind]));
    let chunked = frames.flat_map(|stream| [0_u8, 2, 255].map(|pieces| [&[pieces], &stream[..]].concat()));
    let compressed = read("compressed.json")?;
    let framed = items(&compressed["compressed"]).filter_map(|vector| vector["frame"].as_str()).map(unhex);
    let framed: Vec<_> = framed.collect();
    let marked = framed.iter().map(|frame| [&[255], &frame[..]].concat());
    write(corpus, "frame", chunked.chain(marked))?;
    let contents = framed.iter().map(|frame| frame[4..].to_vec());
    write(corpus, "inflate", contents.chain(hexes(&compressed["bad"])))?;

    let packets = read("ticks.json")?;
    let fixes = ["fixes", "also_fixes", "bad_fixes"].iter().flat_map(|kind| hexes(&packets[kind]));
    write(corpus, "fixes", fixes)?;
    let ticks = ["ticks", "bad_ticks"].iter().flat_map(|kind| hexes(&packets[kind]));
    write(corpus, "ticks", ticks)?;

    let names = read("names.json")?;
    let plain = ["ids", "bad_ids", "bad_topics"]
        .iter()
        .flat_map(|kind| items(&names[kind]))
        .filter_map(|text| text.as_str().map(|text| text.as_bytes().to_vec()));
    let cursors = ["cursors", "bad_cursors"]
        .iter()
        .flat_map(|kind| items(&names[kind]))
        .map(|cursor| cursor.to_string().into_bytes());
    write(corpus, "names", plain.chain(cursors).chain(texts(&names["topics"], "text")))?;
    Ok(())
}

fn read(name: &str) -> Result<Value, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn wires(name: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let vectors = read(name)?;
    Ok(items(&vectors).map(|vector| vector["wire"].to_string().into_bytes()).collect())
}

fn texts(list: &Value, field: &str) -> Vec<Vec<u8>> {
    let texts = items(list).filter_map(|item| item[field].as_str());
    texts.map(|text| text.as_bytes().to_vec()).collect()
}

fn hexes(list: &Value) -> Vec<Vec<u8>> {
    items(list).filter_map(|item| item["hex"].as_str()).map(unhex).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

fn write(
    corpus: &Path,
    target: &str,
    seeds: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(), Box<dyn Error>> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}
