//! How much a connection may still do.

use fanfare_proto::Command;

use crate::{
    config::Limits,
    crowd::{Cost, Excess, Guest},
    limit::Bucket,
    time::Elapsed,
};

/// So many requests are told to wait before one more is held against a client. Who sends much at once has not heard of
/// the first refusal yet.
const PROMISES: f64 = 1000.0;

/// What is left to a connection, besides what its user and organisation share.
#[derive(Debug)]
pub(super) struct Allowance {
    messages: Bucket,
    packets: Bucket,
    refreshes: Bucket,
    strikes: Bucket,
    waiting: Waiting,
}

/// When each kind of refused request was told to come back.
#[derive(Debug)]
struct Waiting {
    messages: Line,
    broadcasts: Line,
    conversations: Line,
    refreshes: Line,
}

/// More than there is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMuch {
    /// Of what, for a person.
    pub(super) what: &'static str,
    /// When to come back, in milliseconds.
    pub(super) wait_ms: u64,
    /// Nobody who waits as told is here: it counts as abuse.
    pub(super) impatient: bool,
}

impl Allowance {
    pub(super) fn new(limits: &Limits, now: Elapsed) -> Self {
        let second = |rate: u32| Bucket::new(f64::from(rate), f64::from(rate) * 2.0, now);
        let minute = |rate: u32| Bucket::new(f64::from(rate) / 60.0, f64::from(rate), now);
        let waiting = Waiting {
            messages: Line::new(1000.0, limits.messages_per_second),
            broadcasts: Line::new(60_000.0, limits.broadcasts_per_minute_per_user),
            conversations: Line::new(60_000.0, limits.conversations_per_minute_per_user),
            refreshes: Line::new(60_000.0, limits.refreshes_per_minute),
        };
        Self {
            messages: second(limits.messages_per_second),
            packets: second(limits.packets_per_second),
            refreshes: minute(limits.refreshes_per_minute),
            strikes: minute(limits.strikes_per_minute),
            waiting,
        }
    }

    /// Takes what a request costs; `None` is one that cannot be read. Urgent ones have a share of their own, and cost
    /// nothing else while it lasts.
    pub(super) fn take(
        &mut self,
        guest: &Guest,
        command: Option<&Command>,
        now: Elapsed,
    ) -> Result<(), TooMuch> {
        if command.is_some_and(Command::is_urgent) && guest.spend_urgent(now) {
            return Ok(());
        }
        let own = self.messages.take(1.0, now).map_err(too_many("too many messages"));
        let shared =
            own.and_then(|()| guest.spend(Cost::Message, now).inspect_err(|_| self.messages.give_back(1.0)));
        shared.map_err(|excess| self.waiting.messages.tell(excess, now))?;
        match command {
            Some(Command::SystemBroadcast(_)) => {
                guest.spend(Cost::Broadcast, now).map_err(|excess| self.waiting.broadcasts.tell(excess, now))
            }
            Some(Command::ConversationCreate(create)) => guest
                .spend(Cost::Conversation { members: create.members.len() }, now)
                .map_err(|excess| self.waiting.conversations.tell(excess, now)),
            Some(Command::TokenRefresh(_)) => {
                let taken = self.refreshes.take(1.0, now).map_err(too_many("too many token refreshes"));
                taken.map_err(|excess| self.waiting.refreshes.tell(excess, now))
            }
            _ => Ok(()),
        }
    }

    /// Whether another sign of life without content may be taken.
    pub(super) fn take_sign(&mut self, now: Elapsed) -> bool {
        self.messages.take(1.0, now).is_ok()
    }

    /// Whether another packet of fixes may be taken.
    pub(super) fn take_packet(&mut self, now: Elapsed) -> bool {
        self.packets.take(1.0, now).is_ok()
    }

    /// Whether another offence is overlooked.
    pub(super) fn strike(&mut self, now: Elapsed) -> bool {
        self.strikes.take(1.0, now).is_ok()
    }
}

const fn too_many(what: &'static str) -> impl Fn(u64) -> Excess {
    move |wait_ms| Excess { what, wait_ms }
}

/// Refused requests, told to come back one after another: all at once, most of them would be refused again.
#[derive(Debug)]
struct Line {
    step_ms: f64,
    next_ms: f64,
}

impl Line {
    fn new(period_ms: f64, count: u32) -> Self {
        Self { step_ms: period_ms / f64::from(count), next_ms: 0.0 }
    }

    fn tell(&mut self, excess: Excess, now: Elapsed) -> TooMuch {
        let now = now.0 as f64;
        let soonest = now + excess.wait_ms as f64;
        let at = self.next_ms.max(soonest);
        let last = soonest + PROMISES * self.step_ms;
        let impatient = at > last;
        if !impatient {
            self.next_ms = at + self.step_ms;
        }
        TooMuch { what: excess.what, wait_ms: (at.min(last) - now).ceil() as u64, impatient }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Crowd;

    const NOW: Elapsed = Elapsed(1_790_000_000_000);
    const EXCESS: Excess = Excess { what: "", wait_ms: 10 };

    #[test]
    fn each_is_told_a_time_of_its_own() {
        let mut line = Line::new(1000.0, 100);
        let told: Vec<_> = (0..4).map(|_| line.tell(EXCESS, NOW).wait_ms).collect();
        assert_eq!(told, [10, 20, 30, 40]);
        assert_eq!(line.tell(EXCESS, NOW.plus(1000)).wait_ms, 10, "what has passed is no queue");
    }

    #[test]
    fn who_does_not_stop_is_impatient() {
        let mut line = Line::new(1000.0, 100);
        let patient = (0..2000).filter(|_| !line.tell(EXCESS, NOW).impatient).count();
        assert!((1000..=1001).contains(&patient), "{patient}");
        assert_eq!(line.tell(EXCESS, NOW).wait_ms, 10_010);
        assert!(!line.tell(EXCESS, NOW.plus(100)).impatient);
    }

    /// What the organisation has no more of costs the connection nothing.
    #[test]
    fn a_refusal_by_all_others_is_no_cost_of_ones_own() {
        let limits =
            Limits { messages_per_second: 1, messages_per_second_per_organisation: 5, ..Limits::default() };
        let crowd = Crowd::new(&limits, &[]);
        let guest = |user: &str| {
            let visitor = crowd.arrive("192.0.2.1".parse().unwrap(), NOW).unwrap();
            visitor.admit(&"acme".parse().unwrap(), &user.parse().unwrap(), NOW).unwrap()
        };
        let (ann, bob) = (guest("ann"), guest("bob"));
        while bob.spend(Cost::Message, NOW).is_ok() {}
        let mut allowance = Allowance::new(&limits, NOW);
        for _ in 0..10 {
            let refused = allowance.take(&ann, None, NOW).unwrap_err();
            assert_eq!(refused.what, "too many messages of this organisation");
        }
        assert_eq!(allowance.take(&ann, None, NOW.plus(200)), Ok(()));
    }

    /// Sends thousands of requests at once, and each again when it was told to, a little late.
    #[test]
    fn who_obeys_is_never_impatient_and_seldom_told_twice() {
        let mut bucket = Bucket::new(100.0, 200.0, NOW);
        let mut line = Line::new(1000.0, 100);
        let mut due: Vec<u64> = vec![0; 1100];
        let (mut refusals, mut now) = (0, 0);
        while let Some(first) = due.iter().copied().min() {
            now = first.max(now) + 1;
            let (ready, later): (Vec<u64>, Vec<u64>) = due.into_iter().partition(|at| *at <= now);
            due = later;
            for _ in ready {
                if let Err(wait_ms) = bucket.take(1.0, NOW.plus(now)) {
                    let told = line.tell(Excess { what: "", wait_ms }, NOW.plus(now));
                    assert!(!told.impatient);
                    refusals += 1;
                    due.push(now + told.wait_ms);
                }
            }
        }
        assert!((900..1100).contains(&refusals), "{refusals}");
        assert!(now < 11_000, "{now}");
    }
}
