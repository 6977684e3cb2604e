//! Processes whose output is read until the expected line has come.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

/// Longest wait for a line or for an end. Passed only by what has failed.
const PATIENCE: Duration = Duration::from_mins(1);

pub const TRANSPORTS: [(&str, &str); 2] = [("webtransport", "WebTransport"), ("websocket", "WebSocket")];

/// The program in a folder, with a secret for tokens and nothing else configured.
pub fn fanfare(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command
        .current_dir(dir)
        .env("FANFARE_AUTH__SECRET", "a secret that is long enough for HS256")
        .env("FANFARE_SHARDS", "2")
        .env("NO_COLOR", "1")
        .kill_on_drop(true);
    command
}

/// The same with a subcommand and its arguments.
pub fn run(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = fanfare(dir);
    command.args(arguments);
    command
}

/// A server in a process of its own.
pub struct Server {
    pub dir: TempDir,
    pub url: String,
    process: Process,
}

impl Server {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (process, address) = serve(dir.path(), "127.0.0.1:0").await;
        Self { dir, url: format!("http://{address}"), process }
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.process.child.kill().await.unwrap();
    }

    /// Another life on the same folder and port.
    pub async fn again(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        (self.process, _) = serve(self.dir.path(), &address).await;
    }

    /// A client of it, as a process.
    pub fn run(&self, subcommand: &str, arguments: &[&str]) -> Process {
        Process::start(self.command(subcommand, arguments))
    }

    pub fn command(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = fanfare(self.dir.path());
        command.args([subcommand, "--url", &self.url]).args(arguments);
        command
    }
}

async fn serve(dir: &Path, listen: &str) -> (Process, String) {
    let mut command = fanfare(dir);
    command.args(["serve", "--listen", listen]);
    let mut process = Process::start(command);
    let line = process.line("tcp=").await;
    let (_, rest) = line.split_once("tcp=").unwrap();
    let address = rest.split_whitespace().next().unwrap().to_owned();
    (process, address)
}

/// A process, and the lines that it printed on both streams.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    seen: Vec<String>,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::unbounded_channel();
        read(child.stdout.take().unwrap(), sender.clone());
        read(child.stderr.take().unwrap(), sender);
        Self { stdin: child.stdin.take(), child, lines, seen: Vec::new() }
    }

    /// The next line that contains a text.
    pub async fn line(&mut self, text: &str) -> String {
        self.line_where(text, |line| line.contains(text)).await
    }

    /// The next line for which something holds.
    pub async fn line_where(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(Some(line)) = timeout_at(deadline, self.lines.recv()).await {
            self.seen.push(line.clone());
            if holds(&line) {
                return line;
            }
        }
        panic!("no line with {what:?} came after:\n{}", self.seen.join("\n"))
    }

    /// Types a line.
    pub async fn type_in(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    }

    /// Ends the input; waits for the end, and tells whether it was a good one.
    pub async fn end(mut self) -> bool {
        drop(self.stdin.take());
        self.ended().await
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Presses Ctrl-C.
    pub async fn interrupt(&self) {
        let id = self.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status().await.unwrap();
        assert!(status.success());
    }

    pub async fn ended(&mut self) -> bool {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end:\n{}", self.seen.join("\n")));
        status.unwrap().success()
    }
}

fn read(stream: impl AsyncRead + Unpin + Send + 'static, lines: mpsc::UnboundedSender<String>) {
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream).lines();
        while let Ok(Some(line)) = stream.next_line().await {
            // Nobody may wait any more. The stream is read all the same.
            let _ = lines.send(line);
        }
    });
}

/// Runs to the end; answers what was printed.
pub async fn output(mut command: Command) -> Output {
    timeout(PATIENCE, command.stdin(Stdio::null()).output()).await.expect("it does not end").unwrap()
}

/// What it says, if it succeeds.
pub async fn done(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Why it fails.
pub async fn refused(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}
