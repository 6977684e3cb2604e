//! What a person who is there costs, and one who watches. It reads the memory of the process, so it is run alone:
//! `make soak` does.

use std::sync::Arc;

use fanfare_proto::{UnixMs, UserId};
use tokio::sync::OnceCell;

use super::{
    Slot,
    table::Table,
    watch::{Watching, Who},
};

const PEOPLE: usize = 10_000;
/// So many organisations, to see more than the pages of memory that any number of them takes.
const ORGANISATIONS: usize = 10;

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// What each of so many things takes that `make` makes, in bytes.
fn each<T>(what: &str, number: usize, make: impl FnOnce() -> T) -> (usize, T) {
    let before = resident();
    let made = make();
    let bytes = resident().saturating_sub(before) / number;
    println!("figure: {bytes} bytes for each {what}");
    (bytes, made)
}

#[test]
#[ignore = "soak: `make soak` runs it"]
fn what_people_and_those_who_watch_them_take() {
    let users: Vec<UserId> = (0..PEOPLE).map(|n| UserId::new(&format!("user-{n:026}")).unwrap()).collect();
    let slot = || {
        let table = Table::new(10_000, PEOPLE, Arc::default());
        Arc::new(Slot { table, view: 1, read: OnceCell::new() })
    };
    let (person, slots) = each("person who is there", PEOPLE * ORGANISATIONS, || {
        let slots: Vec<_> = (0..ORGANISATIONS).map(|_| slot()).collect();
        for slot in &slots {
            for user in &users {
                slot.table.arrive(user, 1, UnixMs(1));
            }
            slot.table.flush();
            drop(slot.table.take_changed_pages());
        }
        slots
    });
    let watch = |who: &Who, number| -> Vec<_> {
        (0..number).map(|n| Watching::new(slots[n % ORGANISATIONS].clone(), 1, who.clone())).collect()
    };
    let (everyone, all) = each("who watches everyone", PEOPLE, || watch(&Who::Everyone, PEOPLE));
    let named: Arc<[UserId]> = users[..200].into();
    let (named, some) = each("who watches 200 by name", PEOPLE, || watch(&Who::Named(named), PEOPLE));
    assert!(person <= 1024 && everyone <= 512 && named <= 4096, "{person} {everyone} {named}");
    drop((all, some));
}
