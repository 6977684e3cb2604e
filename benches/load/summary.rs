//! Rounds of one system and scenario, and their row in a table.

use std::time::Duration;

use super::System;

/// One measurement.
#[derive(Debug)]
pub struct Round {
    /// CPU time of the server in the measured window.
    pub cpu: Duration,
    /// The window.
    pub measured: Duration,
    /// Deliveries in it.
    pub delivered: u64,
    /// Deliveries that should have been in the whole run.
    pub expected: u64,
    /// Those that were.
    pub received: u64,
    /// Out of order, twice, or with a value that nobody sent.
    pub wrong: u64,
    /// Part of the machine that was busy.
    pub machine: f64,
    /// Microseconds from sending to receiving, of each delivery in the window.
    pub ages: Vec<u32>,
    /// What else is to be said.
    pub notes: String,
}

impl Round {
    /// Microseconds of the server's CPU for each delivery.
    pub fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.delivered.max(1) as f64
    }
}

/// The heading of [`row`].
pub fn heading(title: &str) {
    println!("\n{title}\n");
    println!(
        "| {:<21} | CPU µs each: min | median | to Socket.IO | CPU % | each/s | p50 ms | p99 ms | checked | lost | wrong | machine % | notes |",
        "server"
    );
    println!("|{}|{}", "-".repeat(23), "---:|".repeat(11) + "---|");
}

/// A row of a table; `reference` is the median cost of Socket.IO.
pub fn row(system: System, rounds: &[Round], reference: f64) {
    let costs: Vec<f64> = rounds.iter().map(Round::cost).collect();
    let sum = |of: fn(&Round) -> f64| rounds.iter().map(of).sum::<f64>();
    let count = rounds.len() as f64;
    let mut ages: Vec<u32> = rounds.iter().flat_map(|round| round.ages.iter().copied()).collect();
    ages.sort_unstable();
    let age = |part: f64| {
        let at = (ages.len().saturating_sub(1)) as f64 * part;
        f64::from(ages.get(at as usize).copied().unwrap_or(0)) / 1e3
    };
    println!(
        "| {:<21} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
        system.name(),
        costs.iter().copied().fold(f64::INFINITY, f64::min),
        median(costs.clone()),
        median(costs) / reference,
        sum(|r| r.cpu.as_secs_f64() / r.measured.as_secs_f64()) / count * 100.0,
        sum(|r| r.delivered as f64 / r.measured.as_secs_f64()) / count,
        age(0.5),
        age(0.99),
        sum(|r| r.received as f64),
        sum(|r| r.expected as f64 - r.received as f64),
        sum(|r| r.wrong as f64),
        sum(|r| r.machine) / count * 100.0,
        rounds.last().map_or("", |round| &round.notes),
    );
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
