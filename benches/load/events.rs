//! Messages: everyone of a room writes in turn, everyone receives each message once and in order.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use tokio::{
    task::spawn_local,
    time::{Instant, sleep, sleep_until},
};

use super::{
    System, Window, dialect,
    link::{Got, Link},
    process::Meter,
    server::Server,
    settle,
    summary::Round,
};

pub const MEMBERS: usize = 200;
pub const RATE: u32 = 20;
/// Bytes of a message's text.
pub const TEXT: usize = 100;

/// What was sent, and what the receivers made of it together.
#[derive(Debug, Default)]
struct Board {
    /// When each message was sent.
    sent: Vec<Instant>,
    /// The message that stands at a seq: the first receiver says it, the others must agree.
    at: HashMap<u64, usize>,
    delivered: u64,
    wrong: u64,
    ages: Vec<u32>,
}

impl Board {
    /// Takes a message of one receiver, whose previous seq is `last`.
    fn take(&mut self, last: &mut Option<u64>, seq: u64, text: &str) {
        let n: usize = text[..8].parse().unwrap();
        let in_order = last.is_none_or(|last| seq == last + 1);
        let agreed = *self.at.entry(seq).or_insert(n) == n;
        if !in_order || !agreed || text != self::text(n) {
            self.wrong += 1;
        }
        *last = Some(seq);
        self.delivered += 1;
        self.ages.push(self.sent[n].elapsed().as_micros() as u32);
    }
}

fn text(n: usize) -> String {
    format!("{n:08} {}", "x".repeat(TEXT - 9))
}

pub async fn run(system: System, window: Window) -> Round {
    let server = Server::start(system).await;
    let place = dialect::place(&server).await;
    let users: Vec<String> = (0..MEMBERS).map(|n| format!("member-{n:04}")).collect();
    let mut links = dialect::enter(&server, &place, &users, "member").await;
    let room = dialect::room(system, &mut links, &users).await;

    let board = Rc::new(RefCell::new(Board::default()));
    let senders: Vec<_> = links.iter().map(|link| link.sender.clone()).collect();
    for link in links {
        spawn_local(receive(system, link, board.clone()));
    }
    let end = Instant::now() + window.warm_up + window.measured;
    let sending = spawn_local({
        let board = board.clone();
        async move {
            let start = Instant::now();
            for n in 0.. {
                let due = start + Duration::from_secs(1) * n / RATE;
                sleep_until(due).await;
                if due >= end {
                    return u64::from(n);
                }
                let n = n as usize;
                board.borrow_mut().sent.push(Instant::now());
                dialect::send_message(system, &senders[n % MEMBERS], &room, n, &text(n));
            }
            0
        }
    });
    sleep(window.warm_up).await;
    board.borrow_mut().ages.clear();
    let (before, meter) = (board.borrow().delivered, Meter::start(server.id()));
    sleep(window.measured).await;
    let (used, machine) = meter.stop();
    let after = board.borrow().delivered;
    let ages = std::mem::take(&mut board.borrow_mut().ages);
    let sent = sending.await.unwrap();
    settle().await;
    let board = board.borrow();
    let mut standing: Vec<_> = board.at.values().collect();
    standing.sort_unstable();
    standing.dedup();
    // A message at two seqs was delivered twice.
    let twice = (board.at.len() - standing.len()) as u64;
    Round {
        cpu: used,
        measured: window.measured,
        delivered: after - before,
        expected: sent * MEMBERS as u64,
        received: board.delivered,
        wrong: board.wrong + twice,
        machine,
        ages,
        notes: String::new(),
    }
}

async fn receive(system: System, mut link: Link, board: Rc<RefCell<Board>>) {
    let mut last = None;
    while let Some(got) = link.recv().await {
        if let Got::Text(text) = got
            && let Some((seq, text)) = dialect::message(system, &text)
        {
            board.borrow_mut().take(&mut last, seq, &text);
        }
    }
    board.borrow_mut().wrong += 1;
}
