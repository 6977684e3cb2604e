use futures::FutureExt;

use super::*;

const NOW: Elapsed = Elapsed(1_790_000_000_000);

fn crowd(change: impl FnOnce(&mut Limits)) -> Arc<Crowd> {
    let mut limits = Limits::default();
    change(&mut limits);
    Crowd::new(&limits, &[])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn names(org: &str, user: &str) -> (OrgId, UserId) {
    (OrgId::new(org).unwrap(), UserId::new(user).unwrap())
}

fn admit(crowd: &Arc<Crowd>, address: &str, org: &str, user: &str) -> Result<Guest, Full> {
    static ARRIVED: AtomicUsize = AtomicUsize::new(0);
    let (org, user) = names(org, user);
    // Each a second after the one before: how often somebody comes is another limit.
    let at = NOW.plus(1000 * ARRIVED.fetch_add(1, Ordering::Relaxed) as u64);
    let visitor = crowd.arrive(ip(address), at).unwrap();
    visitor.admit(&org, &user, NOW)
}

#[test]
fn an_address_is_a_customers() {
    assert_eq!(Site::of(ip("192.0.2.7")), Site::of(ip("::ffff:192.0.2.7")));
    assert_ne!(Site::of(ip("192.0.2.7")), Site::of(ip("192.0.2.8")));
    assert_eq!(Site::of(ip("2001:db8:1:2::1")), Site::of(ip("2001:db8:1:2:ffff::9")));
    assert_ne!(Site::of(ip("2001:db8:1:2::1")), Site::of(ip("2001:db8:1:3::1")));
}

#[test]
fn everyone_is_counted_where_they_belong_and_no_longer_than_they_stay() {
    let crowd = crowd(|limits| {
        limits.connections = 6;
        limits.connections_per_ip = 5;
        limits.connections_per_organisation = 4;
        limits.connections_per_user = 2;
    });
    let one = admit(&crowd, "192.0.2.1", "acme", "ann").unwrap();
    let two = admit(&crowd, "192.0.2.1", "acme", "ann").unwrap();
    assert_eq!(admit(&crowd, "192.0.2.1", "acme", "ann").unwrap_err(), Full::User);
    let of_acme = ["bob", "carl"].map(|user| admit(&crowd, "192.0.2.1", "acme", user).unwrap());
    assert_eq!(admit(&crowd, "192.0.2.1", "acme", "dora").unwrap_err(), Full::Organisation);
    let other = admit(&crowd, "192.0.2.1", "globex", "ann").unwrap();
    assert_eq!(admit(&crowd, "192.0.2.1", "globex", "bob").unwrap_err(), Full::Address);
    let elsewhere = admit(&crowd, "192.0.2.2", "globex", "ann").unwrap();
    assert_eq!(admit(&crowd, "192.0.2.2", "globex", "bob").unwrap_err(), Full::Server);
    drop(one);
    // What was refused has taken nothing anywhere: there is room for one, of each kind.
    let again = admit(&crowd, "192.0.2.1", "acme", "ann").unwrap();
    drop((two, of_acme, other, elsewhere, again));
    crowd.tidy(NOW.plus(600_000));
    assert_eq!((crowd.open.load(Ordering::Relaxed), crowd.sites.len()), (0, 0));
    assert!(crowd.users.is_empty() && crowd.organisations.is_empty() && crowd.lobby.is_empty());
}

#[test]
fn an_address_that_tries_too_often_waits_and_no_other_does() {
    let crowd = crowd(|limits| {
        limits.attempts_per_second_per_ip = 10;
        limits.connections_per_ip = 20;
    });
    for _ in 0..20 {
        crowd.arrive(ip("2001:db8::1"), NOW).unwrap();
    }
    let turned = crowd.arrive(ip("2001:db8::2"), NOW).unwrap_err();
    assert_eq!(turned, Turned::Attempts { retry_after_ms: 100 });
    crowd.arrive(ip("2001:db8:0:1::1"), NOW).unwrap();
    crowd.arrive(ip("2001:db8::1"), NOW.plus(100)).unwrap();
}

#[test]
fn refused_tokens_count_against_their_address() {
    let crowd = crowd(|limits| {
        limits.failures_per_minute_per_ip = 60;
        limits.connections_per_ip = 3;
    });
    for _ in 0..3 {
        crowd.arrive(ip("192.0.2.1"), NOW).unwrap().failed(NOW);
    }
    let turned = crowd.arrive(ip("192.0.2.1"), NOW).unwrap_err();
    assert_eq!(turned, Turned::Failures { retry_after_ms: 1000 });
    crowd.arrive(ip("192.0.2.2"), NOW).unwrap();
    crowd.arrive(ip("192.0.2.1"), NOW.plus(1000)).unwrap();
}

#[test]
fn the_lobby_has_room_for_everyone_but_not_for_long() {
    let crowd = crowd(|limits| {
        limits.lobby = 8;
        limits.lobby_per_ip = 5;
    });
    let (org, user) = names("acme", "ann");
    let idle: Vec<_> = (0..5).map(|_| crowd.arrive(ip("192.0.2.1"), NOW).unwrap()).collect();
    assert_eq!(crowd.arrive(ip("192.0.2.1"), NOW).unwrap_err(), Turned::Waiting);
    let through = crowd.arrive(ip("192.0.2.2"), NOW).unwrap();
    let guest = through.admit(&org, &user, NOW).unwrap();
    let others: Vec<_> = (0..5).map(|_| crowd.arrive(ip("192.0.2.2"), NOW).unwrap()).collect();
    let called: Vec<_> = idle.iter().map(|visitor| visitor.called().now_or_never().is_some()).collect();
    assert_eq!(called, [true, true, false, false, false], "those who have waited longest");
    assert!(through.called().now_or_never().is_none(), "who is in has no seat to give up");
    drop((guest, others, idle, through));
    assert!(crowd.lobby.is_empty());
    crowd.arrive(ip("192.0.2.1"), NOW).unwrap();
}

/// The address in a first packet may be anybody's: it must not be charged to them, nor remembered.
#[test]
fn forged_addresses_cost_their_owners_nothing() {
    let crowd = crowd(|limits| {
        limits.attempts_per_second_per_ip = 1;
        limits.connections_per_ip = 1;
    });
    let mut let_in = 0;
    for _ in 0..1000 {
        let_in += usize::from(crowd.arrive_unproven(ip("192.0.2.1"), NOW).is_some());
    }
    assert_eq!(let_in, 512, "the rest must prove their addresses");
    assert!(crowd.sites.is_empty());
    let owner = crowd.arrive(ip("192.0.2.1"), NOW).unwrap();
    let (org, user) = names("acme", "ann");
    owner.admit(&org, &user, NOW).unwrap();
    // An address that has spent its attempts is asked for a proof, and then told.
    let later = NOW.plus(900);
    assert!(crowd.arrive_unproven(ip("192.0.2.1"), later).is_none());
    assert!(crowd.arrive_unproven(ip("192.0.2.9"), later).is_some());
    // With many waiting, everyone is.
    let waiting: Vec<_> = (0..512_u32).map(|n| crowd.arrive(IpAddr::V4(n.into()), NOW).unwrap()).collect();
    assert!(crowd.arrive_unproven(ip("192.0.2.9"), later.plus(10_000)).is_none());
    drop(waiting);
    assert!(crowd.arrive_unproven(ip("192.0.2.9"), later.plus(10_000)).is_some());
}

/// Nothing is done for them before they are turned away, and they are not before it is sure who they are.
#[test]
fn who_would_be_turned_away_proves_their_address_first() {
    let crowd = crowd(|limits| {
        limits.failures_per_minute_per_ip = 60;
        limits.connections_per_ip = 4;
        limits.lobby_per_ip = 2;
    });
    for _ in 0..4 {
        assert!(crowd.arrive_unproven(ip("192.0.2.1"), NOW).is_some());
        crowd.failed(ip("192.0.2.1"), NOW);
    }
    assert!(crowd.arrive_unproven(ip("192.0.2.1"), NOW).is_none(), "refused tokens");
    assert!(crowd.arrive_unproven(ip("192.0.2.1"), NOW.plus(1000)).is_some());
    let waiting = [(); 2].map(|()| crowd.arrive(ip("192.0.2.2"), NOW).unwrap());
    assert!(crowd.arrive_unproven(ip("192.0.2.2"), NOW).is_none(), "too many who wait");
    drop(waiting);
    assert!(crowd.arrive_unproven(ip("192.0.2.2"), NOW).is_some());
}

#[test]
fn proof_that_comes_later_is_charged_once() {
    let crowd = crowd(|limits| {
        limits.attempts_per_second_per_ip = 1;
        limits.connections_per_ip = 2;
    });
    let visitors = [(); 3].map(|()| crowd.arrive_unproven(ip("192.0.2.1"), NOW).unwrap());
    visitors[0].prove(NOW).unwrap();
    visitors[1].prove(NOW).unwrap();
    assert_eq!(visitors[2].prove(NOW), Err(Turned::Attempts { retry_after_ms: 1000 }));
}

#[test]
fn exempt_addresses_are_not_counted() {
    let crowd = Crowd::new(
        &Limits {
            attempts_per_second_per_ip: 1,
            connections_per_ip: 1,
            lobby_per_ip: 1,
            ..Limits::default()
        },
        &["203.0.113.0/24".parse().unwrap()],
    );
    for address in ["127.0.0.1", "::1", "127.5.5.5", "::ffff:127.0.0.1", "203.0.113.9"] {
        let _all: Vec<_> = (0..10).map(|_| crowd.arrive(ip(address), NOW).unwrap()).collect();
    }
    assert!(crowd.sites.is_empty());
}

#[test]
fn a_user_and_an_organisation_share_what_they_may_do() {
    let crowd = crowd(|limits| {
        limits.messages_per_second_per_user = 5;
        limits.messages_per_second_per_organisation = 8;
        limits.urgent_per_minute_per_user = 1;
    });
    let phone = admit(&crowd, "192.0.2.1", "acme", "ann").unwrap();
    let laptop = admit(&crowd, "192.0.2.1", "acme", "ann").unwrap();
    for _ in 0..5 {
        phone.spend(Cost::Message, NOW).unwrap();
        laptop.spend(Cost::Message, NOW).unwrap();
    }
    let excess = phone.spend(Cost::Message, NOW).unwrap_err();
    assert_eq!(excess, Excess { what: "too many messages of this user", wait_ms: 200 });
    let bob = admit(&crowd, "192.0.2.1", "acme", "bob").unwrap();
    for _ in 0..6 {
        bob.spend(Cost::Message, NOW).unwrap();
    }
    for _ in 0..10 {
        let excess = bob.spend(Cost::Message, NOW).unwrap_err();
        assert_eq!(excess, Excess { what: "too many messages of this organisation", wait_ms: 125 });
    }
    bob.spend(Cost::Message, NOW.plus(125))
        .expect("what the organisation refused was not taken from the user");
    let other = admit(&crowd, "192.0.2.1", "globex", "ann").unwrap();
    other.spend(Cost::Message, NOW).unwrap();
    assert!(phone.spend_urgent(NOW) && !laptop.spend_urgent(NOW) && bob.spend_urgent(NOW));
    // Leaving and coming back gives nothing back.
    drop((phone, laptop));
    let again = admit(&crowd, "192.0.2.1", "acme", "ann").unwrap();
    assert!(again.spend(Cost::Message, NOW).is_err() && !again.spend_urgent(NOW));
}
