//! A single machine's installation moves to a cluster, and back.

use std::sync::Arc;

use fanfare::store::{Store, scylla::Scylla};

use super::Keyspace;
use crate::{
    Deaf,
    transfer::{copied, fill, goes_on, sqlite},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_to_cql_and_back() {
    let Some(keyspace) = Keyspace::new() else { return };
    let (first, last) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, last) = (sqlite(first.path()), sqlite(last.path()));
    let cql = Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    fill(&*first).await;
    copied(&*first, &*cql).await;
    copied(&*cql, &*last).await;
    goes_on(&*cql).await;
    goes_on(&*last).await;
    for store in [first, cql as Arc<dyn Store>, last] {
        store.close().await;
    }
    keyspace.drop().await;
}
