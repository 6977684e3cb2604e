//! A session on a keyspace whose tables are those of this version.

use std::{sync::Arc, time::Duration};

use fanfare_proto::Epoch;
use scylla::{
    client::{
        execution_profile::{ExecutionProfile, ExecutionProfileHandle},
        session::Session,
    },
    policies::{
        load_balancing::DefaultPolicy,
        retry::{DefaultRetryPolicy, FallthroughRetryPolicy},
        speculative_execution::SimpleSpeculativeExecutionPolicy,
    },
    statement::{Consistency, SerialConsistency},
};

use tokio::time::{Instant, sleep};

use super::{
    options::Options,
    reach,
    statements::{Profiles, Statements},
    tables::{self, Keyspace},
};
use crate::store::StoreError;

/// How long a change of the tables may take.
pub(super) const SCHEMA: Duration = Duration::from_mins(1);
/// After so long another node is asked for a read as well.
const SPECULATE: Duration = Duration::from_millis(150);

/// Why there is no session.
pub(super) enum Refusal {
    /// Not now.
    Away(String),
    /// Not before something is changed.
    Never(String),
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Away(why) | Refusal::Never(why) => Self::Unavailable(why),
        }
    }
}

/// A session on a keyspace with the right tables.
pub(super) async fn session(options: &Options) -> Result<(Session, Statements, Epoch), Refusal> {
    let session = reach::connect(options, &profiles(options).data).await?;
    let keyspace = Keyspace { session: &session, name: &options.keyspace };
    if let Some(replication) = &options.create {
        keyspace.create(replication).await?;
        new_is_there(keyspace).await?;
        tables::bring_up_to_date(keyspace, options).await?;
    } else {
        is_there(keyspace).await?;
        tables::check(keyspace, options).await?;
    }
    let epoch = tables::epoch(keyspace).await?;
    let s = statements(&session, options).await?;
    Ok((session, s, epoch))
}

/// Another session, to tables that were the right ones. Should they have been changed since, that is no reason to stop:
/// a migration keeps what those who are running need, and who starts is told. Which database it leads to is the caller's
/// to look at; nothing is made in it.
pub(super) async fn again(options: &Options) -> Result<(Session, Statements), Refusal> {
    let session = reach::connect(options, &profiles(options).data).await?;
    let statements = statements(&session, options).await?;
    Ok((session, statements))
}

async fn statements(session: &Session, options: &Options) -> Result<Statements, Refusal> {
    let statements = Statements::prepare(session, &options.keyspace, &profiles(options)).await;
    statements.map_err(|error| Refusal::Away(format!("cannot prepare: {error}")))
}

/// Brings the tables up to date; answers the versions before and after.
pub(super) async fn migrate(options: &Options) -> Result<(u32, u32), StoreError> {
    let session = reach::connect(options, &profiles(options).data).await?;
    let keyspace = Keyspace { session: &session, name: &options.keyspace };
    if let Some(replication) = &options.create {
        keyspace.create(replication).await?;
        new_is_there(keyspace).await?;
    } else {
        is_there(keyspace).await?;
    }
    Ok(tables::bring_up_to_date(keyspace, options).await?)
}

fn profiles(options: &Options) -> Profiles {
    let mut balance = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &options.datacenter {
        balance = balance.prefer_datacenter(datacenter.clone());
    }
    let balance = balance.build();
    let profile = |timeout: Duration| {
        ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .serial_consistency(Some(SerialConsistency::LocalSerial))
            .request_timeout(Some(timeout))
            .load_balancing_policy(Arc::clone(&balance))
            .retry_policy(Arc::new(DefaultRetryPolicy::new()))
    };
    let handle =
        |profile: scylla::client::execution_profile::ExecutionProfileBuilder| -> ExecutionProfileHandle {
            profile.build().into_handle()
        };
    let speculative = SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval: SPECULATE };
    Profiles {
        data: handle(profile(options.data).speculative_execution_policy(Some(Arc::new(speculative)))),
        ticks: handle(profile(options.ticks)),
        // What an attempt came to is found out by the caller: the driver must not try by itself.
        cas: handle(profile(options.cas).retry_policy(Arc::new(FallthroughRetryPolicy::new()))),
    }
}

/// A node that joined a moment ago may hear of the keyspace later than the others, which do not wait for it.
async fn new_is_there(keyspace: Keyspace<'_>) -> Result<(), Refusal> {
    let deadline = Instant::now() + SCHEMA;
    loop {
        let refusal = match is_there(keyspace).await {
            Ok(()) => match keyspace.session.check_schema_agreement().await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => Refusal::Away("the nodes do not agree on the tables".to_owned()),
                Err(error) => Refusal::Away(error.to_string()),
            },
            Err(refusal) => refusal,
        };
        if Instant::now() > deadline {
            return Err(refusal);
        }
        // Nodes tell nobody when they agree: they are asked again.
        sleep(Duration::from_millis(200)).await;
    }
}

async fn is_there(keyspace: Keyspace<'_>) -> Result<(), Refusal> {
    if keyspace.exists().await? {
        return Ok(());
    }
    Err(Refusal::Never(format!(
        "keyspace {} does not exist. Its replication is the operator's to choose: create it first \
         (docs/configuration.md), then run `fanfare migrate`",
        keyspace.name
    )))
}
