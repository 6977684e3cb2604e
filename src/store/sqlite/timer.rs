//! The timer shape: what is to happen later, at least once.

use bytes::Bytes;
use fanfare_proto::UnixMs;
use rusqlite::params;

use super::{
    core::Core,
    value::{int, nat},
    writer::Database,
};
use crate::store::{StoreError, Timer, damage};

/// What a timer costs in the writer's queue.
pub(super) fn size(timer: &Timer) -> usize {
    64 + timer.key.len() + timer.data.len()
}

/// Moving a timer also ends the lease of who had taken it.
pub(super) fn set(core: &mut Core, timer: &Timer) -> Result<(), StoreError> {
    core.connection()
        .prepare_cached(
            "INSERT INTO timer (key, due, wake, data) VALUES (?1, ?2, ?2, ?3)
             ON CONFLICT DO UPDATE SET due = ?2, wake = ?2, data = ?3",
        )?
        .execute(params![timer.key, int(timer.due.0), &timer.data[..]])?;
    Ok(())
}

/// The longest overdue first; one whose lease has run out counts from the end of the lease.
pub(super) fn due(
    core: &mut Core,
    now: UnixMs,
    lease_ms: u64,
    limit: usize,
) -> Result<Vec<Timer>, StoreError> {
    let connection = core.connection();
    let mut due = Vec::new();
    {
        let mut statement = connection.prepare_cached(
            "SELECT key, due, data FROM timer WHERE wake <= ?1 ORDER BY wake, key LIMIT ?2",
        )?;
        let mut rows = statement.query(params![int(now.0), int(limit as u64)])?;
        while let Some(row) = rows.next()? {
            let timer = || -> rusqlite::Result<Timer> {
                let data: Vec<u8> = row.get(2)?;
                Ok(Timer { key: row.get(0)?, due: UnixMs(nat(row, 1)?), data: Bytes::from(data) })
            };
            due.extend(damage::readable("timer", || format!("due at {:?}", row.get::<_, i64>(1)), timer()));
        }
    }
    let mut lease = connection.prepare_cached("UPDATE timer SET wake = ?2 WHERE key = ?1")?;
    for timer in &due {
        lease.execute(params![timer.key, int(now.plus(lease_ms).0)])?;
    }
    drop(lease);
    Ok(due)
}

pub(super) fn clear(core: &mut Core, key: &str) -> Result<(), StoreError> {
    core.connection().prepare_cached("DELETE FROM timer WHERE key = ?1")?.execute([key])?;
    Ok(())
}
