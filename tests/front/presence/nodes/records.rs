//! What nodes write for one another: no more than has changed, and again where it was removed.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use fanfare::{
    id::Tenant,
    store::{Put, RecordKind, Slot, Store as _, sqlite::Sqlite},
};
use fanfare_proto::UnixMs;
use serde_json::{Value, json};

use super::{Node, shared};
use crate::{
    presence::{pass_until, set, watch},
    support::{
        client::{BOTH, Client, Kind},
        harness::token,
        until::until,
    },
};

/// The versions of all leases, and those of all pages, by node.
async fn versions(store: &Sqlite) -> (Vec<u64>, BTreeMap<String, Vec<u64>>) {
    let now = UnixMs(crate::positions::live::now());
    let servers = Tenant::servers();
    let (mut leases, mut pages) = (Vec::new(), BTreeMap::new());
    for (node, lease) in store.list(&servers, RecordKind::Node, "nodes", None, 10, now).await.unwrap() {
        leases.push(lease.version);
        let of_node = store.list(&servers, RecordKind::Present, &node, None, 10, now).await.unwrap();
        pages.insert(node, of_node.into_iter().map(|(_, page)| page.version).collect());
    }
    (leases, pages)
}

/// Puts into the store what no node has written.
async fn put(
    store: &Sqlite,
    kind: RecordKind,
    partition: &str,
    key: &str,
    version: Option<u64>,
    value: &str,
) {
    let slot = Slot { org: Tenant::servers(), kind, partition: partition.into(), key: key.into() };
    let put = Put { value: Some(value.to_owned().into()), expires: None };
    store.put(&slot, version, put, UnixMs(crate::positions::live::now())).await.unwrap();
}

/// Somebody with a device at each of two nodes is on a page of each; what one hears of the other changes neither.
#[tokio::test]
async fn of_people_at_two_nodes_nothing_is_written_but_leases_while_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let nodes = [Node::start(&store).await, Node::start(&store).await];
    let open = async |node: usize, user: &str, device: &str| {
        let hello = json!({ "token": token(user, "acme", "member", &[]), "device_id": device });
        Client::open_with(&nodes[node].server.base(), Kind::WebSocket, hello).await
    };
    let (mut ann, mut eve) = (open(0, "ann", "a").await, open(1, "eve", "e").await);
    let mut at_first = watch(&mut ann, Some(&["bob"])).await;
    let mut at_second = watch(&mut eve, Some(&["bob"])).await;
    let mut phone = open(0, "bob", "phone").await;
    set(&mut phone, json!({ "status": "away" })).await;
    at_second.until_status(&mut eve, "bob", "away").await;
    let mut desk = open(1, "bob", "desk").await;
    set(&mut desk, json!({ "status": "busy" })).await;
    at_first.until_status(&mut ann, "bob", "busy").await;
    // What each has changed the other has been told.
    let (leases, pages) = versions(&store).await;
    for _ in 0..6 {
        for node in &nodes {
            node.way.calls.lock().unwrap().clear();
            node.server.pass(1_000);
        }
        let heard = |node: &Node| node.way.calls.lock().unwrap().iter().any(|call| call == "list");
        until("each has heard the other", async || nodes.iter().all(heard)).await;
    }
    let now = versions(&store).await;
    assert_eq!(now.1, pages);
    assert!(now.0.iter().zip(&leases).any(|(now, before)| now > before), "they do write");
    drop((phone, desk));
}

/// A node whose records were removed while it was taken for dead lists its people again, though none of them has changed.
#[tokio::test]
async fn a_node_that_was_taken_for_dead_lists_its_people_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (a, b) = (Node::start(&store).await, Node::start(&store).await);
    let mut ann = b.server.client(Kind::WebTransport, "ann", "supervisor").await;
    let mut shown = watch(&mut ann, None).await;
    let mut phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    set(&mut phone, json!({ "status": "busy" })).await;
    shown.until_status(&mut ann, "bob", "busy").await;
    a.cut(true);
    pass_until(&[&b.server], &mut ann, &mut shown, "bob", "offline").await;
    until("its records are removed", async || versions(&store).await.0.len() == 1).await;
    a.cut(false);
    shown.until_status(&mut ann, "bob", "busy").await;
    drop(phone);
}

/// A page that is written while its node's lease cannot be is told with the next try, not with the next renewal.
#[tokio::test]
async fn what_the_lease_could_not_tell_it_tells_at_once_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let (a, b) = (Node::start(&store).await, Node::start(&store).await);
    let mut ann = b.server.client(Kind::WebTransport, "ann", "member").await;
    let mut shown = watch(&mut ann, Some(&["bob"])).await;
    let mut phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    shown.until_status(&mut ann, "bob", "online").await;
    // The page's write arrives, the lease's does not.
    a.way.calls.lock().unwrap().clear();
    a.way.refused.store(2, Ordering::SeqCst);
    set(&mut phone, json!({ "status": "busy" })).await;
    shown.until_status(&mut ann, "bob", "busy").await;
    let calls = std::mem::take(&mut *a.way.calls.lock().unwrap());
    let since = calls.iter().skip_while(|call| *call != "refused").skip(1);
    let heard = since.take_while(|call| *call != "put_by").filter(|call| *call == "list").count();
    // Once, and then its pages, where it was not known before.
    assert!(heard <= 2, "others were read {heard} times first");
}

/// Another version of the server may write what this one cannot read.
#[tokio::test]
async fn what_one_node_writes_that_cannot_be_read_hides_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let a = Node::start(&store).await;
    let mut phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    until("it is listed", async || versions(&store).await.1.values().any(|pages| pages.len() == 1)).await;
    let (_, pages) = versions(&store).await;
    let id = pages.keys().next().unwrap();
    // Before all others, by their order.
    put(&store, RecordKind::Node, "nodes", "0", None, "{\"rev\":[]}").await;
    put(&store, RecordKind::Present, "0", "acme/00000", None, "people").await;
    put(&store, RecordKind::Present, id, "acme/-", None, "no number").await;
    put(&store, RecordKind::Present, id, "acme/00009", None, "[{}]").await;
    let b = Node::start(&store).await;
    for kind in BOTH {
        let mut ann = b.server.client(kind, "ann", "member").await;
        let mut shown = watch(&mut ann, Some(&["bob"])).await;
        assert_ne!(shown.status("bob"), "offline");
        for status in ["busy", "away"] {
            set(&mut phone, json!({ "status": status })).await;
            shown.until_status(&mut ann, "bob", status).await;
        }
    }
    // What does not change any more ends as that of every dead node does.
    until("it is removed", async || {
        for node in [&a, &b] {
            node.server.pass(500);
        }
        !versions(&store).await.1.contains_key("0")
    })
    .await;
}

/// Who reads all that is known of an organisation may learn that a node is dead before the next hearing does, which finds
/// that it lives.
#[tokio::test]
async fn a_node_that_was_dead_between_two_hearings_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let a = Node::start(&store).await;
    let mut phone = a.server.client(Kind::WebSocket, "bob", "member").await;
    until("it is listed", async || !versions(&store).await.0.is_empty()).await;
    let id = versions(&store).await.1.into_keys().next().unwrap();
    let b = Node::start(&store).await;
    let mut ann = b.server.client(Kind::WebTransport, "ann", "member").await;
    let mut shown = watch(&mut ann, Some(&["bob"])).await;
    set(&mut phone, json!({ "status": "busy" })).await;
    shown.until_status(&mut ann, "bob", "busy").await;
    a.cut(true);
    // There is a second until the next hearing. Where that does not suffice, this tests less.
    b.way.calls.lock().unwrap().clear();
    until("it hears", async || b.way.calls.lock().unwrap().iter().any(|call| call == "list")).await;
    let now = UnixMs(crate::positions::live::now());
    let leases = store.list(&Tenant::servers(), RecordKind::Node, "nodes", None, 10, now).await.unwrap();
    let (_, lease) = leases.into_iter().find(|(node, _)| *node == id).unwrap();
    let mut gone: Value = serde_json::from_slice(&lease.value).unwrap();
    gone["gone"] = json!(true);
    put(&store, RecordKind::Node, "nodes", &id, Some(lease.version), &gone.to_string()).await;
    let mut boss =
        Client::open(&b.server.base(), Kind::WebSocket, &token("boss", "beta", "admin", &[])).await;
    boss.request("presence:get", json!({})).await.unwrap();
    shown.until_status(&mut ann, "bob", "offline").await;
    a.cut(false);
    a.server.pass(5_000);
    shown.until_status(&mut ann, "bob", "busy").await;
}
