//! Fanfare and Socket.IO, measured in the same run on the same machine by the same generator.
//!
//! `cargo bench --bench compare -- [ticks] [events] [idle] [--rounds N] [--seconds N]`, after `npm ci` in
//! `benches/socketio`. Each measurement has a server of its own; the systems take turns, in the other direction every
//! second round.

#![allow(unreachable_pub, missing_docs, clippy::unwrap_used)]

mod load;

use std::{collections::HashMap, future::Future, time::Duration};

use load::{
    System, Window, events, idle,
    summary::{Round, heading, median, row},
    ticks,
};
use tokio::{runtime, task::LocalSet};

#[derive(Debug)]
struct Arguments {
    scenarios: Vec<String>,
    rounds: usize,
    seconds: u64,
}

impl Arguments {
    fn read() -> Self {
        let mut read = Self { scenarios: Vec::new(), rounds: 2, seconds: 15 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|n| n.parse().ok()).expect("a number");
            match argument.as_str() {
                // Cargo says so.
                "--bench" => {}
                "--rounds" => read.rounds = number() as usize,
                "--seconds" => read.seconds = number(),
                "ticks" | "events" | "idle" => read.scenarios.push(argument),
                _ => panic!("unknown argument {argument}"),
            }
        }
        read
    }

    fn wants(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == scenario)
    }
}

fn main() {
    let arguments = Arguments::read();
    let window = Window { warm_up: Duration::from_secs(5), measured: Duration::from_secs(arguments.seconds) };
    println!(
        "{} rounds of {} s each after {} s of warm-up; Socket.IO keeps nothing, Fanfare stores every fix and, before \
         anyone gets it, every message (SQLite, synchronous)",
        arguments.rounds,
        arguments.seconds,
        window.warm_up.as_secs()
    );
    if arguments.wants("ticks") {
        let title =
            format!("Positions: {} agents at 1 Hz to {} supervisors", ticks::AGENTS, ticks::SUPERVISORS);
        compare(&title, arguments.rounds, |system| alone(ticks::run(system, window)));
    }
    if arguments.wants("events") {
        let title = format!(
            "Messages of {} bytes: {} a second in a room of {}",
            events::TEXT,
            events::RATE,
            events::MEMBERS
        );
        compare(&title, arguments.rounds, |system| alone(events::run(system, window)));
    }
    if arguments.wants("idle") {
        println!("\nMemory of an idle, authenticated connection ({} of them)\n", idle::CONNECTIONS);
        println!("| {:<21} | KiB |\n|{}|---:|", "server", "-".repeat(23));
        for system in System::ALL {
            println!("| {:<21} | {:.1} |", system.name(), alone(idle::run(system)) / 1024.0);
        }
    }
}

/// Measures every system in turn and prints the table.
fn compare(title: &str, rounds: usize, measure: impl Fn(System) -> Round) {
    let mut measured: HashMap<&str, Vec<Round>> = HashMap::new();
    for round in 0..rounds {
        let mut order = System::ALL;
        if round % 2 == 1 {
            order.reverse();
        }
        for system in order {
            let round = measure(system);
            eprintln!("{}: {:.2} µs", system.name(), round.cost());
            measured.entry(system.name()).or_default().push(round);
        }
    }
    let costs = measured[System::SocketIo.name()].iter().map(Round::cost).collect();
    let reference = median(costs);
    heading(title);
    for system in System::ALL {
        row(system, &measured[system.name()], reference);
    }
}

/// Runs a measurement on a runtime of its own: when it is over, nothing of it is left.
fn alone<T>(measurement: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, measurement)
}
