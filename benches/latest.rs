//! What a page of `location:latest` costs as the table grows: beside what it cost when each page looked at the whole table.
//! `cargo bench --bench latest`

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use fanfare::{
    auth::Units,
    domain::location::{
        scope::Scope,
        table::{Arrival, Table},
    },
    time::Elapsed,
};
use fanfare_proto::{DepartmentId, Epoch, Fix, Motion, Position, UnixMs, UserId};

/// Pages asked for, one after another, each somewhere else in the table.
const PAGES: usize = 50;
const DEPARTMENTS: usize = 100;

fn units(department: usize) -> Units {
    Units::new(vec![DepartmentId::new(&format!("d{department}")).unwrap()], Vec::new())
}

fn fix(counter: u64) -> Fix {
    let position = Position::from_degrees(31.5, 120.0).unwrap();
    Fix { counter, time: UnixMs(1_790_000_000_000 + counter), position, motion: Motion::default() }
}

/// As it was: all that are seen, in order, and then the page.
fn of_everyone(
    agents: &[(UserId, Units, Fix)],
    scope: &Scope,
    after: &UserId,
    limit: usize,
) -> Vec<(UserId, Fix)> {
    let seen = agents.iter().filter(|(agent, units, _)| scope.covers(units) && agent > after);
    let mut found: Vec<_> = seen.map(|(agent, _, fix)| (agent.clone(), *fix)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.truncate(limit);
    found
}

/// Microseconds a page.
fn each(mut page: impl FnMut(&UserId) -> Vec<(UserId, Fix)>, agents: usize) -> (f64, usize) {
    let begun = Instant::now();
    let mut found = 0;
    for n in 0..PAGES {
        let after = UserId::new(&format!("agent-{:06}", n * agents / PAGES)).unwrap();
        found += page(&after).len();
    }
    (begun.elapsed().as_secs_f64() * 1e6 / PAGES as f64, found)
}

fn main() {
    println!(
        "{:>8}  {:>12}  {:>5}  {:>12}  {:>12}  {:>8}",
        "agents", "scope", "limit", "before µs", "now µs", "ratio"
    );
    for count in [1_000, 10_000, 100_000] {
        let table = Table::new(Epoch(1), count, 10);
        let mut agents = Vec::new();
        for n in 0..count {
            let (agent, units) = (UserId::new(&format!("agent-{n:06}")).unwrap(), units(n % DEPARTMENTS));
            let fix = fix(n as u64 + 1);
            let heard = Some(Elapsed(1));
            table.place(&agent, &units, &Arrival { fix, source: 1, at: fix.time, heard });
            agents.push((agent, units, fix));
        }
        let scopes = [("organisation", Scope::Organisation), ("department", Scope::Units(units(7)))];
        for (name, scope) in &scopes {
            for limit in [1, 100] {
                let (before, found) = each(|after| of_everyone(&agents, scope, after, limit), count);
                let (now, same) = each(|after| table.latest(scope, Some(after), limit), count);
                assert_eq!(found, same);
                let ratio = before / now;
                println!("{count:>8}  {name:>12}  {limit:>5}  {before:>12.1}  {now:>12.1}  {ratio:>7.0}x");
            }
        }
    }
}
