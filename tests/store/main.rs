//! The stores: they do what every backend must, and keep their promises where things go wrong.

#![allow(clippy::unwrap_used)]

mod cql;
mod crash;
mod faults;
#[path = "../cassandra/node.rs"]
mod node;
mod transfer;

use std::sync::Arc;

use fanfare::{
    id::{Audience, Topic},
    store::{
        Committed, Event, Store, conformance,
        sqlite::{Options, Sqlite},
    },
};
use fanfare_proto::Epoch;

/// Hears nothing.
struct Deaf;

impl Committed for Deaf {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, _: &[Event]) {}
}

async fn conforms(options: Options) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    conformance::all(40, move |committed: Arc<dyn Committed>| {
        let (path, options) = (path.clone(), options.clone());
        async move { Sqlite::open(&path, committed, &options).unwrap() as Arc<dyn Store> }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    conforms(Options::default()).await;
}

/// Whatever grouping hides must hold without it too.
#[tokio::test]
async fn sqlite_conforms_without_grouping() {
    conforms(Options { batch: 1, readers: 1, ..Options::default() }).await;
}
