//! Tokens that no longer count although they have not ended. What is known of them, and whom it concerns; where it is kept
//! is the business of `domain::revocation`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Bound,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use fanfare_proto::{DeviceId, Epoch, OrgId, Seq, TokenId, UnixMs, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::{Identity, jwt::Refused};
use crate::{
    id::Tenant,
    time::{Elapsed, Wall},
};

/// What is known may be this old, in milliseconds, for somebody new to be let in by it.
pub const KNOWN_FOR_MS: u64 = 30_000;

/// Most revocations that may stand, of all organisations. At up to 900 bytes each they take 45 MB at most.
const MOST: usize = 50_000;
/// An organisation may have this part of what is left.
const PART: usize = 4;

/// How often those that have ended are removed. Until then they are looked past.
const SWEEP_MS: u64 = 60_000;

/// Whom a revocation is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    /// A device of a user, whatever token it shows.
    Device {
        /// The user.
        user_id: UserId,
        /// The device, as it names itself.
        device_id: DeviceId,
    },
    /// All tokens of a user that were issued before, and those that do not say when they were.
    User {
        /// The user.
        user_id: UserId,
    },
    /// One token.
    Token {
        /// Its `jti`.
        token_id: TokenId,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { user_id, device_id } => write!(f, "{user_id}, {device_id}"),
            Self::User { user_id } => write!(f, "{user_id}"),
            Self::Token { token_id } => write!(f, "token {token_id}"),
        }
    }
}

/// A revocation, as it is kept and as it is told to those who may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Names it.
    pub revocation_id: String,
    /// Whose user or token it is about.
    pub organization_id: OrgId,
    /// Whom it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// When it was made.
    pub at: UnixMs,
    /// When it ends by itself: the tokens that it is about have expired by then.
    pub until: UnixMs,
    /// Who made it.
    pub by: UserId,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Revocation {
    /// Whether it has not ended, by the clock that is behind: a clock that is ahead gives nobody their token back.
    fn stands(&self, now: Wall) -> bool {
        now.earliest < self.until
    }
}

/// What happened to a revocation.
#[derive(Debug, Clone)]
pub enum Change {
    /// It was made.
    Made {
        /// The tenant.
        org: Tenant,
        /// The new one.
        revocation: Revocation,
    },
    /// It was lifted.
    Lifted {
        /// The tenant.
        org: Tenant,
        /// Which one.
        id: String,
    },
}

/// The revocations that stand, as far as this node knows. Shared by all its threads; its lock is held for look-ups.
#[derive(Debug)]
pub struct Revocations {
    /// By so much may a token that was issued before say that it was later.
    leeway_ms: u64,
    state: RwLock<State>,
    /// Attempts to learn more.
    attempts: watch::Sender<u64>,
    ask: Notify,
}

#[derive(Debug, Default)]
struct State {
    standing: HashMap<Tenant, Standing>,
    /// Of all organisations.
    count: usize,
    /// The log is known up to here …
    position: Option<(Epoch, Seq)>,
    /// … and was at this time.
    known_at: Option<Elapsed>,
    /// When those that have ended were last removed.
    swept: UnixMs,
}

/// Those of an organisation: what is asked of them costs the answer, however many there are.
#[derive(Debug, Default)]
struct Standing {
    by_id: BTreeMap<String, Revocation>,
    /// Each with its id.
    subjects: HashMap<Subject, String>,
}

impl Revocations {
    /// None yet. `leeway_ms`: how far ahead a token's `iat` may be.
    pub fn new(leeway_ms: u64) -> Self {
        let (attempts, _) = watch::channel(0);
        Self { leeway_ms, state: RwLock::default(), attempts, ask: Notify::new() }
    }

    /// Whether this identity's token, shown by this device, is revoked.
    pub fn refuses(&self, identity: &Identity, device: Option<&DeviceId>, now: Wall) -> bool {
        self.refusal(identity, device, now).is_some()
    }

    /// Why it is refused, if it is. A token that was issued after a revocation of its user, or before by a clock that is
    /// ahead, which cannot be told apart, counts as expired: its bearer is told when a newer one is good.
    pub fn refusal(&self, identity: &Identity, device: Option<&DeviceId>, now: Wall) -> Option<Refused> {
        let state = self.read();
        let of_org = state.standing.get(&identity.org)?;
        let stands = |subject: Subject| of_org.about(&subject).filter(|revocation| revocation.stands(now));
        let user_id = || identity.user.clone();
        let by_user = stands(Subject::User { user_id: user_id() }).and_then(|revocation| {
            let Some(issued) = identity.issued_at else { return Some(Refused::Revoked) };
            if issued <= revocation.at {
                return Some(Refused::Revoked);
            }
            let from = self.tokens_from(revocation)?;
            let wait = from.since(now.latest);
            let again = if wait == 0 { Refused::Expired } else { Refused::Doubtful { retry_after_ms: wait } };
            (issued < from).then_some(again)
        });
        let device = device.map(|device| Subject::Device { user_id: user_id(), device_id: device.clone() });
        let token = identity.token_id.clone().map(|token_id| Subject::Token { token_id });
        let revoked = device.into_iter().chain(token).any(|subject| stands(subject).is_some());
        if revoked { Some(Refused::Revoked) } else { by_user }
    }

    /// From when on tokens of a user who was revoked are good again: before, their issuer's clock may have been ahead.
    pub fn tokens_from(&self, revocation: &Revocation) -> Option<UnixMs> {
        let of_user = matches!(revocation.subject, Subject::User { .. });
        of_user.then(|| revocation.at.plus(self.leeway_ms).plus(1))
    }

    /// The revocations of an organisation that stand, in order of their ids, those after `after` only.
    pub fn of(&self, org: &Tenant, after: Option<&str>, limit: usize, now: Wall) -> Vec<Revocation> {
        let state = self.read();
        let Some(of_org) = state.standing.get(org) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = of_org.by_id.range::<str, _>((from, Bound::Unbounded)).map(|(_, revocation)| revocation);
        rest.filter(|revocation| revocation.stands(now)).take(limit).cloned().collect()
    }

    /// The one of this id.
    pub fn get(&self, org: &Tenant, id: &str, now: Wall) -> Option<Revocation> {
        let state = self.read();
        state.standing.get(org)?.by_id.get(id).filter(|revocation| revocation.stands(now)).cloned()
    }

    /// Whether an organisation may have one more. None has more than `most`, nor more than a part of what is left: whoever
    /// uses up what they may have leaves more to the others than they have.
    pub fn has_room(&self, org: &Tenant, most: usize) -> bool {
        let state = self.read();
        let of_org = state.standing.get(org).map_or(0, Standing::len);
        of_org < most.min(MOST.saturating_sub(state.count) / PART)
    }

    /// Up to where the log is known.
    pub fn position(&self) -> Option<(Epoch, Seq)> {
        self.read().position
    }

    /// Takes what the log says next. `now` ends what has ended.
    pub fn learn(&self, epoch: Epoch, seq: Seq, changes: Vec<Change>, now: Wall) {
        let mut state = self.write();
        for change in changes {
            state.change(change);
        }
        state.position = Some((epoch, seq));
        // Also where the clock was set back. What is forgotten is not read again.
        if now.earliest.since(state.swept) >= SWEEP_MS || now.earliest < state.swept {
            state.swept = now.earliest;
            state.standing.retain(|_, of_org| {
                of_org.end(now);
                of_org.len() > 0
            });
            state.count = state.standing.values().map(Standing::len).sum();
        }
    }

    /// The log was read to its end, beginning at this time.
    pub fn known(&self, at: Elapsed) {
        self.write().known_at = Some(at);
        self.attempts.send_modify(|attempts| *attempts += 1);
    }

    /// The log could not be read.
    pub fn not_known(&self) {
        self.attempts.send_modify(|attempts| *attempts += 1);
    }

    /// Whether what is known is recent enough to let somebody in by it.
    pub fn is_recent(&self, now: Elapsed) -> bool {
        self.read().known_at.is_some_and(|at| now.since(at) < KNOWN_FOR_MS)
    }

    /// Waits until somebody wants to know more than is known.
    pub async fn asked(&self) {
        self.ask.notified().await;
    }

    /// Asks for what the log says now, and waits for an attempt to read it that begins after this.
    pub async fn look(&self) {
        let mut attempts = self.attempts.subscribe();
        attempts.borrow_and_update();
        // One may be under way already, and have read before: then one more.
        for _ in 0..2 {
            self.ask.notify_one();
            if attempts.changed().await.is_err() {
                return;
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self, change: Change) {
        let (Change::Made { org, .. } | Change::Lifted { org, .. }) = &change;
        let of_org = self.standing.entry(org.clone()).or_default();
        let others = self.count.saturating_sub(of_org.len());
        match change {
            Change::Made { revocation, .. } => of_org.add(revocation),
            Change::Lifted { id, .. } => drop(of_org.remove(&id)),
        }
        self.count = others + of_org.len();
    }
}

impl Standing {
    fn len(&self) -> usize {
        self.by_id.len()
    }

    fn about(&self, subject: &Subject) -> Option<&Revocation> {
        self.by_id.get(self.subjects.get(subject)?)
    }

    fn add(&mut self, mut revocation: Revocation) {
        // One about the same replaces it, and never shortens it.
        let before = self.subjects.get(&revocation.subject).cloned();
        if let Some(before) = before.and_then(|id| self.remove(&id)) {
            revocation.at = revocation.at.max(before.at);
            revocation.until = revocation.until.max(before.until);
        }
        // Where the log is read again.
        self.remove(&revocation.revocation_id);
        self.subjects.insert(revocation.subject.clone(), revocation.revocation_id.clone());
        self.by_id.insert(revocation.revocation_id.clone(), revocation);
    }

    fn remove(&mut self, id: &str) -> Option<Revocation> {
        let revocation = self.by_id.remove(id)?;
        self.subjects.remove(&revocation.subject);
        Some(revocation)
    }

    /// Removes those that have ended.
    fn end(&mut self, now: Wall) {
        self.by_id.retain(|_, revocation| revocation.stands(now));
        self.subjects.retain(|_, id| self.by_id.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use fanfare_proto::IssuerId;

    use super::*;
    use crate::auth::{Units, policy::Policy};

    fn tenant(name: &str) -> Tenant {
        Tenant::verified(OrgId::new(name).unwrap())
    }

    fn ann(issued: Option<u64>, token: Option<&str>) -> Identity {
        Identity {
            org: tenant("acme"),
            user: UserId::new("ann").unwrap(),
            issuer: IssuerId::default(),
            token_id: token.map(|id| TokenId::new(id).unwrap()),
            issued_at: issued.map(UnixMs),
            rights: Policy::default().rights(["member"].into_iter(), false).unwrap(),
            units: Units::default(),
            expires_at: UnixMs(u64::MAX),
        }
    }

    fn made(id: &str, org: &str, subject: &serde_json::Value, at: u64, until: u64) -> Change {
        let mut all = serde_json::json!({
            "revocation_id": id, "organization_id": org, "at": at, "until": until, "by": "boss",
        });
        all.as_object_mut().unwrap().extend(subject.as_object().unwrap().clone());
        Change::Made { org: tenant(org), revocation: serde_json::from_value(all).unwrap() }
    }

    const fn at(now: u64) -> Wall {
        Wall::at(UnixMs(now))
    }

    fn known(changes: Vec<Change>) -> Revocations {
        let revocations = Revocations::new(60_000);
        revocations.learn(Epoch(1), Seq(1), changes, Wall::at(UnixMs(0)));
        revocations
    }

    #[test]
    fn by_user_only_what_was_issued_before_is_refused() {
        let user = serde_json::json!({ "user_id": "ann" });
        let all = known(vec![made("r", "acme", &user, 100_000, 900_000)]);
        let refused = |issued, now| all.refusal(&ann(issued, None), None, at(now));
        assert_eq!(refused(Some(99_000), 200_000), Some(Refused::Revoked));
        assert_eq!(refused(Some(100_000), 200_000), Some(Refused::Revoked));
        assert_eq!(
            refused(Some(100_001), 130_000),
            Some(Refused::Doubtful { retry_after_ms: 30_001 }),
            "clocks differ: a newer one is good then"
        );
        assert_eq!(refused(Some(100_001), 200_000), Some(Refused::Expired), "a newer one is good now");
        assert_eq!(refused(Some(160_000), 200_000), Some(Refused::Expired), "as far ahead as a token may be");
        assert_eq!(refused(Some(160_001), 200_000), None);
        assert_eq!(refused(None, 200_000), Some(Refused::Revoked), "who knows?");
        assert_eq!(refused(None, 900_000), None, "it has ended");
        let other = Identity { org: tenant("other"), ..ann(None, None) };
        assert!(!all.refuses(&other, None, at(200_000)), "somebody else of the same name");
    }

    /// Of two clocks one is wrong: what has ended has by both, and the wait is by the one that is ahead.
    #[test]
    fn a_clock_that_is_wrong_ends_nothing() {
        let user = serde_json::json!({ "user_id": "ann" });
        let all = known(vec![made("r", "acme", &user, 100_000, 900_000)]);
        let between = |earliest, latest| Wall { earliest: UnixMs(earliest), latest: UnixMs(latest) };
        let refused = |issued, now| all.refusal(&ann(Some(issued), None), None, now);
        let ahead = between(200_000, 3_800_000);
        assert_eq!(refused(99_000, ahead), Some(Refused::Revoked));
        all.learn(Epoch(1), Seq(2), vec![], ahead);
        assert_eq!(refused(99_000, at(200_000)), Some(Refused::Revoked), "nor is it forgotten");
        assert_eq!(refused(110_000, between(1, 120_000)), Some(Refused::Doubtful { retry_after_ms: 40_001 }));
        all.learn(Epoch(1), Seq(2), vec![], at(900_000));
        assert_eq!(refused(99_000, at(200_000)), None, "ended and forgotten");
    }

    #[test]
    fn devices_and_tokens_are_told_apart() {
        let device = serde_json::json!({ "user_id": "ann", "device_id": "phone" });
        let token = serde_json::json!({ "token_id": "t1" });
        let all = known(vec![made("a", "acme", &device, 1, 9), made("b", "acme", &token, 1, 9)]);
        let phone = DeviceId::new("phone").unwrap();
        let desk = DeviceId::new("desk").unwrap();
        assert!(all.refuses(&ann(Some(8), None), Some(&phone), at(2)));
        assert!(!all.refuses(&ann(Some(8), None), Some(&desk), at(2)));
        assert!(!all.refuses(&ann(Some(8), None), None, at(2)));
        assert!(all.refuses(&ann(None, Some("t1")), None, at(2)));
        assert!(!all.refuses(&ann(None, Some("t2")), None, at(2)));
    }

    #[test]
    fn lifted_and_ended_ones_are_forgotten() {
        let user = || serde_json::json!({ "user_id": "ann" });
        let org = tenant("acme");
        let lifted = || Change::Lifted { org: org.clone(), id: "a".into() };
        let all = known(vec![made("a", "acme", &user(), 1, 9), lifted()]);
        assert!(!all.refuses(&ann(None, None), None, at(2)));
        all.learn(
            Epoch(1),
            Seq(4),
            vec![made("b", "acme", &user(), 1, 9), made("c", "acme", &user(), 2, 5)],
            at(2),
        );
        let kept = all.get(&org, "c", at(2)).unwrap();
        assert_eq!((kept.at, kept.until), (UnixMs(2), UnixMs(9)), "a second one shortens nothing");
        assert_eq!(all.read().count, 1);
        all.learn(Epoch(1), Seq(4), vec![], at(SWEEP_MS));
        assert_eq!(all.read().count, 0);
    }

    #[test]
    fn pages_are_in_order_and_hold_what_stands() {
        let org = tenant("acme");
        let about = |user: &str| serde_json::json!({ "user_id": user });
        let some = [("d", "dora", 9), ("b", "bob", 9), ("a", "ann", 3), ("c", "carol", 9), ("e", "bob", 9)];
        let all = known(some.map(|(id, user, until)| made(id, "acme", &about(user), 1, until)).into());
        let page = |after, limit| {
            let found = all.of(&org, after, limit, at(4)).into_iter();
            found.map(|revocation| revocation.revocation_id).collect::<String>()
        };
        assert_eq!(page(None, 9), "cde", "one has ended, and one was replaced");
        assert_eq!(
            (page(None, 2), page(Some("d"), 2), page(Some("bb"), 1)),
            ("cd".into(), "e".into(), "c".into())
        );
        // The log is read again.
        all.learn(Epoch(2), Seq(5), vec![made("e", "acme", &about("bob"), 1, 9)], at(4));
        assert_eq!((page(None, 9), all.read().count), ("cde".into(), 4));
        assert!(all.of(&tenant("other"), None, 9, at(4)).is_empty());
    }

    /// Whoever uses up all that they may have: there is room for those who come later.
    #[test]
    fn no_organisation_takes_the_room_of_others() {
        let all = Revocations::new(60_000);
        let fill = |name: &str, most: usize| {
            let (org, mut count) = (tenant(name), 0);
            while all.has_room(&org, most) {
                let user = serde_json::json!({ "user_id": count.to_string() });
                let one = made(&count.to_string(), name, &user, 1, 9);
                all.learn(Epoch(1), Seq(1), vec![one], at(2));
                count += 1;
            }
            count
        };
        assert_eq!(fill("first", 5_000), 5_000, "as long as there is enough");
        for n in 0..25 {
            let count = fill(&format!("org{n}"), 5_000);
            assert!((1..=5_000).contains(&count), "{n}: {count}");
        }
        assert!(all.read().count < MOST);
        assert!(all.has_room(&tenant("late"), 5_000));
    }
}
