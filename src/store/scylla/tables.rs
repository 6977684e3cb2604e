//! The tables of a keyspace: which version they have, and how they get the next.

use std::collections::HashSet;

use fanfare_proto::Epoch;
use scylla::{
    client::session::Session,
    errors::ExecutionError,
    response::query_result::QueryResult,
    serialize::row::SerializeRow,
    statement::{Consistency, Statement},
};

use super::{
    connect::{Refusal, SCHEMA},
    lock::Lock,
    options::Options,
    schema,
    statements::in_keyspace,
    value::{Failed, applied, random, rows},
};
use crate::store::{FixClass, StoreError};

/// A keyspace, by way of a session.
#[derive(Clone, Copy)]
pub(super) struct Keyspace<'a> {
    pub(super) session: &'a Session,
    pub(super) name: &'a str,
}

impl Keyspace<'_> {
    pub(super) async fn create(self, replication: &str) -> Result<(), Refusal> {
        let name = self.name;
        self.change(&format!("CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {replication}")).await
    }

    pub(super) async fn exists(self) -> Result<bool, Refusal> {
        let select = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let found = self.query(select, (self.name,)).await.map_err(away)?;
        Ok(!rows::<(String,)>(found).map_err(never)?.is_empty())
    }

    async fn query(self, cql: &str, values: impl SerializeRow) -> Result<QueryResult, ExecutionError> {
        self.session.query_unpaged(in_keyspace(cql, self.name), values).await
    }

    /// Whether a conditional write was applied.
    pub(super) async fn cas(self, cql: &str, values: impl SerializeRow) -> Result<bool, Refusal> {
        applied(self.query(cql, values).await.map_err(lwt)?).map_err(never)
    }

    async fn ddl(self, cql: &str) -> Result<(), Refusal> {
        self.change(&in_keyspace(cql, self.name)).await
    }

    async fn change(self, cql: &str) -> Result<(), Refusal> {
        let mut statement = Statement::new(cql);
        statement.set_request_timeout(Some(SCHEMA));
        self.session.query_unpaged(statement, ()).await.map_err(away)?;
        Ok(())
    }
}

/// Refuses tables of another version than this program's, or with another time to live than its fixes are to have.
pub(super) async fn check(keyspace: Keyspace<'_>, options: &Options) -> Result<(), Refusal> {
    let (found, ours) = (version(keyspace).await?, schema::MIGRATIONS.len() as u32);
    if found > ours {
        return Err(newer(found, ours));
    }
    if found < ours {
        let keyspace = keyspace.name;
        return Err(Refusal::Never(format!(
            "keyspace {keyspace} has schema version {found}, this program needs {ours}: run `fanfare migrate`"
        )));
    }
    for class in FixClass::ALL {
        let (name, setting) = days_name(class);
        let days = meta(keyspace, name).await?;
        if days != Some(i64::from(options.days_of(class))) {
            let (keyspace, kept, ours) = (keyspace.name, days.unwrap_or(0), options.days_of(class));
            let class = class.as_str();
            return Err(Refusal::Never(format!(
                "keyspace {keyspace} keeps {class} fixes for {kept} days, {setting} is {ours}: run `fanfare migrate`"
            )));
        }
    }
    Ok(())
}

/// Where it is noted how many days the tables of a class are made for, and the setting that says so.
const fn days_name(class: FixClass) -> (&'static str, &'static str) {
    match class {
        FixClass::Short => ("short_fix_days", "retention.short_fix_days"),
        FixClass::Standard => ("fix_days", "retention.fix_days"),
        FixClass::Long => ("long_fix_days", "retention.long_fix_days"),
    }
}

/// The classes whose tables are not made for as many days as they should be.
async fn other_days(keyspace: Keyspace<'_>, options: &Options) -> Result<Vec<FixClass>, Refusal> {
    let mut others = Vec::new();
    for class in FixClass::ALL {
        if meta(keyspace, days_name(class).0).await? != Some(i64::from(options.days_of(class))) {
            others.push(class);
        }
    }
    Ok(others)
}

/// The version of the tables; 0 where there are none.
async fn version(keyspace: Keyspace<'_>) -> Result<u32, Refusal> {
    let select = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let result = keyspace.query(select, (keyspace.name,)).await.map_err(away)?;
    let tables: HashSet<String> =
        rows::<(String,)>(result).map_err(never)?.into_iter().map(|(name,)| name).collect();
    if !tables.contains("meta") {
        return Ok(0);
    }
    Ok(meta(keyspace, "schema").await?.map_or(0, |version| version as u32))
}

pub(super) async fn meta(keyspace: Keyspace<'_>, name: &str) -> Result<Option<i64>, Refusal> {
    let mut select = Statement::new(in_keyspace("SELECT value FROM meta WHERE name = ?", keyspace.name));
    select.set_consistency(Consistency::LocalSerial);
    let result = keyspace.session.query_unpaged(select, (name,)).await.map_err(away)?;
    Ok(rows::<(i64,)>(result).map_err(never)?.first().map(|(value,)| *value))
}

pub(super) async fn bring_up_to_date(
    keyspace: Keyspace<'_>,
    options: &Options,
) -> Result<(u32, u32), Refusal> {
    let ours = schema::MIGRATIONS.len() as u32;
    // First of all: another program may be about to make it, and until it is made it cannot be read.
    keyspace.ddl(schema::META).await?;
    let found = version(keyspace).await?;
    if found > ours {
        return Err(newer(found, ours));
    }
    if found == ours && other_days(keyspace, options).await?.is_empty() {
        return Ok((found, ours));
    }
    let lock = Lock::take(keyspace).await?;
    let changed = change(keyspace, options, &lock).await;
    // Also where that failed, so that who tries again need not wait until it lapses.
    let released = lock.release().await;
    changed.and(released).map(|()| (found, ours))
}

/// What is left to do, under the lock.
async fn change(keyspace: Keyspace<'_>, options: &Options, lock: &Lock<'_>) -> Result<(), Refusal> {
    // Another program may have been faster.
    let first = version(keyspace).await?;
    for (next, statements) in (first + 1..).zip(schema::MIGRATIONS.iter().skip(first as usize)) {
        for statement in *statements {
            lock.renew().await?;
            if !is_made(keyspace, statement).await? {
                keyspace.ddl(statement).await?;
            }
        }
        if next == schema::LEADS {
            for class in FixClass::ALL {
                let days = meta(keyspace, days_name(class).0).await?;
                let days = days.and_then(|days| u32::try_from(days).ok()).unwrap_or(schema::made(class).1);
                for statement in schema::leads(class, days) {
                    lock.renew().await?;
                    keyspace.ddl(&statement).await?;
                }
            }
        }
        put_meta(keyspace, "schema", i64::from(next)).await?;
        tracing::info!(keyspace = keyspace.name, version = next, "tables made");
    }
    for class in other_days(keyspace, options).await? {
        let days = options.days_of(class);
        let (version, made_for) = schema::made(class);
        // Tables that were made a moment ago are as they were made.
        if first >= version || days != made_for {
            for statement in schema::retention(class, days) {
                lock.renew().await?;
                keyspace.ddl(&statement).await?;
            }
        }
        put_meta(keyspace, days_name(class).0, i64::from(days)).await?;
    }
    Ok(())
}

/// Whether this has added its column already, before somebody died.
async fn is_made(keyspace: Keyspace<'_>, statement: &str) -> Result<bool, Refusal> {
    let Some((table, column)) = schema::added(statement) else { return Ok(false) };
    let select = "SELECT type FROM system_schema.columns
                  WHERE keyspace_name = ? AND table_name = ? AND column_name = ?";
    let found = keyspace.query(select, (keyspace.name, table, column)).await.map_err(away)?;
    Ok(!rows::<(String,)>(found).map_err(never)?.is_empty())
}

async fn put_meta(keyspace: Keyspace<'_>, name: &str, value: i64) -> Result<(), Refusal> {
    if !keyspace.cas("INSERT INTO meta (name, value) VALUES (?, ?) IF NOT EXISTS", (name, value)).await? {
        keyspace.cas("UPDATE meta SET value = ? WHERE name = ? IF EXISTS", (value, name)).await?;
    }
    Ok(())
}

/// The life of this database's logs. Whoever comes first decides; a conditional write also shows that the keyspace can
/// do them.
pub(super) async fn epoch(keyspace: Keyspace<'_>) -> Result<Epoch, Refusal> {
    if let Some(epoch) = meta(keyspace, "epoch").await? {
        return Ok(Epoch(epoch as u32));
    }
    let epoch = 1 + (random() & 0x7fff_fffe) as i64;
    keyspace.cas("INSERT INTO meta (name, value) VALUES ('epoch', ?) IF NOT EXISTS", (epoch,)).await?;
    let stored = meta(keyspace, "epoch").await?;
    stored.map(|epoch| Epoch(epoch as u32)).ok_or_else(|| Refusal::Away("no epoch".to_owned()))
}

fn newer(found: u32, ours: u32) -> Refusal {
    Refusal::Never(format!("the tables have schema version {found}, newer than this program's {ours}"))
}

fn away(error: ExecutionError) -> Refusal {
    let failed = Failed::from(error);
    if failed.final_ { Refusal::Never(failed.why) } else { Refusal::Away(failed.why) }
}

fn lwt(error: ExecutionError) -> Refusal {
    let failed = Failed::from(error);
    let why = format!(
        "conditional writes do not work here ({}). ScyllaDB before 2025.4 needs a keyspace without \
                       tablets",
        failed.why
    );
    if failed.final_ { Refusal::Never(why) } else { Refusal::Away(why) }
}

fn never(error: StoreError) -> Refusal {
    Refusal::Never(match error {
        StoreError::Unavailable(why) | StoreError::Corrupt(why) => why,
        other => other.to_string(),
    })
}
