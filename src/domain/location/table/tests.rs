//! What a table holds and shows; time is an argument.

use fanfare_proto::{DepartmentId, Motion, Position, TeamId, event::LocationAgents};

use super::*;

const T: u64 = 1_790_000_000_000;
/// Where it does not matter when something was heard.
const HEARD: Elapsed = Elapsed(5);

fn fix(counter: u64, time: u64) -> Fix {
    let position = Position::from_degrees(1.0, counter as f64 / 1e6).unwrap();
    Fix { counter, time: UnixMs(time), position, motion: Motion::default() }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn units(departments: &[&str], teams: &[&str]) -> Units {
    let departments = departments.iter().map(|name| DepartmentId::new(name).unwrap());
    Units::new(departments.collect(), teams.iter().map(|name| TeamId::new(name).unwrap()).collect())
}

/// A fix of the first device, which comes just when it was taken.
fn now(fix: Fix, heard: Elapsed) -> Arrival {
    Arrival { fix, source: 1, at: fix.time, heard: Some(heard) }
}

fn table(limit: usize) -> Table {
    Table::new(Epoch(7), limit, 10)
}

fn names(table: &Table, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(user);
    table.latest(scope, after.as_ref(), limit).into_iter().map(|(agent, _)| agent.to_string()).collect()
}

#[test]
fn pages_of_any_scope_are_in_order_and_hold_each_once() {
    let table = table(1_000);
    let of = [units(&["north"], &["blue"]), units(&["south"], &["blue"]), units(&[], &[])];
    for n in [5, 3, 8, 1, 0, 7, 2, 6, 4] {
        table.place(&user(&format!("a{n}")), &of[n % 3], &now(fix(1, T), HEARD));
    }
    let everyone = Scope::Organisation;
    assert_eq!(names(&table, &everyone, None, 4), ["a0", "a1", "a2", "a3"]);
    assert_eq!(names(&table, &everyone, Some("a3"), 100), ["a4", "a5", "a6", "a7", "a8"]);
    let north = Scope::Units(units(&["north"], &[]));
    assert_eq!(names(&table, &north, Some("a0"), 1), ["a3"]);
    let both = Scope::Units(units(&["north", "south", "west"], &["blue"]));
    assert_eq!(names(&table, &both, None, 3), ["a0", "a1", "a3"]);
    assert_eq!(names(&table, &both, Some("a2"), 100), ["a3", "a4", "a6", "a7"]);
    assert_eq!(names(&table, &Scope::Units(units(&["blue"], &["north"])), None, 100), [""; 0]);
    // Whoever moves stands in the lists of the new place only.
    table.place(&user("a3"), &of[1], &now(fix(2, T + 1), HEARD));
    assert_eq!(names(&table, &north, None, 100), ["a0", "a6"]);
    let south = Scope::Units(units(&["south"], &[]));
    assert_eq!(names(&table, &south, None, 100), ["a1", "a3", "a4", "a7"]);
    let agents = |from: Option<&str>, limit| table.agents(&south, from.map(user).as_ref(), limit);
    assert_eq!(agents(Some("a3"), 2), [user("a3"), user("a4")]);
    assert_eq!(agents(Some("a2"), 2), [user("a3"), user("a4")], "nobody who is not seen");
}

/// The work of a page, of a snapshot of few, and of a receiver that lags a little, is that of the answer.
#[test]
fn work_is_that_of_the_answer() {
    let table = table(20_000);
    for n in 0..10_000 {
        let of = if n % 1_000 == 0 { units(&["few"], &["few"]) } else { units(&["many"], &[]) };
        table.place(&user(&format!("a{n:05}")), &of, &now(fix(1, T), HEARD));
    }
    let few = Scope::Units(units(&["few"], &["few"]));
    let state = table.lock();
    for (scope, after, limit, most) in [
        (&Scope::Organisation, None, 100, 100),
        (&Scope::Organisation, Some(user("a05000")), 1, 1),
        (&few, None, 100, 20),
        (&Scope::Units(units(&["many", "few"], &["few"])), Some(user("a09000")), 10, 11),
    ] {
        let mut walk = state.order.of(scope, after.as_ref());
        let found = walk.by_ref().take(limit).count();
        assert!(found >= most / 2 && walk.looked <= most + 3, "{found} found, {} looked at", walk.looked);
    }
    let version = state.version;
    drop(state);
    table.place(&user("a00001"), &units(&["many"], &[]), &now(fix(2, T + 1), HEARD));
    let state = table.lock();
    assert_eq!(state.since(&Scope::Organisation, version).count(), 1);
    assert_eq!(state.since(&few, 0).count(), 10);
}

type Ask<'a> = &'a dyn Fn(&Table);

/// Whatever is asked of a table is asked under its lock, by one organisation of all, and takes no longer where there are many.
#[test]
#[ignore = "soak: `make soak` runs it"]
fn many_others_make_nothing_slower() {
    let of = |count: usize| {
        let table = table(count);
        for n in 0..count {
            table.place(&user(&format!("a{n:05}")), &units(&["many"], &[]), &now(fix(1, T), HEARD));
        }
        table
    };
    let (few, many) = (of(20), of(20_000));
    let (scope, after) = (Scope::Units(units(&["many"], &[])), user("a00009"));
    let asks: [(&str, Ask<'_>); 5] = [
        ("latest", &|table| assert_eq!(table.latest(&scope, Some(&after), 1).len(), 1)),
        ("part", &|table| assert_eq!(table.part(Epoch(7), &scope, Some(&after), 1).unwrap().len(), 1)),
        ("agents", &|table| assert_eq!(table.agents(&scope, Some(&after), 1).len(), 1)),
        ("newest", &|table| assert!(table.newest(&scope, &after).is_some())),
        ("sees", &|table| assert!(table.sees(&scope, &after))),
    ];
    for (what, ask) in asks {
        // The least of several, as the machine has other things to do: what looks at all takes a thousand times as long.
        let least = |table: &Table| {
            let timed = (0..50).map(|_| {
                let begun = std::time::Instant::now();
                ask(table);
                begun.elapsed()
            });
            timed.min().unwrap()
        };
        let (few, many) = (least(&few), least(&many));
        assert!(many < few * 30 + std::time::Duration::from_micros(100), "{what}: {few:?} and {many:?}");
    }
}

#[test]
fn the_oldest_departed_makes_room_and_nobody_else() {
    let table = table(3);
    let at = |seconds: u64| Elapsed(seconds * 1000);
    let nowhere = Units::default();
    let restored = |name, time| {
        (user(name), Units::default(), Arrival { fix: fix(1, time), source: 1, at: UnixMs(T), heard: None })
    };
    // Of too many the newest are taken.
    table.restore(vec![
        restored("old", T - 300),
        restored("older", T - 400),
        restored("new", T - 100),
        restored("mid", T - 200),
    ]);
    let everyone = Scope::Organisation;
    assert_eq!(names(&table, &everyone, None, 9), ["mid", "new", "old"]);
    let place = |name: &str, counter, seconds| {
        table.place(&user(name), &nowhere, &now(fix(counter, T + seconds * 1000), at(seconds)))
    };
    assert_eq!(place("old", 2, 1), Placed::Newest, "it is back");
    assert_eq!(place("x", 1, 2), Placed::MadeRoom);
    assert_eq!(names(&table, &everyone, None, 9), ["new", "old", "x"]);
    assert_eq!(place("y", 1, 3), Placed::MadeRoom);
    assert_eq!(names(&table, &everyone, None, 9), ["old", "x", "y"]);
    // All are there: nobody goes.
    assert_eq!(place("z", 1, 500), Placed::Full);
    assert_eq!(place("old", 3, 599), Placed::Newest);
    let again = Arrival { at: UnixMs(T + 600_000), ..now(fix(1, T + 3_000), at(600)) };
    assert_eq!(
        table.place(&user("y"), &nowhere, &again),
        Placed::Older,
        "something came of it, although not new"
    );
    assert_eq!(place("z", 1, 602), Placed::MadeRoom);
    assert_eq!(names(&table, &everyone, None, 9), ["old", "y", "z"]);
    assert_eq!(place("x", 2, 1_100), Placed::Full);
}

#[test]
fn agents_that_come_and_go_leave_nothing_behind() {
    let table = table(4);
    let view = Scope::Organisation;
    table.snapshot(&view, || 1, |_| ()).unwrap();
    let mut epochs = std::collections::BTreeSet::new();
    let (mut given, mut renewals) = (std::collections::BTreeSet::new(), 0);
    for n in 1..1_000 {
        let time = T + n * 1_000;
        table.place(&user("comes-and-goes"), &Units::default(), &now(fix(n, time), HEARD));
        let flushes = table.flush(UnixMs(time), Elapsed(time), UnixMs(time), |_| true);
        for flush in &flushes {
            if flush.renewed {
                renewals += 1;
                given.clear();
            }
            for event in &flush.events {
                let text = event.text();
                if let Some((_, data)) = text.split_once(r#""data":"#)
                    && let Ok(agents) = serde_json::from_str::<LocationAgents>(&data[..data.len() - 1])
                {
                    epochs.insert(agents.epoch.0);
                    assert!(given.insert(agents.agents[0].alias), "an alias is given once in an epoch");
                }
            }
        }
        table.flush(UnixMs(time + 500), Elapsed(time + 500), UnixMs(time + 1), |_| true);
        let state = table.lock();
        assert!(state.entries.len() <= 1 && state.aliases.len() <= 1);
        assert!(state.next_alias() <= 70);
    }
    assert!((10..=20).contains(&renewals), "{renewals}");
    assert!(epochs.len() >= 10 && epochs.iter().all(|epoch| *epoch < 7 + 30), "{epochs:?}");
}

#[test]
fn a_new_epoch_keeps_what_is_shown() {
    let table = table(4);
    let blue = Scope::Units(units(&["blue"], &[]));
    table.snapshot(&blue, || 3, |_| ()).unwrap();
    for name in ["a", "b", "c"] {
        let of = if name == "b" { units(&["blue"], &[]) } else { Units::default() };
        table.place(&user(name), &of, &now(fix(1, T), HEARD));
    }
    let before = table.latest(&Scope::Organisation, None, 9);
    let (snapshot, ()) = table.snapshot(&blue, || 0, |_| ()).unwrap();
    table.lock().renew();
    assert_eq!(table.part(snapshot.epoch, &blue, None, 9), None, "aliases mean others now");
    let flushes = table.flush(UnixMs(T + 1), Elapsed(T + 1), UnixMs(0), |_| true);
    assert_eq!(flushes.len(), 1);
    assert!(flushes[0].renewed && flushes[0].to > snapshot.version);
    assert_eq!(flushes[0].epoch, Epoch(8));
    let (after, ()) = table.snapshot(&blue, || 0, |_| ()).unwrap();
    assert_eq!((after.view, after.epoch), (3, Epoch(8)));
    assert!(after.version >= flushes[0].to);
    let shown = table.part(after.epoch, &blue, None, 9).unwrap();
    assert_eq!(shown.iter().map(|agent| agent.agent_id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(table.latest(&Scope::Organisation, None, 9), before);
    assert!(table.flush(UnixMs(T + 2), Elapsed(T + 2), UnixMs(0), |_| true).is_empty(), "told once");
}

#[test]
fn where_an_agent_works_is_stored_when_it_changes_and_once_a_day() {
    let table = table(4);
    let ann = user("ann");
    let place = |time, of: &Units| {
        table.place(&ann, of, &now(fix(time, T + time), HEARD));
        table.is_unkept(&ann, UnixMs(T + time))
    };
    let (north, south) = (units(&["north"], &[]), units(&["south"], &[]));
    assert!(place(1, &north));
    assert!(!place(2, &north));
    assert!(place(3, &south));
    assert!(!place(4, &south));
    assert!(place(4 + 86_400_000, &south));
    assert!(!table.is_unkept(&user("bob"), UnixMs(T)));
}

/// A phone that was 50 s ahead is set right.
#[test]
fn a_clock_that_was_ahead_holds_nobody_back() {
    let table = table(4);
    let (ann, nowhere, everyone) = (user("ann"), Units::default(), Scope::Organisation);
    let shown = || {
        let (_, fix) = table.latest(&everyone, None, 1).remove(0);
        (fix.counter, fix.time.0 - T)
    };
    let place = |counter, ahead: i64, at: u64| {
        let fix = fix(counter, (T + at).saturating_add_signed(ahead));
        let arrival = Arrival { fix, source: 1, at: UnixMs(T + at), heard: Some(HEARD) };
        table.place(&ann, &nowhere, &arrival)
    };
    assert_eq!(place(1, 50_000, 0), Placed::Newest);
    assert_eq!(shown(), (1, 0), "it is never shown as of later than now");
    assert_eq!(place(2, 50_000, 1_000), Placed::Newest);
    // Two at once, then one that was overtaken, then a repeat.
    assert_eq!(place(4, 50_000, 2_000), Placed::Newest);
    assert_eq!(place(5, 50_001, 2_000), Placed::Newest);
    assert_eq!(shown(), (5, 2_001));
    assert_eq!(place(3, 49_000, 2_500), Placed::Older);
    assert_eq!(place(5, 49_501, 2_500), Placed::Older);
    // The clock is set right.
    assert_eq!(place(6, 0, 3_000), Placed::Newest);
    assert_eq!(shown(), (6, 3_000));
    // One taken by the wrong clock comes again.
    assert_eq!(place(4, 42_000, 10_000), Placed::Newest, "nobody knows better: it has a time of later");
    assert_eq!(place(7, -10, 11_000), Placed::Newest);
    assert_eq!(shown(), (7, 10_990));
}

#[test]
fn an_older_fix_never_replaces_a_newer_one() {
    let table = table(4);
    let (ann, nowhere) = (user("ann"), Units::default());
    let place = |source, counter, time: u64, at: u64| {
        let arrival = Arrival { fix: fix(counter, T + time), source, at: UnixMs(T + at), heard: Some(HEARD) };
        table.place(&ann, &nowhere, &arrival)
    };
    assert_eq!(place(1, 2, 1_000, 0), Placed::Newest);
    assert_eq!(place(1, 3, 500, 10), Placed::Older, "also with a higher counter");
    assert_eq!(place(2, 1, 999, 2_000), Placed::Older);
    assert_eq!(place(2, 1, 1_001, 2_000), Placed::Newest);
    assert_eq!(place(2, 2, 1_001, 2_000), Placed::Older);
}
