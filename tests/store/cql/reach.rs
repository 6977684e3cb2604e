//! A database that asks for TLS and a password, and contact points that are dead.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fanfare::{
    config::{AtStart, Config, Secret},
    id::Tenant,
    server,
    store::{
        Put, RecordKind, Slot, Store, StoreError,
        scylla::{Options, Scylla, Start},
    },
};
use fanfare_proto::{OrgId, UnixMs};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::Keyspace;
use crate::{Deaf, node::Cassandra};

/// An authority, and a certificate of its for 127.0.0.1: with its key, as a node takes it.
fn authority(dir: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (root, node) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}-node.pem")));
    fs::write(&root, certificate.pem()).unwrap();
    fs::write(&node, format!("{}{}{}", key.serialize_pem(), leaf.pem(), certificate.pem())).unwrap();
    (root, node)
}

fn slot() -> Slot {
    Slot {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: "k".to_owned(),
    }
}

/// Everything goes by the configuration, as an operator writes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the machine for itself: `make test` runs it alone"]
async fn cql_with_tls_and_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, node) = authority(dir.path(), "ours");
    let (theirs, _) = authority(dir.path(), "theirs");
    let settings = format!(
        "authenticator: PasswordAuthenticator
client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: false
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: {}
",
        node.display()
    );
    let Some(cassandra) = Cassandra::start_with(1, &settings) else { return };
    let password = dir.path().join("password");
    fs::write(&password, "cassandra\n").unwrap();
    let mut config = Config::default();
    let set = &mut config.store.scylla;
    set.nodes = cassandra.addresses();
    set.create = true;
    set.at_start = AtStart::Exit;
    set.user = Some("cassandra".to_owned());
    set.password_file = Some(password);
    set.tls_authority = Some(ours);
    set.data_timeout_ms = 10_000;
    set.cas_timeout_ms = 5_000;
    let open = |change: &dyn Fn(&mut Config)| {
        let mut config = config.clone();
        change(&mut config);
        Scylla::open(server::store::options(&config).unwrap(), Arc::new(Deaf))
    };

    // A node that has just been made learns of its first user a little after it listens.
    let deadline = Instant::now() + Duration::from_mins(1);
    let store = loop {
        match open(&|_| {}) {
            Ok(store) => break store,
            Err(error) => assert!(
                error.to_string().contains("store.scylla.user") && Instant::now() < deadline,
                "{error}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let put = Put { value: Some(Bytes::from_static(b"{}")), expires: None };
    assert_eq!(store.put(&slot(), None, put, UnixMs(1)).await, Ok(1));
    assert!(store.get(&slot(), UnixMs(1)).await.unwrap().is_some());
    store.close().await;

    let refused = |change: &dyn Fn(&mut Config), expected: &[&str]| {
        let why = match open(change) {
            Err(StoreError::Unavailable(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(expected.iter().all(|part| why.contains(part)), "{why}");
    };
    let wrong = |config: &mut Config| {
        config.store.scylla.password_file = None;
        config.store.scylla.password = Some(Secret("wrong".to_owned()));
    };
    refused(&wrong, &["127.0.0.1", "store.scylla.user or its password"]);
    // Trying again would not help, so nobody waits for that.
    let patient = |config: &mut Config| {
        wrong(config);
        config.store.scylla.at_start = AtStart::Retry;
    };
    refused(&patient, &["store.scylla.user or its password"]);
    let nobody = |config: &mut Config| config.store.scylla.user = None;
    refused(&nobody, &["asks for a user name"]);
    let strange = |config: &mut Config| config.store.scylla.tls_authority = Some(theirs.clone());
    refused(&strange, &["certificate of 127.0.0.1", "store.scylla.tls_authority"]);
    let plain = |config: &mut Config| config.store.scylla.tls_authority = None;
    refused(&plain, &["cannot reach 127.0.0.1", "store.scylla.tls_authority is missing"]);

    // And the other way round.
    if let Some(keyspace) = Keyspace::new() {
        let nodes = keyspace.options().nodes;
        let encrypted = |config: &mut Config| config.store.scylla.nodes.clone_from(&nodes);
        refused(&encrypted, &["does not seem to speak TLS"]);
    }
}

/// Takes connections and never answers.
struct Mute(TcpListener);

impl Mute {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

/// Answers nothing, not even to a connection: as many wait for it as may.
struct Hole {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Hole {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            waiting.push(stream);
            assert!(waiting.len() < 20_000, "its queue has no end");
        }
        Self { listener, _waiting: waiting }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_dead_contact_points_hold_nobody_up() {
    let Some(keyspace) = Keyspace::new() else { return };
    let (mute, hole) = (Mute::new(), Hole::new());
    let dead = ["127.0.0.1:1".to_owned(), mute.address(), hole.address()];
    let options = keyspace.options();
    let mut nodes = dead.to_vec();
    nodes.extend(options.nodes.clone());
    drop(Scylla::open(options.clone(), Arc::new(Deaf)).unwrap());
    let begun = Instant::now();
    let store = Scylla::open(Options { nodes, ..options.clone() }, Arc::new(Deaf)).unwrap();
    // Two of them take a second each until the next is tried; a busy machine takes its time for the rest.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let put = Put { value: Some(Bytes::from_static(b"{}")), expires: None };
    assert_eq!(store.put(&slot(), None, put, UnixMs(1)).await, Ok(1));
    store.close().await;

    // Nobody is there: all are named, within a time that has an end. Encryption makes no difference to that.
    let begun = Instant::now();
    let options =
        Options { nodes: dead.to_vec(), start: Start::Exit, connect: Duration::from_millis(500), ..options };
    for tls in [false, true] {
        let mut options = options.clone();
        if tls {
            let dir = tempfile::tempdir().unwrap();
            let mut config = Config::default();
            config.store.scylla.tls_authority = Some(authority(dir.path(), "any").0);
            options.tls = server::store::options(&config).unwrap().tls;
        }
        let why = Scylla::open(options, Arc::new(Deaf)).unwrap_err().to_string();
        assert!(dead.iter().all(|node| why.contains(node)), "{why}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    keyspace.drop().await;
}
