//! Positions: agents send one a second, spread over the second, and supervisors see all of them.

use std::{cell::RefCell, rc::Rc, time::Duration};

use fanfare_proto::{Fix, Motion, Position, UnixMs, event::LocationStored};
use serde::Deserialize;
use tokio::{
    task::spawn_local,
    time::{Instant, sleep, sleep_until},
};

use super::{
    System, Window, dialect,
    link::{Got, Link},
    process::{Meter, udp_drops},
    server::Server,
    settle,
    summary::Round,
};

mod watcher;

use watcher::Watcher;

pub const AGENTS: usize = 475;
pub const SUPERVISORS: usize = 50;

/// Between two positions of an agent.
const PERIOD: Duration = Duration::from_secs(1);

/// Who sends what when: everything that a receiver needs to check what it gets.
#[derive(Debug)]
pub struct Plan {
    /// The time in the first fix of the first agent.
    start: u64,
    /// When each fix was sent, by number and agent.
    sent: RefCell<Vec<[Option<Instant>; AGENTS]>>,
}

impl Plan {
    /// Milliseconds after the first agent that an agent sends.
    const fn offset(agent: usize) -> u64 {
        (agent * 1000 / AGENTS) as u64
    }

    fn fix(&self, agent: usize, n: usize) -> Fix {
        let time = UnixMs(self.start + n as u64 * 1000 + Self::offset(agent));
        let (lat, lon) = Self::position(agent, n);
        let position = Position::from_e7(lat, lon).unwrap();
        let motion = Motion::from_raw(Some(48), Some(139), Some(27_050), Some(87)).unwrap();
        Fix { counter: n as u64 + 1, time, position, motion }
    }

    /// Where an agent is in its fix number `n`, in units of 1e-7 degree.
    pub const fn position(agent: usize, n: usize) -> (i32, i32) {
        (525_000_000 + agent as i32 * 10_007, 134_000_000 + n as i32 * 1_003)
    }

    /// Which fix of an agent has this time; `None` where none has.
    pub fn number(&self, agent: usize, time: u64) -> Option<usize> {
        let since = time.checked_sub(self.start + Self::offset(agent))?;
        (since % 1000 == 0).then_some((since / 1000) as usize)
    }

    /// How long ago a fix was sent; `None` where none was.
    pub fn age(&self, agent: usize, n: usize) -> Option<Duration> {
        Some(self.sent.borrow().get(n)?[agent]?.elapsed())
    }
}

pub async fn run(system: System, window: Window) -> Round {
    let server = Server::start(system).await;
    let place = dialect::place(&server).await;
    let names =
        |what: &str, count: usize| -> Vec<String> { (0..count).map(|n| format!("{what}-{n:04}")).collect() };
    let agents = dialect::enter(&server, &place, &names("agent", AGENTS), "agent").await;
    let supervisors = names("supervisor", SUPERVISORS);
    let mut supervisors = dialect::enter(&server, &place, &supervisors, "supervisor").await;
    for supervisor in &mut supervisors {
        dialect::follow(system, supervisor).await;
    }

    let plan = Rc::new(Plan {
        start: std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64,
        sent: RefCell::default(),
    });
    let watchers: Vec<_> = supervisors
        .into_iter()
        .map(|link| {
            let watcher = Rc::new(RefCell::new(Watcher::new(system, plan.clone())));
            spawn_local(watch(link, watcher.clone()));
            watcher
        })
        .collect();
    let stored = Rc::new(RefCell::new(0));
    let senders: Vec<_> = agents.iter().map(|link| link.sender.clone()).collect();
    for link in agents {
        spawn_local(receive_receipts(link, stored.clone()));
    }

    let end = Instant::now() + window.warm_up + window.measured;
    let sending = spawn_local({
        let plan = plan.clone();
        async move { send(system, &senders, &plan, end).await }
    });
    sleep(window.warm_up).await;
    let total = || -> u64 { watchers.iter().map(|w| w.borrow().delivered).sum() };
    for watcher in &watchers {
        watcher.borrow_mut().ages.clear();
    }
    let (before, meter) = (total(), Meter::start(server.id()));
    sleep(window.measured).await;
    let (used, machine) = meter.stop();
    let after = total();
    let mut ages: Vec<u32> = Vec::new();
    for watcher in &watchers {
        ages.append(&mut watcher.borrow_mut().ages);
    }
    let sent = sending.await.unwrap();
    // Longer than receipts wait.
    settle().await;
    sleep(PERIOD).await;
    let wrong: u64 = watchers.iter().map(|w| w.borrow().wrong + w.borrow().behind(sent)).sum();
    let repeats: u64 = watchers.iter().map(|w| w.borrow().repeats).sum();
    let mut notes = vec![format!("{repeats} repeats")];
    if system.is_fanfare() {
        notes.push(format!("{} of {sent} stored", stored.borrow()));
    }
    if system == System::WebTransport {
        let (server, load) = (udp_drops(server.id()), udp_drops(std::process::id()));
        notes.push(format!("datagrams dropped by the kernel: {server} to the server, {load} to its clients"));
    }
    Round {
        cpu: used,
        measured: window.measured,
        delivered: after - before,
        expected: sent * SUPERVISORS as u64,
        received: total(),
        wrong,
        machine,
        ages,
        notes: notes.join(", "),
    }
}

async fn watch(mut link: Link, watcher: Rc<RefCell<Watcher>>) {
    while let Some(got) = link.recv().await {
        watcher.borrow_mut().take(&got);
    }
    watcher.borrow_mut().wrong += 1;
}

/// Sends until `end`; answers how many.
async fn send(system: System, senders: &[super::link::Sender], plan: &Plan, end: Instant) -> u64 {
    let start = Instant::now();
    let mut sent = 0;
    for n in 0.. {
        plan.sent.borrow_mut().push([None; AGENTS]);
        for (agent, sender) in senders.iter().enumerate() {
            let due = start + PERIOD * n as u32 + PERIOD * agent as u32 / AGENTS as u32;
            sleep_until(due).await;
            if due >= end {
                return sent;
            }
            plan.sent.borrow_mut()[n][agent] = Some(Instant::now());
            dialect::send_fix(system, sender, plan.fix(agent, n));
            sent += 1;
        }
    }
    sent
}

/// Counts what the server says that it has stored.
async fn receive_receipts(mut link: Link, stored: Rc<RefCell<u64>>) {
    #[derive(Deserialize)]
    struct Event {
        data: LocationStored,
    }
    while let Some(got) = link.recv().await {
        if let Got::Text(text) = got
            && dialect::starts(&text, r#"{"event":"location:stored""#)
        {
            let event: Event = serde_json::from_slice(&text).unwrap();
            let ranges = event.data.stored.iter();
            *stored.borrow_mut() += ranges.map(|(first, last)| last - first + 1).sum::<u64>();
        }
    }
}
