//! The servers, each a process of its own in a folder of its own.

use std::{path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use super::System;

pub const SECRET: &str = "a secret that is long enough for HS256";

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub system: System,
    /// Host and port of its HTTP.
    pub address: String,
    /// The certificate to trust, where it was made for this run.
    pub certificate: Option<rustls::pki_types::CertificateDer<'static>>,
    _dir: TempDir,
}

impl Server {
    pub async fn start(system: System) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut certificate = None;
        let mut command = if system.is_fanfare() {
            fanfare(dir.path())
        } else {
            let mut command = node();
            if system == System::SocketIoTls {
                certificate = Some(make_certificate(dir.path()));
                command
                    .env("BENCH_CERT", dir.path().join("cert.pem"))
                    .env("BENCH_KEY", dir.path().join("key.pem"));
            }
            command
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let address = if system.is_fanfare() {
            drain(out);
            find(err, "tcp=").await
        } else {
            drain(err);
            let port = find(out, "listening ").await;
            format!("127.0.0.1:{port}")
        };
        Self { child, system, address, certificate, _dir: dir }
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }
}

fn fanfare(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.join("data"))
        .env("FANFARE_AUTH__SECRET", SECRET)
        .env("FANFARE_TLS__DEVELOPMENT_DIR", dir.join("certs"))
        .env("NO_COLOR", "1")
        .current_dir(dir);
    command
}

fn node() -> Command {
    let mut command = Command::new("node");
    command
        .arg("server.mjs")
        .env("BENCH_SECRET", SECRET)
        .env("NODE_ENV", "production")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/socketio"));
    command
}

fn make_certificate(dir: &Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// The word after `marker` in what a server prints.
async fn find(output: impl AsyncRead + Unpin + 'static, marker: &str) -> String {
    let mut lines = BufReader::new(output).lines();
    let mut seen = Vec::new();
    loop {
        let Some(line) = lines.next_line().await.unwrap() else {
            panic!("the server did not start:\n{}", seen.join("\n"))
        };
        if let Some((_, rest)) = line.split_once(marker) {
            let word = rest.split_whitespace().next().unwrap().to_owned();
            drain(lines.into_inner());
            return word;
        }
        seen.push(line);
    }
}

/// Somebody must read what a server prints.
fn drain(output: impl AsyncRead + Unpin + 'static) {
    let mut lines = BufReader::new(output).lines();
    tokio::task::spawn_local(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            eprintln!("    server: {line}");
        }
    });
}
