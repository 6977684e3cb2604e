//! Connections that do nothing: what each costs in memory.

use std::time::Duration;

use tokio::{task::spawn_local, time::sleep};

use super::{System, dialect, process::rss, server::Server};

/// Connected before anything is measured: what a server allocates once is not theirs.
pub const BEFORE: usize = 100;
pub const CONNECTIONS: usize = 1000;

/// A collector of garbage has had its turn by then, or has not deserved one.
const REST: Duration = Duration::from_secs(8);

/// Bytes a connection.
pub async fn run(system: System) -> f64 {
    let server = Server::start(system).await;
    let place = dialect::place(&server).await;
    connect(&server, &place, 0..BEFORE).await;
    sleep(REST).await;
    let before = rss(server.id());
    connect(&server, &place, BEFORE..BEFORE + CONNECTIONS).await;
    sleep(REST).await;
    rss(server.id()).saturating_sub(before) as f64 / CONNECTIONS as f64
}

async fn connect(server: &Server, place: &dialect::Place, users: std::ops::Range<usize>) {
    let users: Vec<String> = users.map(|n| format!("member-{n:04}")).collect();
    for mut link in dialect::enter(server, place, &users, "member").await {
        spawn_local(async move {
            while link.recv().await.is_some() {}
            panic!("an idle connection was closed");
        });
    }
}
