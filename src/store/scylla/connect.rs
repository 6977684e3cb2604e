//! A session on a keyspace whose tables are those of this version.

use std::{sync::Arc, time::Duration};

use fanfare_proto::Epoch;
use scylla::{
    client::{
        execution_profile::{ExecutionProfile, ExecutionProfileHandle},
        session::Session,
        session_builder::SessionBuilder,
    },
    errors::{DbError, RequestAttemptError, UseKeyspaceError},
    policies::{
        load_balancing::DefaultPolicy,
        retry::{DefaultRetryPolicy, FallthroughRetryPolicy},
        speculative_execution::SimpleSpeculativeExecutionPolicy,
        timestamp_generator::MonotonicTimestampGenerator,
    },
    statement::{Consistency, SerialConsistency},
};

use tokio::time::{Instant, sleep};

use super::{
    options::Options,
    statements::{Profiles, Statements},
    tables,
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
    let session = connect(options).await?;
    if let Some(replication) = &options.create {
        tables::create_keyspace(&session, options, replication).await?;
        use_new_keyspace(&session, options).await?;
        tables::bring_up_to_date(&session, options).await?;
    } else {
        use_keyspace(&session, options).await?;
        tables::check(&session, options).await?;
    }
    let epoch = tables::epoch(&session).await?;
    let statements = Statements::prepare(&session, &profiles(options)).await;
    let statements = statements.map_err(|error| Refusal::Away(format!("cannot prepare: {error}")))?;
    Ok((session, statements, epoch))
}

/// Brings the tables up to date; answers the versions before and after.
pub(super) async fn migrate(options: &Options) -> Result<(u32, u32), StoreError> {
    let session = connect(options).await?;
    if let Some(replication) = &options.create {
        tables::create_keyspace(&session, options, replication).await?;
        use_new_keyspace(&session, options).await?;
    } else {
        use_keyspace(&session, options).await?;
    }
    Ok(tables::bring_up_to_date(&session, options).await?)
}

async fn connect(options: &Options) -> Result<Session, Refusal> {
    let profiles = profiles(options);
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.nodes)
        .default_execution_profile_handle(profiles.data)
        .connection_timeout(options.connect)
        .hostname_resolution_timeout(Some(options.connect))
        .metadata_request_clientside_timeout(options.connect * 2)
        .keepalive_interval(Duration::from_secs(1))
        .keepalive_timeout(Duration::from_secs(1))
        .tcp_keepalive_interval(Duration::from_secs(10))
        .schema_agreement_timeout(SCHEMA)
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()))
        .driver_config_reporting(false)
        .tls_context(options.tls.clone());
    if let Some((user, password)) = &options.credentials {
        builder = builder.user(user, password);
    }
    let nodes = options.nodes.join(", ");
    builder.build().await.map_err(|error| Refusal::Away(format!("cannot reach {nodes}: {error}")))
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
async fn use_new_keyspace(session: &Session, options: &Options) -> Result<(), Refusal> {
    let deadline = Instant::now() + SCHEMA;
    loop {
        match use_keyspace(session, options).await {
            Err(Refusal::Never(_)) if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
            done => return done,
        }
    }
}

async fn use_keyspace(session: &Session, options: &Options) -> Result<(), Refusal> {
    let keyspace = &options.keyspace;
    session.use_keyspace(keyspace, false).await.map_err(|error| match error {
        UseKeyspaceError::RequestError(RequestAttemptError::DbError(DbError::Invalid, _)) => {
            Refusal::Never(format!(
                "keyspace {keyspace}: {error}. Its replication is the operator's to choose: create it first \
                 (docs/configuration.md), then run `fanfare migrate`"
            ))
        }
        error => Refusal::Away(format!("keyspace {keyspace}: {error}")),
    })
}
