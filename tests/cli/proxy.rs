//! Behind nginx: TLS that ends there, a path that it takes off, a connection to us that it encrypts itself.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::harness::{Process, fanfare, output};

/// Sites of one nginx, each on a port of its own.
struct Nginx {
    dir: TempDir,
    ports: Vec<u16>,
    _child: Child,
}

/// A port that is free now.
fn free() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A certificate for this machine, as `cert.pem` and `key.pem`.
fn certify(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

const UPGRADE: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                       proxy_set_header Connection $connection_upgrade;";

impl Nginx {
    /// Each site: what stands behind its port in `listen`, and its `location`.
    async fn start(sites: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certify(dir.path());
        let ports: Vec<u16> = sites.iter().map(|_| free()).collect();
        let server = |((tls, location), port): (&(&str, String), &u16)| {
            format!("server {{ listen 127.0.0.1:{port} {tls}; {location} }}\n")
        };
        let servers = sites.iter().zip(&ports).map(server).collect::<Vec<_>>().concat();
        // One process: a master that is killed would leave its worker behind.
        let config = format!(
            "daemon off; master_process off; pid pid; error_log err.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ log_format asked '$server_port $request_uri $status'; access_log asked.log asked;\n\
             client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;\n\
             scgi_temp_path t5;\n\
             map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}\n\
             ssl_certificate cert.pem; ssl_certificate_key key.pem;\n{servers}}}\n"
        );
        fs::write(dir.path().join("nginx.conf"), config).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(dir.path())
            .args(["-c", "nginx.conf", "-e", "err.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is there: scripts/prepare.sh");
        let deadline = Instant::now() + Duration::from_secs(15);
        for port in &ports {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await.is_err() {
                let told = || fs::read_to_string(dir.path().join("err.log")).unwrap_or_default();
                assert!(Instant::now() < deadline, "nginx does not listen: {}", told());
                // Between two attempts: nginx does not say when it listens.
                sleep(Duration::from_millis(20)).await;
            }
        }
        Self { dir, ports, _child: child }
    }

    async fn get(&self, url: &str) -> reqwest::Response {
        let pem = fs::read(self.dir.path().join("cert.pem")).unwrap();
        let root = reqwest::Certificate::from_pem(&pem).unwrap();
        let client = reqwest::Client::builder().add_root_certificate(root).build().unwrap();
        client.get(url).send().await.unwrap()
    }

    /// Waits until a WebSocket has passed through a site, and is over.
    async fn passed(&self, site: usize, path: &str) {
        let line = format!("{} {path} 101", self.ports[site]);
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let asked = fs::read_to_string(self.dir.path().join("asked.log")).unwrap_or_default();
            if asked.lines().any(|asked| asked == line) {
                return;
            }
            assert!(Instant::now() < deadline, "no {line:?} in {asked}");
            // Between two looks at the file that nginx writes.
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// A client of the server at a URL, by the certificate of this nginx.
    async fn watch(&self, dir: &Path, url: &str, transport: &str) -> String {
        let mut command = fanfare(dir);
        command.args(["watch", "--url", url, "--once", "1", "--transport", transport]);
        command.env("SSL_CERT_FILE", self.dir.path().join("cert.pem"));
        let output = output(command).await;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        told
    }
}

async fn serve(dir: &Path, port: u16, settings: &[(&str, &str)]) -> Process {
    let mut command = fanfare(dir);
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.envs(settings.iter().copied());
    let mut process = Process::start(command);
    process.line("tcp=").await;
    process
}

#[tokio::test]
async fn clients_go_by_the_proxy_and_not_around_it() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free());
    let pass = |more: &str| format!("proxy_pass http://127.0.0.1:{port}{more} {UPGRADE}");
    let nginx = Nginx::start(&[
        (
            "ssl",
            format!(
                "location / {{ {} }}",
                pass("; proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Host $http_host;")
            ),
        ),
        // nginx' own default: the server's address as `Host`.
        ("ssl", format!("location / {{ {} }}", pass(";"))),
        ("", format!("location /rt/ {{ {} }}", pass("/; proxy_set_header Host $http_host;"))),
    ])
    .await;
    let _server = serve(dir.path(), port, &[("FANFARE_TRUSTED_PROXIES", "127.0.0.0/8")]).await;

    let told = nginx.get(&format!("https://localhost:{}/api/v1/transport", nginx.ports[0])).await;
    let told: serde_json::Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
    assert_eq!(told["websocket"]["url"], format!("wss://localhost:{}/ws", nginx.ports[0]));
    let page = nginx.get(&format!("https://localhost:{}/", nginx.ports[0])).await;
    if let Some(policy) = page.headers().get("content-security-policy") {
        let may = format!(" wss://localhost:{}", nginx.ports[0]);
        assert!(policy.to_str().unwrap().contains(&may), "{policy:?}");
    }
    for (site, base, path) in [(0, "https", "/ws"), (1, "https", "/ws"), (2, "http", "/rt/ws")] {
        let prefix = path.trim_end_matches("/ws");
        let url = format!("{base}://localhost:{}{prefix}", nginx.ports[site]);
        let table = nginx.watch(dir.path(), &url, if site == 0 { "auto" } else { "websocket" }).await;
        assert!(table.starts_with("WebSocket"), "{url}: {table}");
        nginx.passed(site, path).await;
    }
}

#[tokio::test]
async fn a_configured_address_is_told_with_its_path() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free());
    let site = format!("location /rt/ {{ proxy_pass http://127.0.0.1:{port}/; {UPGRADE} }}");
    let nginx = Nginx::start(&[("ssl", site)]).await;
    let public = format!("https://localhost:{}/rt/", nginx.ports[0]);
    let settings = [("FANFARE_PUBLIC_URL", public.as_str()), ("FANFARE_PUBLIC_QUIC", "none")];
    let _server = serve(dir.path(), port, &settings).await;
    let told = nginx.get(&format!("{public}api/v1/transport")).await;
    let told: serde_json::Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
    let socket = format!("wss://localhost:{}/rt/ws", nginx.ports[0]);
    assert_eq!(told, serde_json::json!({ "websocket": { "url": socket } }));
    assert!(nginx.watch(dir.path(), &public, "auto").await.starts_with("WebSocket"));
    nginx.passed(0, "/rt/ws").await;
    // From inside, past the proxy, where the public address leads nowhere.
    let table = nginx.watch(dir.path(), &format!("http://127.0.0.1:{port}"), "websocket").await;
    assert!(table.starts_with("WebSocket"), "{table}");
}

/// nginx 1.22 speaks TLS 1.2 to servers unless told otherwise.
#[tokio::test]
async fn a_proxy_may_encrypt_what_it_passes_on() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free());
    certify(dir.path());
    let site = |more: &str| format!("location / {{ proxy_pass https://127.0.0.1:{port}; {more} {UPGRADE} }}");
    let nginx = Nginx::start(&[
        ("", site("proxy_set_header Host $http_host;")),
        ("", site("proxy_set_header Host $http_host; proxy_ssl_protocols TLSv1.3;")),
    ])
    .await;
    let settings = [("FANFARE_TLS__CERTIFICATE", "cert.pem"), ("FANFARE_TLS__KEY", "key.pem")];
    let mut server = serve(dir.path(), port, &settings).await;
    for site in 0..2 {
        let live = nginx.get(&format!("http://127.0.0.1:{}/health/live", nginx.ports[site])).await;
        assert_eq!(live.status(), 200, "site {site}");
    }
    // What is refused is in the log, with the reason and whose it was.
    let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let line = server.line("tls handshake").await;
    assert!(line.contains("127.0.0.1") && line.contains("INFO"), "{line}");
}

#[tokio::test]
async fn a_page_that_may_not_connect_is_in_the_log_once() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free());
    let mut server = serve(dir.path(), port, &[]).await;
    let ask = async |origin: &str| {
        let client = reqwest::Client::new();
        let url = format!("http://127.0.0.1:{port}/api/v1/me");
        client.get(url).header("origin", origin).send().await.unwrap().status().as_u16()
    };
    for _ in 0..3 {
        assert_eq!(ask("https://app.example").await, 403);
    }
    assert_eq!(ask("https://other.example").await, 403);
    let line = server.line("https://app.example").await;
    assert!(line.contains("WARN") && line.contains("`origins`"), "{line}");
    // The next line about a page is about the other one.
    let next = server.line("a page of this origin").await;
    assert!(next.contains("https://other.example"), "{next}");
}

/// In development somebody's own page may be served from any port of this machine.
#[tokio::test]
async fn in_development_pages_of_this_machine_may_connect() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free());
    let mut command = fanfare(dir.path());
    command.args(["--dev", "serve", "--listen", &format!("127.0.0.1:{port}")]);
    let mut server = Process::start(command);
    server.line("tcp=").await;
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}/api/v1/me");
    for (origin, status) in [
        ("http://localhost:5173", 401),
        ("http://127.0.0.1:3000", 401),
        ("http://[::1]:8000", 401),
        ("http://localhost.example:5173", 403),
        ("https://app.example", 403),
    ] {
        let answer = client.get(&url).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{origin}");
        let readable =
            answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(readable, (status == 401).then_some(origin));
    }
}
