//! A server that is told to stop, as a process: what it says, and how it ends.

use fanfare_client::{Client, Config, Events, Loss, State, proto::DeviceId};
use tokio::process::Command;

use crate::harness::{Process, fanfare, output};

async fn serve(dir: &std::path::Path, notice_ms: u32, deadline_ms: u32) -> (Process, String) {
    let mut command = fanfare(dir);
    command
        .env("FANFARE_DRAIN__SPREAD_MS", "0")
        .env("FANFARE_DRAIN__NOTICE_MS", notice_ms.to_string())
        .env("FANFARE_DRAIN__DEADLINE_MS", deadline_ms.to_string())
        .args(["serve", "--listen", "127.0.0.1:0"]);
    let mut process = Process::start(command);
    let line = process.line("tcp=").await;
    let address = line.split_once("tcp=").unwrap().1.split_whitespace().next().unwrap().to_owned();
    (process, address)
}

/// A client that has said who it is.
async fn connected(dir: &std::path::Path, address: &str) -> (Client, Events) {
    let mut mint = fanfare(dir);
    mint.args(["token", "ann"]);
    let token = String::from_utf8(output(mint).await.stdout).unwrap();
    let device = DeviceId::new("phone").unwrap();
    let config = Config::new(format!("http://{address}"), token.trim(), device);
    let (client, events) = Client::connect(config).unwrap();
    client.opened().await.unwrap();
    (client, events)
}

async fn terminate(process: &Process) {
    let status = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().await.unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn it_says_what_it_does_step_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, address) = serve(dir.path(), 10, 20_000).await;
    let _client = connected(dir.path(), &address).await;
    terminate(&process).await;
    for step in [
        "stopping",
        "connections are told to move",
        "connections are closed, fixes are stored",
        "the store is closed",
        "stopped",
    ] {
        process.line(step).await;
    }
    assert!(process.ended().await);
}

#[tokio::test]
async fn a_second_signal_forces_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, address) = serve(dir.path(), 600_000, 3_600_000).await;
    let (client, _events) = connected(dir.path(), &address).await;
    let mut state = client.state();
    let lost = tokio::spawn(async move {
        state.wait_for(|state| matches!(state, State::Backoff { .. })).await.unwrap().clone()
    });
    terminate(&process).await;
    process.line("connections are told to move").await;
    process.interrupt().await;
    process.line("closing those that are still here").await;
    assert!(process.ended().await, "in good order");
    let lost = lost.await.unwrap();
    let told = matches!(&lost, State::Backoff { cause: Loss::Closed { code: 4000, .. }, .. });
    assert!(told, "it is told why: {lost:?}");
}
