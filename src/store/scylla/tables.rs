//! The tables of a keyspace: which version they have, and how they get the next.

use std::{collections::HashSet, time::Duration};

use fanfare_proto::Epoch;
use scylla::{
    client::session::Session,
    errors::ExecutionError,
    statement::{Consistency, Statement},
};

use super::{
    connect::{Refusal, SCHEMA},
    options::Options,
    schema,
    value::{Failed, applied, random, rows},
};
use crate::store::StoreError;

pub(super) async fn create_keyspace(
    session: &Session,
    options: &Options,
    replication: &str,
) -> Result<(), Refusal> {
    let keyspace = &options.keyspace;
    ddl(session, &format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}")).await
}

/// Refuses tables of another version than this program's, or with another time to live than its fixes are to have.
pub(super) async fn check(session: &Session, options: &Options) -> Result<(), Refusal> {
    let (found, ours) = (version(session).await?, schema::MIGRATIONS.len() as u32);
    if found > ours {
        return Err(newer(found, ours));
    }
    if found < ours {
        let keyspace = &options.keyspace;
        return Err(Refusal::Never(format!(
            "keyspace {keyspace} has schema version {found}, this program needs {ours}: run `fanfare migrate`"
        )));
    }
    let days = meta(session, "fix_days").await?;
    if days != Some(i64::from(options.fix_days)) {
        let (keyspace, kept, ours) = (&options.keyspace, days.unwrap_or(0), options.fix_days);
        return Err(Refusal::Never(format!(
            "keyspace {keyspace} keeps fixes for {kept} days, retention.fix_days is {ours}: run `fanfare migrate`"
        )));
    }
    Ok(())
}

/// The version of the tables; 0 where there are none.
async fn version(session: &Session) -> Result<u32, Refusal> {
    let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let keyspace = session.get_keyspace().map(|name| name.to_string()).unwrap_or_default();
    let result = session.query_unpaged(tables, (keyspace,)).await.map_err(away)?;
    let tables: HashSet<String> =
        rows::<(String,)>(result).map_err(never)?.into_iter().map(|(name,)| name).collect();
    if !tables.contains("meta") {
        return Ok(0);
    }
    Ok(meta(session, "schema").await?.map_or(0, |version| version as u32))
}

async fn meta(session: &Session, name: &str) -> Result<Option<i64>, Refusal> {
    let mut select = Statement::new("SELECT value FROM meta WHERE name = ?");
    select.set_consistency(Consistency::LocalSerial);
    let result = session.query_unpaged(select, (name,)).await.map_err(away)?;
    Ok(rows::<(i64,)>(result).map_err(never)?.first().map(|(value,)| *value))
}

pub(super) async fn bring_up_to_date(session: &Session, options: &Options) -> Result<(u32, u32), Refusal> {
    let ours = schema::MIGRATIONS.len() as u32;
    let found = version(session).await?;
    if found > ours {
        return Err(newer(found, ours));
    }
    let days = i64::from(options.fix_days);
    if found == ours && meta(session, "fix_days").await? == Some(days) {
        return Ok((found, ours));
    }
    ddl(session, schema::META).await?;
    lock(session).await?;
    // Another program may have been faster.
    let first = version(session).await?;
    for (next, statements) in (first + 1..).zip(schema::MIGRATIONS.iter().skip(first as usize)) {
        for statement in *statements {
            ddl(session, statement).await?;
        }
        put_meta(session, "schema", i64::from(next)).await?;
        tracing::info!(keyspace = options.keyspace, version = next, "tables made");
    }
    for statement in schema::retention(options.fix_days) {
        ddl(session, &statement).await?;
    }
    put_meta(session, "fix_days", days).await?;
    session.query_unpaged("DELETE FROM meta WHERE name = 'lock' IF EXISTS", ()).await.map_err(away)?;
    Ok((found, ours))
}

/// One program at a time changes tables. Who dies doing so holds the others up for a minute.
async fn lock(session: &Session) -> Result<(), Refusal> {
    for _ in 0..120 {
        let insert = "INSERT INTO meta (name, value) VALUES ('lock', 1) IF NOT EXISTS USING TTL 60";
        if applied(session.query_unpaged(insert, ()).await.map_err(lwt)?).map_err(never)? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(Refusal::Away("another program is changing the tables".to_owned()))
}

async fn put_meta(session: &Session, name: &str, value: i64) -> Result<(), Refusal> {
    let insert = "INSERT INTO meta (name, value) VALUES (?, ?) IF NOT EXISTS";
    if applied(session.query_unpaged(insert, (name, value)).await.map_err(lwt)?).map_err(never)? {
        return Ok(());
    }
    let update = "UPDATE meta SET value = ? WHERE name = ? IF EXISTS";
    session.query_unpaged(update, (value, name)).await.map_err(lwt)?;
    Ok(())
}

/// The life of this database's logs. Whoever comes first decides; a conditional write also shows that the keyspace can
/// do them.
pub(super) async fn epoch(session: &Session) -> Result<Epoch, Refusal> {
    if let Some(epoch) = meta(session, "epoch").await? {
        return Ok(Epoch(epoch as u32));
    }
    let epoch = 1 + (random() & 0x7fff_fffe) as i64;
    let insert = "INSERT INTO meta (name, value) VALUES ('epoch', ?) IF NOT EXISTS";
    session.query_unpaged(insert, (epoch,)).await.map_err(lwt)?;
    let stored = meta(session, "epoch").await?;
    stored.map(|epoch| Epoch(epoch as u32)).ok_or_else(|| Refusal::Away("no epoch".to_owned()))
}

async fn ddl(session: &Session, statement: &str) -> Result<(), Refusal> {
    let mut statement = Statement::new(statement);
    statement.set_request_timeout(Some(SCHEMA));
    session.query_unpaged(statement, ()).await.map_err(away)?;
    Ok(())
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
