use std::sync::Arc;

use fanfare_proto::{
    UnixMs, UserId,
    presence::{Availability, Presence, Status},
};

use super::{
    super::{
        kept::Kept,
        pages::Listed,
        person::{Person, Text},
    },
    Table,
};
use crate::time::Elapsed;

fn table() -> Table {
    Table::new(10_000, 2, Arc::default())
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn shown(table: &Table, id: &str) -> Presence {
    table.named(&[user(id)]).remove(0)
}

fn text(at: u64, text: &str) -> Text {
    Text { at: UnixMs(at), text: text.into() }
}

/// What a node lists of somebody who is there by one device since then.
fn listed(id: &str, availability: Availability, since: u64) -> Listed {
    let there = table();
    there.arrive(&user(id), 1, UnixMs(since));
    there.set(&user(id), 1, availability, UnixMs(since));
    let (_, mut people) = there.take_changed_pages().remove(0);
    people.remove(0)
}

#[test]
fn of_pages_and_texts_that_come_in_any_order_the_newest_holds() {
    let table = table();
    let node: Arc<str> = "b".into();
    table.heard(&node, 0, 7, vec![listed("ann", Availability::Busy, 2)]);
    table.heard(&node, 0, 6, vec![listed("ann", Availability::Away, 1)]);
    assert_eq!(shown(&table, "ann").status, Status::Busy);
    // Who is on the page no longer is not there any more.
    table.heard(&node, 0, 8, Vec::new());
    assert_eq!(shown(&table, "ann").status, Status::Offline);
    for (at, said) in [(5, "later"), (4, "earlier")] {
        table.set_text(&user("ann"), text(at, said));
    }
    let person = Person { text: text(3, "of a page"), ..Person::default() };
    table.heard(&node, 1, 1, vec![Listed::new(&user("ann"), &person)]);
    assert_eq!(shown(&table, "ann").text, "later");
    assert_eq!(table.text_time(&user("ann"), UnixMs(1)), UnixMs(6), "also by a clock that is behind");
}

#[test]
fn a_device_that_comes_back_is_not_gone_when_its_old_grace_ends() {
    let table = table();
    let ann = user("ann");
    table.arrive(&ann, 1, UnixMs(0));
    // Two connections of one device: the new one began before the old one had ended.
    table.arrive(&ann, 1, UnixMs(1));
    table.leave(&ann, 1, UnixMs(2), Elapsed(2));
    table.lapse(Elapsed(50_000));
    assert_eq!(shown(&table, "ann").status, Status::Online);
    table.leave(&ann, 1, UnixMs(50_000), Elapsed(50_000));
    table.arrive(&ann, 1, UnixMs(55_000));
    table.lapse(Elapsed(60_000));
    assert_eq!(shown(&table, "ann").status, Status::Online);
    table.leave(&ann, 1, UnixMs(70_000), Elapsed(70_000));
    table.lapse(Elapsed(79_999));
    assert_eq!(shown(&table, "ann").status, Status::Online);
    table.lapse(Elapsed(80_000));
    let gone = shown(&table, "ann");
    assert_eq!((gone.status, gone.last_seen), (Status::Offline, Some(UnixMs(70_000))));
    assert_eq!(table.take_seen(), [(ann, UnixMs(70_000))]);
}

#[test]
fn whoever_has_gone_is_listed_until_it_is_stored_when() {
    let table = table();
    let ann = user("ann");
    table.arrive(&ann, 1, UnixMs(1));
    table.set(&ann, 1, Availability::Offline, UnixMs(2));
    table.leave(&ann, 1, UnixMs(3), Elapsed(3));
    assert!(!table.lists_nobody());
    table.saved(&ann, UnixMs(1));
    assert!(!table.lists_nobody(), "an earlier time was stored");
    table.saved(&ann, UnixMs(2));
    assert!(table.lists_nobody());
    assert!(!table.is_idle(), "the others have not been told");
    assert_eq!(table.take_changed_pages().len(), 1);
    table.take_seen();
    assert!(table.is_idle());
}

#[test]
fn there_is_room_for_so_many() {
    let table = table();
    assert!(table.arrive(&user("a"), 1, UnixMs(1)) && table.arrive(&user("b"), 1, UnixMs(1)));
    assert!(!table.arrive(&user("c"), 1, UnixMs(1)) && table.arrive(&user("a"), 2, UnixMs(1)));
    table.heard(&"b".into(), 0, 1, vec![listed("c", Availability::Busy, 1)]);
    assert_eq!(shown(&table, "c").status, Status::Offline);
}

/// Or two nodes with one person would write for ever.
#[test]
fn what_is_heard_changes_no_page_here() {
    let (a, b) = (table(), table());
    let bob = user("bob");
    a.arrive(&bob, 1, UnixMs(1));
    b.arrive(&bob, 2, UnixMs(1));
    b.set(&bob, 2, Availability::Busy, UnixMs(2));
    let tell = |from: &Table, to: &Table, version| {
        for (page, people) in from.take_changed_pages() {
            to.heard(&"other".into(), page, version, people);
        }
    };
    tell(&a, &b, 1);
    tell(&b, &a, 1);
    assert_eq!((shown(&a, "bob").status, shown(&b, "bob").status), (Status::Busy, Status::Busy));
    a.restore(&bob, &Kept::default());
    b.forget_node("other", UnixMs(3));
    assert!(a.take_changed_pages().is_empty() && b.take_changed_pages().is_empty());
    // What changes here is told.
    a.set_text(&bob, text(4, "on my way"));
    assert_eq!(a.take_changed_pages().len(), 1);
}

#[test]
fn a_device_that_said_goodbye_is_there_again_also_beside_its_old_connection() {
    let table = table();
    let ann = user("ann");
    table.arrive(&ann, 1, UnixMs(1));
    table.set(&ann, 1, Availability::Offline, UnixMs(2));
    table.arrive(&ann, 1, UnixMs(3));
    assert_eq!(shown(&table, "ann").status, Status::Online);
    table.leave(&ann, 1, UnixMs(4), Elapsed(4));
    assert_eq!(shown(&table, "ann").status, Status::Online);
}

#[test]
fn a_device_is_what_it_was_where_it_was_last() {
    let table = table();
    let (ann, node): (_, Arc<str>) = (user("ann"), "b".into());
    table.arrive(&ann, 1, UnixMs(10));
    table.set(&ann, 1, Availability::Busy, UnixMs(11));
    table.leave(&ann, 1, UnixMs(12), Elapsed(12));
    table.heard(&node, 0, 1, vec![listed("ann", Availability::Away, 20)]);
    // This node's clock is behind.
    table.arrive(&ann, 1, UnixMs(15));
    assert_eq!(shown(&table, "ann").status, Status::Away);
    table.set(&ann, 1, Availability::Busy, UnixMs(16));
    assert_eq!(shown(&table, "ann").status, Status::Busy, "what is said here counts");
    // It was here last: what it was elsewhere before does not count.
    table.leave(&ann, 1, UnixMs(17), Elapsed(17));
    table.arrive(&ann, 1, UnixMs(30));
    assert_eq!(shown(&table, "ann").status, Status::Busy);
    table.heard(&node, 0, 2, vec![listed("ann", Availability::Away, 20)]);
    assert_eq!(shown(&table, "ann").status, Status::Busy);
    // From here to there and back, within a grace.
    table.leave(&ann, 1, UnixMs(31), Elapsed(31));
    table.heard(&node, 0, 3, vec![listed("ann", Availability::Away, 40)]);
    table.arrive(&ann, 1, UnixMs(50));
    assert_eq!(shown(&table, "ann").status, Status::Away);
}

#[test]
fn what_a_device_was_is_heard_after_it_has_come() {
    let table = table();
    let (ann, node): (_, Arc<str>) = (user("ann"), "b".into());
    table.arrive(&ann, 1, UnixMs(10));
    table.take_changed_pages();
    table.heard(&node, 0, 1, vec![listed("ann", Availability::Busy, 5)]);
    assert_eq!(shown(&table, "ann").status, Status::Busy);
    assert_eq!(table.take_changed_pages().len(), 1, "the others are told");
    // It said something else there just before it came.
    table.heard(&node, 0, 2, vec![listed("ann", Availability::Away, 5)]);
    assert_eq!(shown(&table, "ann").status, Status::Away);
    table.heard(&"c".into(), 0, 1, vec![listed("ann", Availability::Busy, 3)]);
    assert_eq!(shown(&table, "ann").status, Status::Away, "it was there before");
    table.heard(&node, 0, 3, vec![listed("ann", Availability::Offline, 5)]);
    assert_eq!(shown(&table, "ann").status, Status::Online, "it said goodbye, and is back");
    table.take_changed_pages();
    table.heard(&node, 0, 4, vec![listed("ann", Availability::Offline, 5)]);
    assert!(table.take_changed_pages().is_empty(), "nothing is new");
    // What it says itself holds.
    table.set(&ann, 1, Availability::Online, UnixMs(11));
    table.heard(&node, 0, 5, vec![listed("ann", Availability::Busy, 5)]);
    assert_eq!(shown(&table, "ann").status, Status::Online);
    // Who has gone on to another node is listed here as before.
    table.arrive(&user("eve"), 1, UnixMs(10));
    table.take_changed_pages();
    table.heard(&"d".into(), 0, 1, vec![listed("eve", Availability::Busy, 20)]);
    assert_eq!(shown(&table, "eve").status, Status::Busy);
    assert!(table.take_changed_pages().is_empty());
}
