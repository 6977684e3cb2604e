//! A server for a test: on port 0, with a folder and a clock of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use fanfare::{auth::jwt, config::Config, hub::Hub, server::Server, store::Store, time::Clock};
use fanfare_proto::{DepartmentId, OrgId, TeamId, UserId};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{
    client::{Client, Kind},
    store,
};

pub const SECRET: &str = "a secret that is long enough for HS256";

/// A server in this process.
pub struct TestServer {
    server: Option<Server>,
    pub config: Config,
    shift: Arc<AtomicU64>,
    step: Arc<AtomicI64>,
    _dir: TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        store::choose(&mut config);
        change(&mut config);
        let (shift, step) = (Arc::<AtomicU64>::default(), Arc::<AtomicI64>::default());
        let server = Server::start(config.clone(), Clock::stepped(shift.clone(), step.clone())).unwrap();
        Self { server: Some(server), config, shift, step, _dir: dir }
    }

    /// A server on a store of the test's.
    pub async fn on_with<S: Store>(
        change: impl FnOnce(&mut Config),
        open: impl FnOnce(&Arc<Hub>, &Path) -> Arc<S>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let (shift, step) = (Arc::<AtomicU64>::default(), Arc::<AtomicI64>::default());
        let data = config.data_dir.clone();
        let clock = Clock::stepped(shift.clone(), step.clone());
        let server =
            Server::start_on(config.clone(), clock, |hub| Ok(open(hub, &data) as Arc<dyn Store>)).unwrap();
        Self { server: Some(server), config, shift, step, _dir: dir }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.server.as_ref().unwrap().tcp())
    }

    /// Lets time pass for the server, on both its clocks.
    pub fn pass(&self, ms: u64) {
        self.shift.fetch_add(ms, Ordering::Relaxed);
    }

    /// Sets the server's wall clock, so far from what is right.
    pub fn step(&self, ms: i64) {
        self.step.store(ms, Ordering::Relaxed);
    }

    pub async fn expire(&self) {
        self.server.as_ref().unwrap().expire_now().await;
    }

    /// Stops it as SIGTERM would, and starts another life on the same folder.
    pub async fn restart(&mut self) {
        self.restart_after(0).await;
    }

    /// The same, with so much time between the two lives.
    pub async fn restart_after(&mut self, ms: u64) {
        self.stop().await;
        self.pass(ms);
        self.restart_stopped().await;
    }

    /// Another life of one that was stopped.
    pub async fn restart_stopped(&mut self) {
        let clock = Clock::stepped(self.shift.clone(), self.step.clone());
        self.server = Some(Server::start(self.config.clone(), clock).unwrap());
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// The same, while the test goes on.
    pub fn stopping(&mut self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.server.take().unwrap().stop())
    }

    /// A connected and authenticated client.
    pub async fn client(&self, kind: Kind, user: &str, role: &str) -> Client {
        let device = format!("{user}-phone");
        let hello = json!({ "token": token(user, "acme", role, &[]), "device_id": device });
        Client::open_with(&self.base(), kind, hello).await
    }

    /// An agent of a department.
    pub async fn agent(&self, kind: Kind, user: &str, department: &str) -> Client {
        Client::open(&self.base(), kind, &token(user, "acme", "agent", &[department])).await
    }

    pub async fn metric(&self, name: &str) -> f64 {
        metric(&self.base(), name).await
    }
}

fn config(dir: &Path) -> Config {
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data_dir: dir.join("data"), ..Config::default() };
    config.shards = 2;
    config.auth.secret = Some(SECRET.into());
    config.auth.platform = true;
    config.tls.development_dir = dir.join("certs");
    // What is not about the way down should not wait for it.
    (config.drain.spread_ms, config.drain.notice_ms) = (0, 0);
    config
}

/// For tests of something else than these limits.
pub fn as_many_messages_as_there_are(config: &mut Config) {
    let limits = &mut config.limits;
    limits.messages_per_second = 100_000;
    limits.messages_per_second_per_user = 100_000;
    limits.messages_per_second_per_organisation = 100_000;
}

/// The sum of a metric over its labels.
pub async fn metric(base: &str, name: &str) -> f64 {
    let text = http_get(base, "/metrics").await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let of_name = lines.filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']) || rest.starts_with("_total"))
    });
    of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The body of a plain GET.
pub async fn http_get(base: &str, path: &str) -> String {
    ask(base, "GET", path, &[], "").await.body
}

/// What the server answered a plain HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answered {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A plain HTTP request on a connection of its own.
pub async fn ask(base: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answered {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let length = body.len().to_string();
    let mut lines = vec![("host", host), ("connection", "close")];
    lines.extend_from_slice(headers);
    if !body.is_empty() {
        lines.extend([("content-type", "application/json"), ("content-length", length.as_str())]);
    }
    let lines: String = lines.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let request = format!("{method} {path} HTTP/1.1\r\n{lines}\r\n{body}");
    // What is refused early may not be read to its end.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Answered { status, headers: lines.map(header).collect(), body: body.to_owned() }
}

/// A request to the API by the bearer of a token.
pub async fn ask_as(base: &str, token: &str, method: &str, path: &str, body: &str) -> Answered {
    let bearer = format!("Bearer {token}");
    ask(base, method, path, &[("authorization", &bearer)], body).await
}

pub fn token(user: &str, org: &str, role: &str, departments: &[&str]) -> String {
    token_of(user, org, role, departments, &[])
}

/// One that names teams as well.
pub fn token_of(user: &str, org: &str, role: &str, departments: &[&str], teams: &[&str]) -> String {
    let departments = departments.iter().map(|d| DepartmentId::new(d).unwrap()).collect();
    let teams = teams.iter().map(|team| TeamId::new(team).unwrap()).collect();
    let (user, org) = (UserId::new(user).unwrap(), OrgId::new(&store::organisation(org)).unwrap());
    let claims = jwt::Claims::new(user, org, 4_102_444_800);
    let claims = jwt::Claims { roles: vec![role.into()], departments, teams, ..claims };
    jwt::mint(&claims, SECRET.as_bytes()).unwrap()
}

/// A server in a process of its own, to be killed.
pub struct Process {
    child: tokio::process::Child,
    pub base: String,
    log: Arc<Mutex<Vec<String>>>,
    dir: PathBuf,
    store: Vec<(&'static str, String)>,
}

impl Process {
    pub async fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[]).await
    }

    /// With these settings besides.
    pub async fn start_with(dir: &Path, settings: &[(&'static str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let variables = store::variables().into_iter().chain(settings).collect();
        Self::start_at(dir, variables, "127.0.0.1:0").await
    }

    /// Behind a balancer that passes TCP only: clients are told this process's own port for QUIC.
    pub async fn start_behind_tcp(dir: &Path, settings: &[(&'static str, &str)]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let own = [("FANFARE_PUBLIC_QUIC", address.port().to_string())];
        let variables = store::variables().into_iter().chain(own).chain(settings).collect();
        Self::start_at(dir, variables, &address.to_string()).await
    }

    /// kill -9.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    async fn start_at(dir: &Path, store: Vec<(&'static str, String)>, listen: &str) -> Self {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(dir.join("data"))
            .env("FANFARE_AUTH__SECRET", SECRET)
            .env("FANFARE_TLS__DEVELOPMENT_DIR", dir.join("certs"))
            .env("FANFARE_SHARDS", "2")
            .env("NO_COLOR", "1")
            .envs(store.iter().map(|(name, value)| (name, value)))
            .current_dir(dir)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let address = loop {
            let Some(line) = lines.next_line().await.unwrap() else {
                panic!("the server did not start:\n{}", seen.join("\n"))
            };
            if let Some((_, rest)) = line.split_once("tcp=") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            seen.push(line);
        };
        // Somebody must read what it logs.
        let log = Arc::new(Mutex::new(seen));
        let kept = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        Self { child, log, base: format!("http://{address}"), dir: dir.into(), store }
    }

    /// What it has logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// A line of the process's status, in KiB: `VmRSS` is what it has in memory, `VmHWM` the most that it had.
    pub fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The processor's time that the process has used.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id().unwrap())).unwrap();
        // After the name, which may hold anything: fields 14 and 15 of all, in hundredths of a second.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// kill -9, and another life on the same folder.
    pub async fn kill_and_restart(mut self) -> Self {
        self.child.kill().await.unwrap();
        Self::start_at(&self.dir, self.store, "127.0.0.1:0").await
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// The same, and another life at the same address then.
    pub async fn replace_here(mut self) -> Self {
        self.end().await;
        Self::start_at(&self.dir, self.store, self.base.trim_start_matches("http://")).await
    }

    async fn end(&mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        assert!(self.child.wait().await.unwrap().success(), "it ends in good order");
    }

    /// The same, at the same address.
    pub async fn kill_and_restart_here(mut self) -> Self {
        self.child.kill().await.unwrap();
        Self::start_at(&self.dir, self.store, self.base.trim_start_matches("http://")).await
    }
}
