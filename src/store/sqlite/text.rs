//! The text shape: full-text search by FTS5.
//!
//! An entry's scope column holds a word that stands for its topic, so the index itself narrows a search to topics;
//! and its id begins with the event's time, so that the newest come first without sorting all that was found.

use fanfare_proto::Seq;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    core::Core,
    topic,
    value::{int, nat},
    writer::Database,
};
use crate::{id::Topic, store::StoreError};

/// Bits of an entry's id that tell events of the same millisecond apart.
const TIE_BITS: u32 = 20;
/// Words of a query that count; a longer query finds what holds the first so many.
const MAX_WORDS: usize = 32;
/// Topics searched at once.
const TOPICS: usize = 256;

/// An event that is not in the log (any more) is not indexed.
pub(super) fn index(core: &mut Core, topic: &Topic, seq: Seq, text: &str) -> Result<(), StoreError> {
    let connection = core.connection();
    let Some(row) = topic::find(connection, topic)?.filter(|row| seq.0 >= row.first && seq.0 <= row.head)
    else {
        return Ok(());
    };
    let place = params![row.id, int(seq.0)];
    let entry: Option<i64> = connection
        .prepare_cached("SELECT id FROM text_entry WHERE topic = ?1 AND seq = ?2")?
        .query_row(place, |row| row.get(0))
        .optional()?;
    if let Some(id) = entry {
        connection.prepare_cached("DELETE FROM text_index WHERE rowid = ?1")?.execute([id])?;
    }
    if text.is_empty() {
        connection.prepare_cached("DELETE FROM text_entry WHERE topic = ?1 AND seq = ?2")?.execute(place)?;
        return Ok(());
    }
    let id = match entry {
        Some(id) => id,
        None => create(connection, row.id, seq)?,
    };
    connection
        .prepare_cached("INSERT INTO text_index (rowid, scope, words) VALUES (?1, ?2, ?3)")?
        .execute(params![id, scope(row.id), text])?;
    Ok(())
}

fn create(connection: &Connection, topic: i64, seq: Seq) -> rusqlite::Result<i64> {
    let at: i64 = connection
        .prepare_cached("SELECT at FROM event WHERE topic = ?1 AND seq = ?2")?
        .query_row(params![topic, int(seq.0)], |row| row.get(0))?;
    let lowest = at.clamp(0, i64::MAX >> TIE_BITS) << TIE_BITS;
    let highest = lowest | ((1 << TIE_BITS) - 1);
    // The next id free in the millisecond. Past a million of them the insert would fail; no disk is that fast.
    connection
        .prepare_cached(
            "INSERT INTO text_entry (id, topic, seq)
             SELECT coalesce(max(id) + 1, ?1), ?3, ?4 FROM text_entry WHERE id BETWEEN ?1 AND ?2",
        )?
        .execute(params![lowest, highest, topic, int(seq.0)])?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn search(
    connection: &Connection,
    topics: &[Topic],
    query: &str,
    limit: usize,
) -> Result<Vec<(Topic, Seq)>, StoreError> {
    let Some(words) = words(query) else {
        return Ok(Vec::new());
    };
    let mut found: Vec<(i64, Topic, Seq)> = Vec::new();
    for topics in topics.chunks(TOPICS) {
        let mut known: Vec<(i64, &Topic)> = Vec::with_capacity(topics.len());
        for topic in topics {
            known.extend(topic::find(connection, topic)?.map(|row| (row.id, topic)));
        }
        if known.is_empty() {
            continue;
        }
        let scopes: Vec<String> = known.iter().map(|(id, _)| scope(*id)).collect();
        let matching = format!("scope : ({}) AND words : ({words})", scopes.join(" OR "));
        let mut statement = connection.prepare_cached(
            "SELECT entry.id, entry.topic, entry.seq
             FROM text_index JOIN text_entry AS entry ON entry.id = text_index.rowid
             WHERE text_index MATCH ?1 ORDER BY text_index.rowid DESC LIMIT ?2",
        )?;
        let mut rows = statement.query(params![matching, int(limit as u64)])?;
        while let Some(row) = rows.next()? {
            let topic: i64 = row.get(1)?;
            let topic = known.iter().find(|(id, _)| *id == topic);
            if let Some((_, topic)) = topic {
                found.push((row.get(0)?, (*topic).clone(), Seq(nat(row, 2)?)));
            }
        }
    }
    found.sort_unstable_by_key(|(id, ..)| std::cmp::Reverse(*id));
    found.dedup_by_key(|(id, ..)| *id);
    Ok(found.into_iter().take(limit).map(|(_, topic, seq)| (topic, seq)).collect())
}

/// The word that stands for a topic.
fn scope(topic: i64) -> String {
    format!("t{topic}")
}

/// The words of a query, each quoted, so that none is taken for syntax. `None` if nothing can be looked for.
fn words(query: &str) -> Option<String> {
    let words: Vec<String> = query
        .split(|c: char| c.is_whitespace() || c.is_control() || c == '"')
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(MAX_WORDS)
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| words.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn no_syntax_leaks_in() {
        assert_eq!(words("big red"), Some("\"big\" AND \"red\"".to_owned()));
        assert_eq!(words("a* OR scope:t1 -x \"q\""), {
            let quoted = ["a*", "OR", "scope:t1", "-x", "q"].map(|word| format!("\"{word}\""));
            Some(quoted.join(" AND "))
        });
        assert_eq!(words(" \0 !! \"\" "), None);
        assert_eq!(words("nul\0led"), Some("\"nul\" AND \"led\"".to_owned()));
    }
}
