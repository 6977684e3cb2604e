//! One program at a time changes the tables.
//!
//! The lock is a row that its owner's number tells apart. It lapses by itself, so that who dies does not hold the others
//! up for good, and is renewed before each change, which may take as long as [`SCHEMA`]: it never lapses during one.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    connect::{Refusal, SCHEMA},
    tables::{Keyspace, meta},
    value::random,
};

/// Seconds for which it is held unless it is renewed.
const LIFE: i32 = 2 * SCHEMA.as_secs() as i32;

pub(super) struct Lock<'a> {
    keyspace: Keyspace<'a>,
    owner: i64,
}

impl<'a> Lock<'a> {
    /// Waits until nobody else has it, for a little longer than who died can hold it.
    pub(super) async fn take(keyspace: Keyspace<'a>) -> Result<Self, Refusal> {
        let lock = Self { keyspace, owner: (random() >> 1).cast_signed() };
        let deadline = Instant::now() + Duration::from_secs(LIFE as u64 + 10);
        let insert = "INSERT INTO meta (name, value) VALUES ('lock', ?) IF NOT EXISTS USING TTL ?";
        loop {
            let refusal = match keyspace.cas(insert, (lock.owner, LIFE)).await {
                Ok(true) => return Ok(lock),
                // By an attempt whose answer was lost.
                Ok(false) if meta(keyspace, "lock").await? == Some(lock.owner) => return Ok(lock),
                Ok(false) => held(),
                Err(Refusal::Away(why)) => Refusal::Away(why),
                Err(never) => return Err(never),
            };
            if Instant::now() > deadline {
                return Err(refusal);
            }
            // Its holder tells nobody when it is done: the row is looked at again.
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Refuses if it is another's by now.
    pub(super) async fn renew(&self) -> Result<(), Refusal> {
        let update = "UPDATE meta USING TTL ? SET value = ? WHERE name = 'lock' IF value = ?";
        let ours = self.keyspace.cas(update, (LIFE, self.owner, self.owner)).await?;
        if ours { Ok(()) } else { Err(held()) }
    }

    /// Another's stays.
    pub(super) async fn release(self) -> Result<(), Refusal> {
        let delete = "DELETE FROM meta WHERE name = 'lock' IF value = ?";
        self.keyspace.cas(delete, (self.owner,)).await.map(drop)
    }
}

fn held() -> Refusal {
    Refusal::Away("another program is changing the tables".to_owned())
}
