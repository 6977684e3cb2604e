//! Positions: taken from agents, shown live to who may see them, kept as tracks.

pub mod recorder;
mod refusals;
pub mod scope;
pub mod table;
pub mod units;
mod window;

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use fanfare_proto::{
    BadFix, Epoch, ErrorBody, ErrorCode, Fix, Lane, UnixMs, UserId,
    command::{Channel, LocationHistory, LocationLatest, LocationUpdate},
    event::{
        self, LatestAgent, LatestFixes, LocationSnapshot, LocationStored, RejectedFix, Subscription, Track,
    },
    frame::MAX_SENT,
    tick,
};
use tokio::sync::OnceCell;

pub use self::window::window;
use self::{
    recorder::{Receipts, Recorder},
    refusals::Refusals,
    scope::Scope,
    table::{Arrival, Lagging, Placed, Table},
    units::Keeper,
};
use super::{Answer, Caller, Services, answer};
use crate::{
    auth::{
        Identity,
        policy::{self, Action},
    },
    config::{Limits, Retention},
    error::refused,
    id::Tenant,
    metrics::Label,
    shard::{Following, Member, Shard},
    store::{FixClass, FixKey, StoredFix},
    time::Elapsed,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Agents in one part of a snapshot: at about 200 bytes each they fit in one frame.
const AGENTS_PER_PART: usize = MAX_SENT / 2 / 200;

/// When to try again to follow where there are too many views.
const FULL_MS: u64 = 5_000;

/// Fixes in one page of a track: at about 150 bytes each they fit in one frame.
const FIXES_PER_PAGE: u16 = 200;

/// The tables of all organisations.
#[derive(Debug)]
pub struct Locations {
    tables: Mutex<HashMap<Tenant, Arc<Slot>>>,
    next_view: AtomicU32,
    epoch: Epoch,
    agents: usize,
    views: usize,
    units: Arc<Keeper>,
}

/// A table, and whether it holds yet what was stored before the server started.
#[derive(Debug)]
struct Slot {
    table: Arc<Table>,
    restored: OnceCell<()>,
    refusals: Refusals,
}

impl Locations {
    /// No tables. `epoch` must differ from those of earlier lives of the server.
    pub fn new(epoch: Epoch, limits: &Limits, retention: &Retention) -> Self {
        let (agents, views) = (limits.agents_per_organisation, limits.views_per_organisation);
        let days = FixClass::ALL.into_iter().map(|class| retention.days_of(class)).max().unwrap_or(0);
        let units = Arc::new(Keeper::new(days));
        Self { tables: Mutex::default(), next_view: AtomicU32::new(1), epoch, agents, views, units }
    }

    /// What stores where agents work.
    pub fn units(&self) -> Arc<Keeper> {
        self.units.clone()
    }

    fn slot(&self, org: &Tenant) -> Arc<Slot> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = || Arc::new(Table::new(self.epoch, self.agents, self.views));
        let new = || Slot { table: table(), restored: OnceCell::new(), refusals: Refusals::default() };
        tables.entry(org.clone()).or_insert_with(|| Arc::new(new())).clone()
    }
}

/// The table with what was stored before the server started.
async fn whole_table(services: &Services, org: &Tenant) -> Result<Arc<Table>, ErrorBody> {
    let slot = services.locations.slot(org);
    let restore = || async {
        let now = services.clock.now();
        let latest = services.store.latest(org, oldest(services, org, now)).await.map_err(refused)?;
        let mut units = units::read(&*services.store, org, now).await.map_err(refused)?;
        let restored = latest.into_iter().map(|stored| {
            let units = units.remove(&stored.agent).unwrap_or_default();
            let arrival = Arrival { fix: stored.fix, source: stored.source, at: now, heard: None };
            (stored.agent, units, arrival)
        });
        slot.table.restore(restored.collect());
        Ok::<_, ErrorBody>(())
    };
    slot.restored.get_or_try_init(restore).await?;
    Ok(slot.table.clone())
}

/// Sends what changed to everyone who follows. Called every flush interval.
pub fn flush(services: &Services, now: UnixMs, elapsed: Elapsed) {
    let slots: Vec<_> = {
        let tables = services.locations.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.iter().map(|(org, slot)| (org.clone(), Arc::clone(slot))).collect()
    };
    for (org, slot) in slots {
        slot.refusals.flush(&org, now, elapsed);
        for flush in
            slot.table.flush(now, elapsed, oldest(services, &org, now), |view| services.hub.watched(view))
        {
            services.hub.publish_flush(flush);
        }
    }
}

/// Takes a packet of fixes from the caller's device: shown at once, stored soon, acknowledged then.
pub fn take_packet(
    services: &Services,
    caller: &Caller<'_>,
    packet: &[u8],
    recorder: &Recorder,
    receipts: &Rc<Receipts>,
    now: UnixMs,
) -> Result<(), tick::BadPacket> {
    let slot = services.locations.slot(&caller.identity.org);
    let elapsed = services.clock.elapsed();
    for fix in tick::unpack_fixes(packet)? {
        let checked = fix.map_err(|refused| (refused.counter, refused.reason)).and_then(|fix| {
            check_time(services, &caller.identity.org, &fix, now).map_err(|reason| (fix.counter, reason))?;
            Ok(fix)
        });
        match checked {
            Ok(fix) => recorder.record(show(services, caller, &slot, fix, now, elapsed), receipts),
            Err((counter, reason)) => {
                refuse(services, caller, &slot, reason, now);
                recorder.reject(counter, reason, receipts);
            }
        }
    }
    recorder.tell_if_due(receipts);
    Ok(())
}

/// A packet of fixes was not taken, for a reason that says nothing about the fixes.
pub fn note_dropped(services: &Services, identity: &Identity, why: &'static str) {
    services.metrics.fixes_rejected.get_or_create(&Label::of(why)).inc();
    services.locations.slot(&identity.org).refusals.note(&identity.user, why);
}

/// `location:update`
pub async fn update(services: &Services, caller: &Caller<'_>, command: LocationUpdate) -> Answer {
    let (now, elapsed) = (services.clock.now(), services.clock.elapsed());
    let slot = services.locations.slot(&caller.identity.org);
    let mut fixes = Vec::new();
    let mut rejected = Vec::new();
    for (index, given) in (0..).zip(command.fixes) {
        let checked = Fix::try_from(given)
            .and_then(|fix| check_time(services, &caller.identity.org, &fix, now).map(|()| fix));
        match checked {
            Ok(fix) => fixes.push(show(services, caller, &slot, fix, now, elapsed)),
            Err(reason) => {
                refuse(services, caller, &slot, reason, now);
                rejected.push(RejectedFix { counter: given.counter(), reason, index: Some(index) });
            }
        }
    }
    let counters: Vec<u64> = fixes.iter().map(|fix| fix.fix.counter).collect();
    // Once the fixes are stored, those see the agent after a restart who see it now.
    services.locations.units.write(&*services.store, now, elapsed).await;
    services.store.put_fixes(fixes).await.map_err(refused)?;
    services.metrics.fixes_stored.inc_by(counters.len() as u64);
    answer(&LocationStored { stored: recorder::ranges(counters), rejected })
}

/// Shows a good fix to whoever follows, and answers it as it is to be stored.
fn show(
    services: &Services,
    caller: &Caller<'_>,
    slot: &Slot,
    fix: Fix,
    now: UnixMs,
    elapsed: Elapsed,
) -> StoredFix {
    services.metrics.fixes_accepted.inc();
    let (identity, agent) = (caller.identity, caller.user());
    let arrival = Arrival { fix, source: caller.source, at: now, heard: Some(elapsed) };
    match slot.table.place(agent, &identity.units, &arrival) {
        Placed::Full => {
            services.metrics.not_shown(identity.org.as_str());
            slot.refusals.note(agent, refusals::NOT_SHOWN);
        }
        Placed::MadeRoom => {
            services.metrics.made_room(identity.org.as_str());
            slot.refusals.note(agent, refusals::MADE_ROOM);
        }
        Placed::Newest | Placed::Older => {}
    }
    if slot.table.is_unkept(agent, now) {
        services.locations.units.note(&identity.org, agent, &identity.units, now);
    }
    slot.refusals.taken(agent);
    let class = services.config.retention.fix_class(identity.org.org());
    StoredFix { org: identity.org.clone(), agent: agent.clone(), source: caller.source, class, fix }
}

/// Counts a fix that is refused, and notes it for those who watch the agent.
fn refuse(services: &Services, caller: &Caller<'_>, slot: &Slot, reason: BadFix, now: UnixMs) {
    services.metrics.fixes_rejected.get_or_create(&Label::of(reason.as_str())).inc();
    slot.refusals.refused(caller.user(), &caller.identity.units, reason, now);
}

fn check_time(services: &Services, org: &Tenant, fix: &Fix, now: UnixMs) -> Result<(), BadFix> {
    if fix.time > services.clock.latest().plus(services.config.ticks.ahead_ms) {
        return Err(BadFix::ClockAhead);
    }
    if fix.time < oldest(services, org, now) {
        return Err(BadFix::TooOld);
    }
    Ok(())
}

/// Fixes of this organisation that are older are not kept.
fn oldest(services: &Services, org: &Tenant, now: UnixMs) -> UnixMs {
    let retention = &services.config.retention;
    let days = retention.days_of(retention.fix_class(org.org()));
    UnixMs(now.since(UnixMs(u64::from(days) * DAY_MS)))
}

/// `subscribe` to positions: follow first, then the snapshot, so that nothing falls in between.
pub async fn subscribe(
    services: &Services,
    caller: &Caller<'_>,
    shard: &Rc<Shard>,
    member: &Rc<Member>,
    scope: Scope,
) -> Result<(Subscription, Following, LocationParts), ErrorBody> {
    let table = whole_table(services, &caller.identity.org).await?;
    let new_view = || services.locations.next_view.fetch_add(1, Ordering::Relaxed);
    let watch = |view| services.hub.watch(shard.index, view);
    let full =
        || ErrorCode::RateLimitExceeded.with("too many different views of positions").retry_after(FULL_MS);
    let (snapshot, watching) = table.snapshot(&scope, new_view, watch).ok_or_else(full)?;
    let parts = LocationParts { table: table.clone(), scope: scope.clone(), snapshot };
    let snapshot = &parts.snapshot;
    let lagging = Arc::new(Lagging { table, view: snapshot.view, scope });
    let following = shard.follow(member, snapshot.view, snapshot.standing(), lagging, watching);
    let subscription =
        Subscription { channel: Channel::Locations, view: snapshot.view, epoch: snapshot.epoch };
    Ok((subscription, following, parts))
}

/// A snapshot that is still to be sent.
#[derive(Debug)]
pub struct LocationParts {
    table: Arc<Table>,
    scope: Scope,
    snapshot: table::Snapshot,
}

impl LocationParts {
    /// Sends it, part by part, as the client takes it. Each part is read when it is sent: who has left the view
    /// meanwhile, which the client has been told, must not come back with it.
    pub async fn send(self, member: Rc<Member>) {
        let Self { table, scope, snapshot } = self;
        let mut after: Option<UserId> = None;
        loop {
            member.outbox.room(Lane::Ordered).await;
            let part = table.part(snapshot.epoch, &scope, after.as_ref(), AGENTS_PER_PART);
            // An epoch has begun meanwhile: another snapshot is sent.
            let Some(agents) = part else { return };
            let more = agents.len() == AGENTS_PER_PART;
            after = agents.last().map(|agent| agent.agent_id.clone());
            let data = LocationSnapshot { view: snapshot.view, epoch: snapshot.epoch, agents, more };
            member
                .outbox
                .push(Lane::Ordered, event::write(event::name::LOCATION_SNAPSHOT, None, &data).into());
            if !more {
                return;
            }
        }
    }
}

/// `location:latest`
pub async fn latest(services: &Services, caller: &Caller<'_>, command: LocationLatest) -> Answer {
    let table = whole_table(services, &caller.identity.org).await?;
    let slot = services.locations.slot(&caller.identity.org);
    let limit = usize::from(command.limit.unwrap_or(100).clamp(1, 100));
    let scope = Scope::granted(caller.identity, Action::WatchLocations);
    let after = command.after.as_ref();
    let agents: Vec<LatestAgent> = if command.refused {
        let refused = slot.refusals.page(&scope, after, limit).into_iter();
        let agent = |(agent_id, fixes)| {
            let fix = table.newest(&scope, &agent_id).map(Into::into);
            LatestAgent { agent_id, fix, refused: Some(fixes) }
        };
        refused.map(agent).collect()
    } else {
        let agent = |(agent_id, fix): (_, Fix)| {
            let refused = slot.refusals.of(&agent_id);
            LatestAgent { agent_id, fix: Some(fix.into()), refused }
        };
        table.latest(&scope, after, limit).into_iter().map(agent).collect()
    };
    let next = agents.last().filter(|_| agents.len() == limit).map(|last| last.agent_id.clone());
    answer(&LatestFixes { agents, next })
}

/// `location:history`
pub async fn history(services: &Services, caller: &Caller<'_>, command: LocationHistory) -> Answer {
    if command.agent_id != *caller.user() {
        let table = whole_table(services, &caller.identity.org).await?;
        let allowed = policy::may(caller.identity, Action::ReadTracks)
            && table.sees(&Scope::granted(caller.identity, Action::ReadTracks), &command.agent_id);
        if !allowed {
            return Err(ErrorCode::Unauthorized.with("not an agent whose track you may see"));
        }
    }
    let after = match &command.after {
        Some(text) => {
            Some(parse_key(text).ok_or_else(|| ErrorCode::InvalidMessage.with("after is no `next`"))?)
        }
        None => None,
    };
    let limit = usize::from(command.limit.unwrap_or(FIXES_PER_PAGE).clamp(1, FIXES_PER_PAGE));
    let org = &caller.identity.org;
    let span = command.from..=command.to;
    let found = services.store.track(org, &command.agent_id, span, after, limit).await.map_err(refused)?;
    let next = if found.len() == limit { found.last().map(|fix| write_key(fix.key())) } else { None };
    answer(&Track { fixes: found.into_iter().map(|stored| stored.fix.into()).collect(), next })
}

fn write_key(key: FixKey) -> String {
    format!("{}.{}.{}", key.time.0, key.source, key.counter)
}

fn parse_key(text: &str) -> Option<FixKey> {
    let mut parts = text.splitn(3, '.');
    Some(FixKey {
        time: UnixMs(parts.next()?.parse().ok()?),
        source: parts.next()?.parse().ok()?,
        counter: parts.next()?.parse().ok()?,
    })
}
