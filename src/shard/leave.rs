//! The way down of a shard: its clients are told to move, batch after batch, and closed a little later.

use std::{rc::Rc, time::Duration};

use fanfare_proto::{
    Lane,
    event::{self, GoingAway, name},
};
use tokio::time::sleep;

use super::{Member, Shard};

/// Between two batches.
const BEAT: Duration = Duration::from_millis(100);

/// The smallest batch: where few are connected nobody waits for the spread to pass.
const FEW: usize = 10;

impl Shard {
    /// Tells every connection to move, all of them within `spread`, and lets each go `notice` after it was told. Their
    /// clients add jitter of their own. Returns when the last was let go, not when it is gone.
    pub async fn leave(self: Rc<Self>, spread: Duration, notice: Duration) {
        let members: Vec<Rc<Member>> =
            self.members.borrow().values().flat_map(|of_org| of_org.values().cloned()).collect();
        let within_ms = notice.as_millis() as u64;
        let frame = event::write(name::SERVER_GOING_AWAY, None, &GoingAway { within_ms });
        let mut closing = Vec::new();
        for (number, batch) in members.chunks(batch(members.len(), spread)).enumerate() {
            if number > 0 {
                sleep(BEAT).await;
            }
            for member in batch {
                member.outbox.push(Lane::Ordered, frame.clone().into());
            }
            let batch = batch.to_vec();
            closing.push(tokio::task::spawn_local(async move {
                sleep(notice).await;
                for member in batch {
                    member.leaving.notify_one();
                }
            }));
        }
        for batch in closing {
            // Only a panic is an error, and there is nobody left to be let go then.
            let _ = batch.await;
        }
    }
}

/// How many are told at a time.
fn batch(members: usize, spread: Duration) -> usize {
    let beats = (spread.as_millis() / BEAT.as_millis()).max(1) as usize;
    members.div_ceil(beats).max(FEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_within_the_spread() {
        let second = Duration::from_secs(1);
        assert_eq!(batch(3, second), FEW, "few are told at once");
        assert_eq!(batch(10_000, second), 1_000);
        assert_eq!(batch(10_001, second), 1_001);
        assert_eq!(batch(500, Duration::ZERO), 500, "without a spread, all");
    }
}
