//! What becomes of a log's partitions, seen from beside the store.

use std::sync::Arc;

use fanfare::store::{From, Store, scylla::Scylla};
use fanfare_proto::Seq;

use super::{
    Keyspace,
    interleavings::{append, log, topic},
};
use crate::Deaf;

/// A head that has no event, as where the two are on different replicas: nobody is told to have what nobody can read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_a_head_is_told_with_its_event_only() {
    let Some(keyspace) = Keyspace::new() else { return };
    let store = Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    for n in 1..=3 {
        store.append(append(None, &format!("c{n}"))).await.unwrap();
    }
    let session = keyspace.session().await;
    let ahead = format!(
        "UPDATE {}.log SET head = 4, total = 4 WHERE org = 'org' AND kind = 'conversation' AND key = 'c' AND bucket = 0",
        keyspace.name
    );
    session.query_unpaged(ahead, ()).await.unwrap();
    let head = store.heads(&[topic()]).await.unwrap()[0];
    assert_eq!((head.seq, head.count, head.first), (Seq(3), 3, Seq(1)));
    let page = store.read(&topic(), From::Latest, 2, usize::MAX).await.unwrap();
    assert_eq!((page.head, page.events.last().map(|event| event.seq)), (head, Some(Seq(3))));
    assert_eq!(log(&store).await.len(), 3);
    store.close().await;
    keyspace.drop().await;
}
