//! What is done again and again: changed positions are sent, what is too old is removed.

use std::{sync::Arc, time::Duration};

use fanfare_proto::{TopicKind, UnixMs};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::{
    domain::{Services, location, presence},
    store::FixClass,
};

/// How often what is too old is removed.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);
/// When it is removed for the first time.
const EXPIRE_FIRST: Duration = Duration::from_mins(10);
/// How often those who have gone are forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(1);
/// How often this node tells the others what has changed.
const NODES_EVERY: Duration = Duration::from_millis(500);
/// How often what is known of people is looked through for what is to be stored.
const KEEP_EVERY: Duration = Duration::from_secs(1);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Sends changed positions, again and again.
pub(super) async fn flush(services: Arc<Services>) {
    let mut timer = interval(Duration::from_millis(services.config.ticks.flush_ms));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        location::flush(&services, services.clock.now(), services.clock.elapsed());
    }
}

/// Forgets addresses, users and organisations that have gone and are owed no wait, again and again.
pub(super) async fn tidy(services: Arc<Services>) {
    let mut timer = interval(TIDY_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        services.crowd.tidy(services.clock.elapsed());
    }
}

/// Sends changes of presence, again and again.
pub(super) async fn presence(services: Arc<Services>) {
    let mut timer = interval(Duration::from_millis(services.config.presence.flush_ms));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        presence::flush(&services, services.clock.elapsed());
    }
}

/// Tells the other nodes who is here, and hears who is there, again and again.
pub(super) async fn nodes(services: Arc<Services>) {
    let mut timer = interval(NODES_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        presence::turn(&services).await;
    }
}

/// Stores what is known of people, now and then, and at once where somebody waits for it.
pub(super) async fn keep(services: Arc<Services>) {
    let mut timer = interval(KEEP_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = presence::hurry(&services) => {}
        }
        presence::keep(&services, services.clock.now(), false).await;
    }
}

/// Removes what is too old, again and again. Nothing that is removed comes back, so the wall clock is not believed at
/// once: a machine may begin with a wrong one, which its network sets right within minutes.
pub(super) async fn expire(services: Arc<Services>) {
    let mut timer = interval_at(Instant::now() + EXPIRE_FIRST, EXPIRE_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut wall, mut begun) = (services.clock.now(), services.clock.elapsed());
    loop {
        timer.tick().await;
        let (now, elapsed) = (services.clock.now(), services.clock.elapsed());
        let ahead = now.since(wall.plus(elapsed.since(begun)));
        (wall, begun) = (now, elapsed);
        // Where it stays so, the next time it is believed.
        if ahead > DAY_MS {
            tracing::error!(
                ahead_ms = ahead,
                "the clock was set ahead by over a day: nothing is expired for an hour"
            );
            continue;
        }
        expire_once(&services).await;
    }
}

pub(super) async fn expire_once(services: &Services) {
    let now = services.clock.now();
    let retention = &services.config.retention;
    let before = |days: u32| UnixMs(now.since(UnixMs(u64::from(days) * DAY_MS)));
    for kind in TopicKind::ALL {
        let days = match kind {
            TopicKind::Notice | TopicKind::UrgentNotice => retention.notice_days,
            TopicKind::Revocation => retention.revocation_days,
            _ => retention.conversation_days,
        };
        match services.store.expire(kind, before(days)).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(kind = kind.as_str(), events, "expired"),
            Err(error) => tracing::warn!(kind = kind.as_str(), %error, "cannot expire"),
        }
    }
    for class in FixClass::ALL {
        if let Err(error) = services.store.expire_fixes(class, before(retention.days_of(class))).await {
            tracing::warn!(class = class.as_str(), %error, "cannot expire fixes");
        }
    }
}
