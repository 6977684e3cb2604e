//! The server in its namespace, and what tests do with it.

use std::{
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use fanfare::auth::jwt;
use fanfare_client::{Client, Config, Events, Preference, Transport};
use fanfare_proto::{DeviceId, OrgId, UserId};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpSocket,
    process::{Child, Command},
};

use crate::wire::{Namespace, OBSERVER, SERVER};

const SECRET: &str = "a secret that is long enough for HS256";

pub const BOTH: [Transport; 2] = [Transport::WebTransport, Transport::WebSocket];

pub struct World {
    pub address: SocketAddr,
    dir: TempDir,
    _server: Child,
}

impl World {
    /// Starts a server with these settings besides the defaults.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::from(Namespace::Server.command(env!("CARGO_BIN_EXE_fanfare")));
        let mut server = command
            .args(["serve", "--listen", &SocketAddr::from((SERVER, 0)).to_string(), "--data-dir"])
            .arg(dir.path().join("data"))
            .env("FANFARE_AUTH__SECRET", SECRET)
            .env("FANFARE_TLS__DEVELOPMENT_DIR", dir.path().join("certs"))
            .env("NO_COLOR", "1")
            .envs(settings.iter().copied())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let address = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the server did not start:\n{}", seen.join("\n")));
            if let Some((_, rest)) = line.split_once("tcp=") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
            }
            seen.push(line);
        };
        // Somebody must read what it logs.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, dir, _server: server }
    }

    /// A file that lives as long as the server's.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client that is connecting.
    pub fn client(&self, user: &str, role: &str, transport: Transport) -> (Client, Events) {
        client(&self.base(), user, role, transport)
    }

    /// The sum of a metric over its labels. Whatever the network does, it is told.
    pub async fn metric(&self, name: &str) -> f64 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((OBSERVER, 0).into()).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let of_name = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']) || rest.starts_with("_total"))
        });
        of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until so many connections are open; answers how long that took.
    pub async fn connections(&self, count: f64, patience: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let open = self.metric("fanfare_connections").await;
            if open == count {
                return start.elapsed();
            }
            assert!(start.elapsed() < patience, "{open} connections after {patience:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A client that is connecting.
pub fn client(base: &str, user: &str, role: &str, transport: Transport) -> (Client, Events) {
    let device = DeviceId::new(&format!("{user}-phone")).unwrap();
    let config = Config::new(base, token(user, role), device).transport(Preference::Only(transport));
    Client::connect(config).unwrap()
}

fn token(user: &str, role: &str) -> String {
    let (user, org) = (UserId::new(user).unwrap(), OrgId::new("acme").unwrap());
    let claims = jwt::Claims { roles: vec![role.into()], ..jwt::Claims::new(user, org, 4_102_444_800) };
    jwt::mint(&claims, SECRET.as_bytes()).unwrap()
}

/// A user's name for each transport, so that tests of both run at the same time.
pub fn name(user: &str, transport: Transport) -> String {
    format!("{user}-{transport:?}")
}

/// Median, 99th percentile and largest.
pub fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let Some(last) = times.len().checked_sub(1) else {
        return "none".into();
    };
    let at = |percent: usize| times[last * percent / 100];
    format!("p50 {:.1?}, p99 {:.1?}, max {:.1?}", at(50), at(99), at(100))
}
