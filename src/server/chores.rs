//! What is done again and again: changed positions are sent, what is too old is removed.

use std::{sync::Arc, time::Duration};

use fanfare_proto::{TopicKind, UnixMs};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    domain::{Services, location},
    store::FixClass,
};

/// How often what is too old is removed.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);
/// How often those who have gone are forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(1);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Sends changed positions, again and again.
pub(super) async fn flush(services: Arc<Services>) {
    let mut timer = interval(Duration::from_millis(services.config.ticks.flush_ms));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        location::flush(&services, services.clock.now());
    }
}

/// Forgets addresses, users and organisations that have gone and are owed no wait, again and again.
pub(super) async fn tidy(services: Arc<Services>) {
    let mut timer = interval(TIDY_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        services.crowd.tidy(services.clock.now());
    }
}

/// Removes what is too old, again and again.
pub(super) async fn expire(services: Arc<Services>) {
    let mut timer = interval(EXPIRE_EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
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
