//! Agents' ids of the names in files.

use std::collections::HashSet;

use fanfare_client::proto::{UserId, escape_id, id::hex};
use sha2::{Digest, Sha256};

/// Longest id, with room for what stands before it in the id of a device.
const LONGEST: usize = 110;

/// The id of an agent of this name, in any script: shown, it is the name again. A name that somebody has gets a number.
pub(super) fn agent(name: &str, taken: &mut HashSet<UserId>) -> anyhow::Result<UserId> {
    let name = name.trim();
    let name = if name.is_empty() { "agent" } else { name };
    let mut id = UserId::new(&fitting(name))?;
    let mut number = 1_u32;
    while taken.contains(&id) {
        number += 1;
        id = UserId::new(&fitting(&format!("{name} {number}")))?;
    }
    taken.insert(id.clone());
    Ok(id)
}

/// An id of a name. One that is too long is cut, and told apart from others by what it was.
fn fitting(name: &str) -> String {
    let id = escape_id(name);
    if id.len() <= LONGEST {
        return id.into_owned();
    }
    let sum = hex(&Sha256::digest(name)[..6]);
    let mut cut = name;
    loop {
        let mut chars = cut.chars();
        chars.next_back();
        cut = chars.as_str();
        let shorter = format!("{cut}…{sum}");
        let id = escape_id(&shorter);
        if id.len() <= LONGEST {
            return id.into_owned();
        }
    }
}
