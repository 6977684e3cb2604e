//! The server is replaced under load, by clients of both transports who talk and drive all the while.

mod beside;
mod party;
mod ticks;

use std::time::{Duration, Instant};

use fanfare_client::State;
use tokio::{sync::watch, task::JoinSet};

use self::party::Party;
use crate::{
    positions::live as positions,
    support::{harness::Process, scheduler_lag::Late},
};

const CLIENTS: usize = 500;
/// People of one conversation, of whom one talks, one drives and one watches.
const GROUP: usize = 20;
/// Each is back by then.
const BACK: Duration = Duration::from_secs(10);

/// Which of a group talks, drives and watches: by turns of either transport.
const fn talker(group: usize) -> usize {
    group * GROUP + group % 2
}
const fn agent(group: usize) -> usize {
    group * GROUP + 2 + group / 2 % 2
}
const fn watcher(group: usize) -> usize {
    group * GROUP + 4 + group / 4 % 2
}

fn role(n: usize) -> &'static str {
    let group = n / GROUP;
    match n {
        n if n == agent(group) => "agent",
        n if n == watcher(group) => "supervisor",
        _ => "member",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn a_server_is_replaced_under_load_and_nothing_is_lost_or_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("FANFARE_DRAIN__SPREAD_MS", "1000"),
        ("FANFARE_DRAIN__NOTICE_MS", "500"),
        ("FANFARE_LIMITS__CONVERSATIONS_PER_MINUTE_PER_USER", "1000"),
        ("FANFARE_LIMITS__CONVERSATIONS_PER_MINUTE_PER_ORGANISATION", "1000"),
    ];
    let mut server = Process::start_with(dir.path(), &settings).await;
    let mut party = Party::gather(&server.base, CLIENTS, GROUP, role).await;
    let groups = CLIENTS / GROUP;
    let (stop, stopped) = watch::channel(false);
    let (mut talkers, mut drivers, seen) = (JoinSet::new(), JoinSet::new(), ticks::Seen::default());
    for group in 0..groups {
        talkers.spawn(party.talk(talker(group), stopped.clone()));
        drivers.spawn(ticks::drive(party.clients[agent(group)].clone(), agent(group), stopped.clone()));
        party.listeners.spawn(ticks::watch(party.clients[watcher(group)].clone(), group, seen.clone()));
    }
    let late = Late::begin();
    let (start, mut down) = (positions::now(), Vec::new());
    ticks::all_move(&seen, groups, start).await;
    for _ in 0..2 {
        let start = Instant::now();
        server = server.replace_here().await;
        down.push(start.elapsed());
        for client in &party.clients {
            client.state().wait_for(State::is_open).await.unwrap();
        }
        // Whatever was seen before, all agents are seen moving again.
        ticks::all_move(&seen, groups, positions::now()).await;
    }
    stop.send_replace(true);
    let said = talkers.join_all().await;
    let total = party.all_heard(said).await;
    let driven = drivers.join_all().await;
    let fixes: usize = driven.iter().map(|driven| driven.fixes.len()).sum();
    ticks::all_stored(&party.clients[watcher(0)], &driven).await;
    let late = late.p99();
    let mut absences = party.leave().await;
    absences.sort_unstable();
    let (half, longest) = (absences[CLIENTS / 2], absences[CLIENTS - 1]);
    println!(
        "figure: replaced twice, which took {down:?}: {total} messages, each heard by {GROUP}, none lost, none doubled; {fixes} \
         fixes of {groups} agents, all stored, once each; {groups} watchers saw no agent move back, nor stand for more \
         than {:?}; of {CLIENTS} clients half were away for {half:?} at most, and all for {longest:?}; this \
         process ran {late:?} late at p99",
        ticks::longest_stand(&seen)
    );
    // Coming back takes some twenty steps, of either side, on a machine that others may use.
    assert!(longest <= BACK + 20 * late, "{longest:?}");
}
