//! The files of `vectors/`.

use std::{fmt::Write, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The text of a file beside the crate's manifest.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&text(&format!("vectors/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A JSON event, byte for byte as it travels, and its name among the vectors.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) wire: Box<RawValue>,
    /// The command that a `reply` answers.
    pub(crate) answers: Option<String>,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Bytes of hexadecimal digits; white space is for the reader.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}
