//! Nodes of Cassandra that a test starts, stops and kills. They are gone with the test, however it ends.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Tokens of the nodes of a cluster of three.
const TOKENS: [&str; 3] = ["-9223372036854775808", "-3074457345618258603", "3074457345618258602"];

/// Nodes on 127.0.0.1 and so on, on the same port.
pub(crate) struct Cassandra {
    nodes: Vec<Node>,
    port: u16,
    _dir: TempDir,
}

struct Node {
    data: PathBuf,
    address: String,
    port: u16,
    storage: u16,
    token: Option<&'static str>,
    settings: String,
    child: Option<Child>,
}

impl Cassandra {
    /// Starts one node, or three. `None` where the tests have no Java, which `make test` sees to: then
    /// `FANFARE_TEST_CQL` is not set either.
    ///
    /// To be called on a test's own thread: a node ends with the thread that started it.
    pub(crate) fn start(nodes: usize) -> Option<Self> {
        Self::start_with(nodes, "")
    }

    /// The same with more lines of `cassandra.yaml`.
    pub(crate) fn start_with(nodes: usize, settings: &str) -> Option<Self> {
        if std::env::var_os("FANFARE_TEST_CQL").is_none() {
            eprintln!("FANFARE_TEST_CQL is not set: nothing is tested");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let (port, storage) = (free_port(), free_port());
        let node = |n: usize| Node {
            data: dir.path().join(format!("node{n}")),
            address: format!("127.0.0.{}", n + 1),
            port,
            storage,
            token: (nodes > 1).then(|| TOKENS[n]),
            settings: settings.to_owned(),
            child: None,
        };
        let mut cassandra = Self { nodes: (0..nodes).map(node).collect(), port, _dir: dir };
        for n in 0..nodes {
            cassandra.begin(n);
        }
        Some(cassandra)
    }

    /// As the settings name them.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("{}:{}", node.address, self.port)).collect()
    }

    /// Starts a node and waits until it can be spoken to.
    pub(crate) fn begin(&mut self, n: usize) {
        self.nodes[n].begin();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, n: usize) {
        self.nodes[n].end();
    }

    /// SIGSTOP: it is there and does not answer.
    pub(crate) fn pause(&self, n: usize) {
        self.nodes[n].signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self, n: usize) {
        self.nodes[n].signal("CONT");
    }
}

impl Node {
    fn begin(&mut self) {
        fs::create_dir_all(&self.data).unwrap();
        let log = self.data.join("log");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cassandra/node.sh");
        let child = Command::new(script)
            .arg(&self.data)
            .args([&self.address, &self.port.to_string(), &self.storage.to_string()])
            .args(self.token)
            // What a killed node has answered it still knows.
            .env("FANFARE_CASSANDRA_SYNC", "batch")
            .env("FANFARE_CASSANDRA_YAML", &self.settings)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            // It says so just before it does.
            let listens = || TcpStream::connect((self.address.as_str(), self.port)).is_ok();
            if said.contains("Starting listening for CQL clients") && listens() {
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "Cassandra did not start ({ended:?}):\n{said}"
            );
            // It tells nobody else.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

/// Free on all of the nodes' addresses, and below the ports that the kernel gives to outgoing connections.
fn free_port() -> u16 {
    let mut port = 20_000 + (std::process::id() % 6_000) as u16 * 2;
    loop {
        let free = |last| TcpListener::bind((format!("127.0.0.{last}").as_str(), port)).is_ok();
        // The next one is for TLS between nodes.
        let next = TcpListener::bind(("127.0.0.1", port + 1)).is_ok();
        if next && (1..=3).all(free) && !taken(port) {
            return port;
        }
        port += 2;
    }
}

/// Ports are given out once, as what is given out is not listened on yet.
fn taken(port: u16) -> bool {
    static GIVEN: std::sync::Mutex<Vec<u16>> = std::sync::Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap();
    let taken = given.contains(&port);
    if !taken {
        given.push(port);
    }
    taken
}
