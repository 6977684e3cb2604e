//! A session by way of one of several contact points, of which some may be dead.
//!
//! The driver goes through them one after another, and one that takes connections and never answers could hold it up for
//! ever. So each is tried by itself: the next one begins when one has failed, or has taken a second. The first session
//! wins; it finds the other nodes by itself.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use scylla::{
    client::{execution_profile::ExecutionProfileHandle, session::Session, session_builder::SessionBuilder},
    errors::{
        ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind as Setup, DbError,
        MetadataError, NewSessionError,
    },
    policies::timestamp_generator::MonotonicTimestampGenerator,
};
use tokio::time::{sleep, timeout};

use super::{
    connect::{Refusal, SCHEMA},
    options::Options,
};

/// After so long the next contact point is tried as well.
const NEXT: Duration = Duration::from_secs(1);

/// A session on some node, without a keyspace.
pub(super) async fn connect(options: &Options, profile: &ExecutionProfileHandle) -> Result<Session, Refusal> {
    let mut left = options.nodes.iter();
    let mut tried = FuturesUnordered::new();
    let mut refusals = Vec::new();
    loop {
        if let Some(node) = left.next() {
            tried.push(one(options, profile, node));
        }
        tokio::select! {
            done = tried.next() => match done {
                Some(Ok(session)) => return Ok(session),
                Some(Err(refusal)) => refusals.push(refusal),
                None => return Err(all(refusals)),
            },
            () = sleep(NEXT), if left.len() > 0 => {}
        }
    }
}

/// What none of them did: that a node refuses us says more than that others cannot be reached.
fn all(refusals: Vec<Refusal>) -> Refusal {
    let mut away = Vec::new();
    for refusal in refusals {
        match refusal {
            Refusal::Never(why) => return Refusal::Never(why),
            Refusal::Away(why) => away.push(why),
        }
    }
    Refusal::Away(away.join("; "))
}

async fn one(options: &Options, profile: &ExecutionProfileHandle, node: &str) -> Result<Session, Refusal> {
    let mut builder = SessionBuilder::new()
        .known_node(node)
        .default_execution_profile_handle(profile.clone())
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
    let patience = options.connect * 5;
    match timeout(patience, builder.build()).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(refused(options, node, &error)),
        Err(_) => Err(Refusal::Away(format!("cannot reach {node}: no answer within {patience:?}"))),
    }
}

/// Says what an operator can do about it, where that can be told.
fn refused(options: &Options, node: &str, error: &NewSessionError) -> Refusal {
    let away = |hint: &str| Refusal::Away(format!("cannot reach {node}: {error}{hint}"));
    let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
        last_connection_error: error,
    })) = error
    else {
        return away("");
    };
    match error {
        ConnectionError::ConnectionSetupRequestError(setup) => match &setup.error {
            // Other failures to authenticate pass, such as replicas that are down.
            Setup::DbError(DbError::AuthenticationError, why) if why.contains("incorrect") => {
                Refusal::Never(format!("{node} refuses store.scylla.user or its password: {why}"))
            }
            Setup::MissingAuthentication => Refusal::Never(format!(
                "{node} asks for a user name and a password: set store.scylla.user and \
                 store.scylla.password_file"
            )),
            _ if options.tls.is_none() => {
                away(". If the node expects TLS, store.scylla.tls_authority is missing")
            }
            _ => away(""),
        },
        ConnectionError::IoError(io) => match tls(io) {
            Some(rustls::Error::InvalidCertificate(why)) => Refusal::Never(format!(
                "the certificate of {node} is not one that store.scylla.tls_authority vouches for: {why}"
            )),
            Some(rustls::Error::InvalidMessage(_)) => away(". It does not seem to speak TLS"),
            _ => away(""),
        },
        _ => away(""),
    }
}

fn tls(io: &std::io::Error) -> Option<&rustls::Error> {
    io.get_ref()?.downcast_ref()
}
