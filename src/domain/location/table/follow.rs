//! A view, for receivers that lag, and for all who follow it when an epoch begins.

use std::{rc::Rc, sync::Arc};

use fanfare_proto::{UnixMs, tick::Tick};
use futures::future::LocalBoxFuture;

use super::{Table, pack};
use crate::{
    domain::location::{LocationParts, scope::Scope},
    net::Packet,
    shard::{Changes, Member, Standing},
};

/// A view, for receivers that lag.
#[derive(Debug)]
pub struct Lagging {
    /// The table.
    pub table: Arc<Table>,
    /// The view's id.
    pub view: u32,
    /// The view's scope.
    pub scope: Scope,
}

impl Changes for Lagging {
    fn since(&self, standing: Standing) -> Option<(u64, Vec<Packet>)> {
        let state = self.table.lock();
        if state.epoch != standing.epoch {
            return None;
        }
        let since = state.since(&self.scope, standing.version);
        let changed: Vec<Tick> = since.map(|(alias, entry)| entry.tick(alias)).collect();
        let base = changed.first().map_or(UnixMs(0), |tick| tick.time);
        Some((state.version, pack(self.view, state.epoch, base, &changed)))
    }

    fn begin(&self, member: Rc<Member>) -> (Standing, LocalBoxFuture<'static, ()>) {
        let snapshot = self.table.lock().snapshot(self.view);
        let standing = snapshot.standing();
        let parts = LocationParts { table: self.table.clone(), scope: self.scope.clone(), snapshot };
        (standing, Box::pin(parts.send(member)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fanfare_proto::{
        Epoch, Fix, IssuerId, Lane, Motion, OrgId, Position, UserId, event::LocationSnapshot,
    };
    use futures::FutureExt;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;
    use crate::{
        auth::{Identity, Units, policy::Policy},
        domain::location::table::Arrival,
        hub::{Connection, Flush, Hub},
        id::Tenant,
        metrics::Metrics,
        outbox::{Bounds, Outbox},
        shard::{Shard, TickPort, TickSlot},
        store::sqlite::{Options, Sqlite},
        time::Elapsed,
    };

    const T: u64 = 1_790_000_000_000;

    fn ann() -> Identity {
        Identity {
            org: Tenant::verified(OrgId::new("acme").unwrap()),
            user: UserId::new("ann").unwrap(),
            issuer: IssuerId::default(),
            token_id: None,
            issued_at: None,
            rights: Policy::default().rights(["supervisor"].into_iter(), false).unwrap(),
            units: Units::default(),
            expires_at: UnixMs(u64::MAX),
        }
    }

    /// What has changed once an agent has moved.
    fn moved(table: &Table, counter: u64) -> Vec<Flush> {
        let time = UnixMs(T + counter);
        let position = Position::from_degrees(1.0, 2.0).unwrap();
        let fix = Fix { counter, time, position, motion: Motion::default() };
        let arrival = Arrival { fix, source: 1, at: time, heard: Some(Elapsed(counter)) };
        table.place(&UserId::new("taxi").unwrap(), &Units::default(), &arrival);
        table.flush(time, Elapsed(counter), UnixMs(0), |_| true)
    }

    /// It has skipped a flush, and an older one still waits before the thread when an epoch begins: what it lacks is of the
    /// new epoch, and means nothing without its snapshot.
    #[tokio::test]
    async fn who_lags_gets_the_snapshot_of_a_new_epoch() {
        LocalSet::new().run_until(lag_over_a_new_epoch()).await;
    }

    async fn lag_over_a_new_epoch() {
        let (metrics, dir) = (Arc::<Metrics>::default(), tempfile::tempdir().unwrap());
        let (hub, mut inboxes) = Hub::new(1, metrics.clone());
        let store = Sqlite::open(dir.path(), hub.clone(), &Options::default()).unwrap();
        let shard = Shard::new(0, hub.clone(), store, metrics.clone());
        spawn_local(shard.clone().fan_out(inboxes.remove(0)));
        let publish = async |flushes: Vec<Flush>| {
            for flush in flushes {
                hub.publish_flush(flush);
            }
            for _ in 0..50 {
                yield_now().await;
            }
        };
        let bounds = Bounds { urgent: 1 << 20, ordered: 1 << 20, age: Duration::from_mins(1) };
        let (outbox, slot) = (Rc::new(Outbox::new(bounds)), Rc::<TickSlot>::default());
        let connection = Connection::new(1, Arc::new(ann()), None, "test", UnixMs(T));
        let joined = shard.join(connection, [], outbox.clone(), TickPort::Slot(slot.clone()));

        let (table, scope) = (Arc::new(Table::new(Epoch(7), 4, 4)), Scope::Organisation);
        moved(&table, 1);
        let watch = |view| hub.watch(0, view);
        let (snapshot, watching) = table.snapshot(&scope, || 1, watch).unwrap();
        let lagging = Arc::new(Lagging { table: table.clone(), view: 1, scope });
        let _following = shard.follow(&joined.member, 1, snapshot.standing(), lagging, watching);

        publish(moved(&table, 2)).await;
        // Its writer is busy.
        publish(moved(&table, 3)).await;
        assert_eq!(metrics.ticks_skipped.get(), 1);
        assert_eq!(slot.take().len(), 1);
        slot.sent();
        let mut waiting = moved(&table, 4);
        table.lock().renew();
        waiting.extend(moved(&table, 5));
        publish(waiting).await;

        let batch = outbox.next(Lane::Ordered).now_or_never().flatten().expect("a snapshot");
        let text = batch.frames.last().expect("a frame").text().to_string();
        let (_, data) = text.split_once(r#""data":"#).expect("data");
        let told: LocationSnapshot = serde_json::from_str(&data[..data.len() - 1]).expect("a snapshot");
        assert_eq!((told.epoch, told.agents.len(), told.more), (Epoch(8), 1, false), "{text}");
        // What comes next is of that epoch.
        slot.take();
        slot.sent();
        publish(moved(&table, 6)).await;
        let packets = slot.take();
        let ticks = fanfare_proto::tick::unpack_ticks(&packets[0].content()).unwrap();
        assert_eq!((ticks.epoch, ticks.ticks[0].time), (Epoch(8), UnixMs(T + 6)));
    }
}
