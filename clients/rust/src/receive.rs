//! What a server says, event by event, and what follows from it.

use std::time::Duration;

use fanfare_proto::{
    Command, Cursor, ErrorBody, RequestId, ServerEvent, UnixMs,
    command::{Channel, Subscribe},
    event::{Subscribed, SubscriptionEnded, TokenRefreshed, TopicState, name},
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    Event, Loss,
    actor::Actor,
    backoff::passes,
    cursors::Move,
    event::{self, Gap},
    events::Item,
    outbox::Meaning,
    session::Session,
    watched::Watched,
};

/// How soon what is followed is asked for again where the server cannot grant it now.
const FOLLOW_AGAIN: Duration = Duration::from_secs(2);
const FOLLOW_AGAIN_MAX: Duration = Duration::from_mins(1);
/// Longer than any connection.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// `topics`, with each topic read by itself.
#[derive(Deserialize)]
struct Told {
    topics: Vec<Box<RawValue>>,
}

/// `server:ping`, with each position read by itself.
#[derive(Deserialize)]
struct Ping {
    time: UnixMs,
    #[serde(default)]
    pos: Vec<Box<RawValue>>,
}

impl Actor {
    /// The table of contents of what a server says.
    pub(crate) fn receive(&mut self, session: &mut Session, event: ServerEvent) -> Result<(), Loss> {
        if let Some(re) = event.re.clone() {
            return self.answer(session, &re, event);
        }
        match event.event.as_str() {
            name::SERVER_PING => match event.data() {
                Ok(ping) => self.heartbeat(session, &ping),
                Err(_) => Err(Loss::Unreadable),
            },
            name::SERVER_GOING_AWAY => {
                match event.data() {
                    Ok(going) => self.go_away(session, &going),
                    Err(_) => self.shared.counters.unreadable.add(1),
                }
                Ok(())
            }
            name::TOPICS => match event.data::<Told>() {
                Ok(topics) => self.topics(session, &topics.topics),
                Err(_) => Err(Loss::Unreadable),
            },
            name::SUBSCRIPTION_ENDED => {
                if let Ok(ended) = event.data() {
                    return self.no_longer_granted(ended);
                }
                self.shared.counters.unreadable.add(1);
                Ok(())
            }
            name::TOPICS_ENDED => {
                if let Ok(ended) = event.data() {
                    return self.put(Some(Event::TopicsEnded(ended)), Vec::new());
                }
                self.shared.counters.unreadable.add(1);
                Ok(())
            }
            name::LOCATION_STORED => {
                match event.data() {
                    Ok(stored) => self.shared.acknowledge(stored),
                    Err(_) => self.shared.counters.unreadable.add(1),
                }
                Ok(())
            }
            name::LOCATION_SNAPSHOT | name::LOCATION_AGENTS | name::LOCATION_REMOVED => {
                self.location(&event);
                Ok(())
            }
            name::PRESENCE_SNAPSHOT => {
                let part = event.data();
                self.presence(part, Watched::snapshot)
            }
            name::PRESENCE_CHANGED => {
                let changed = event.data();
                self.presence(changed, Watched::changed)
            }
            _ => self.event(session, event),
        }
    }

    fn answer(&mut self, session: &mut Session, re: &RequestId, event: ServerEvent) -> Result<(), Loss> {
        if let Some((id, sent)) = session.ping
            && *re == RequestId::Number(id)
        {
            session.ping = None;
            self.shared.counters.measured(sent.elapsed());
            return Ok(());
        }
        if let Some(token) = session.renewal.answered(re) {
            self.renewed(session, token, &event);
            return Ok(());
        }
        // Read before the waiting task learns of it: what follows on the lane belongs to the new view.
        let granted = event.data::<Subscribed>().ok();
        match self.outbox.answer(re, event) {
            (Meaning::Subscribed(subscribe), Some(refusal)) => {
                return self.not_followed(session, &subscribe.channels, refusal);
            }
            (Meaning::Subscribed(subscribe), None) => self.followed(subscribe, granted.as_ref()),
            (Meaning::Unsubscribed(channels), _) => drop(self.forget(&channels)),
            // The client itself asks for nothing else.
            (Meaning::None, _) => {}
        }
        Ok(())
    }

    /// The server has answered a newer token. One that it refused is followed by another try.
    fn renewed(&mut self, session: &mut Session, token: String, event: &ServerEvent) {
        let renewed = if event.event == name::REPLY { event.data::<TokenRefreshed>().ok() } else { None };
        let Some(renewed) = renewed else {
            tracing::debug!("a newer token was refused");
            return;
        };
        self.token = Some(token);
        session.renewal.ends(renewed.expires_at, self.shared.server_now());
        if renewed.resubscribe.contains(&Channel::Locations) {
            self.shared.positions().interrupted();
        }
        self.follow_again(&renewed.resubscribe);
    }

    fn followed(&mut self, subscribe: Subscribe, granted: Option<&Subscribed>) {
        self.wanted.add(subscribe);
        for subscription in granted.into_iter().flat_map(|granted| &granted.subscriptions) {
            match subscription.channel {
                Channel::Locations => self.shared.positions().subscribed(subscription, Instant::now()),
                Channel::Presence => self.watched.begin(subscription),
            }
        }
    }

    /// These are followed no longer. Answers what to tell an application that did not ask for it.
    fn forget(&mut self, channels: &[Channel]) -> Option<Event> {
        self.wanted.remove(channels);
        if channels.contains(&Channel::Locations) {
            self.shared.positions().clear();
        }
        if channels.contains(&Channel::Presence) { self.watched.end() } else { None }
    }

    /// What was followed on the last connection is refused on this one.
    fn not_followed(
        &mut self,
        session: &mut Session,
        channels: &[Channel],
        refusal: ErrorBody,
    ) -> Result<(), Loss> {
        if passes(refusal.code) {
            let said = Duration::from_millis(refusal.retry_after_ms.unwrap_or(0));
            session.unfollowed.extend(channels);
            session.follow_at = Some(Instant::now() + said.clamp(FOLLOW_AGAIN, FOLLOW_AGAIN_MAX));
            return Ok(());
        }
        self.refused(channels, refusal)
    }

    /// What is followed is no longer granted by the rights of a newer token. What was asked meanwhile is another view.
    fn no_longer_granted(&mut self, ended: SubscriptionEnded) -> Result<(), Loss> {
        let current = match ended.channel {
            Channel::Locations => self.shared.positions().is_current(ended.view),
            Channel::Presence => self.watched.is_current(ended.view),
        };
        if current { self.refused(&[ended.channel], ended.error) } else { Ok(()) }
    }

    /// These cannot be followed: what was shown goes, and the application learns why.
    fn refused(&mut self, channels: &[Channel], refusal: ErrorBody) -> Result<(), Loss> {
        if let Some(nobody) = self.forget(channels) {
            self.put(Some(nobody), Vec::new())?;
        }
        self.put(Some(Event::Error(refusal)), Vec::new())
    }

    /// Asks again for those of these channels that were followed, each by itself: one that is refused takes no other
    /// with it.
    pub(crate) fn follow_again(&mut self, channels: &[Channel]) {
        for &channel in channels {
            // What the application asked meanwhile, and what is sent again now, says better what it wants.
            if let Some(wanted) = self.wanted.get(channel).filter(|_| !self.outbox.subscribes(channel)) {
                // It ends with the connection, not before.
                let deadline = Instant::now() + FOR_EVER;
                self.outbox.add(Command::Subscribe(wanted.clone()), deadline, None);
            }
        }
    }

    fn heartbeat(&mut self, session: &mut Session, ping: &Ping) -> Result<(), Loss> {
        session.pong = true;
        self.shared.server_said(ping.time);
        session.renewal.look(ping.time);
        let pos: Vec<Cursor> = self.known(&ping.pos);
        // A position that is passed over costs nothing: the next resume starts a little earlier.
        if pos.is_empty() || self.items.capacity() == 0 {
            return Ok(());
        }
        self.put(None, pos.into_iter().map(Move::Forward).collect())
    }

    fn topics(&mut self, session: &Session, told: &[Box<RawValue>]) -> Result<(), Loss> {
        let topics: Vec<TopicState> = self.known(told);
        for state in &topics {
            let (gap, change) = self.resumed(session, state);
            let gap = gap.map(|gap| {
                self.shared.counters.gaps.add(1);
                Event::Gap(gap)
            });
            self.put(gap, vec![change])?;
        }
        self.put(Some(Event::Topics(topics)), Vec::new())
    }

    /// Those that this version knows. A later one has more kinds of topics, which say nothing to this application.
    fn known<T: DeserializeOwned>(&self, told: &[Box<RawValue>]) -> Vec<T> {
        let known: Vec<T> = told.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
        self.shared.counters.unreadable.add((told.len() - known.len()) as u64);
        known
    }

    /// No event as this version knows them: of a kind of topic that came later, perhaps. It is passed over, unless
    /// the connection carries no JSON at all.
    pub(crate) fn unknown(&self, text: &[u8]) -> Result<(), Loss> {
        self.shared.counters.unreadable.add(1);
        match serde_json::from_slice::<IgnoredAny>(text) {
            Ok(_) => Ok(()),
            Err(_) => Err(Loss::Unreadable),
        }
    }

    /// Compares where the server goes on with where the device stands.
    fn resumed(&self, session: &Session, state: &TopicState) -> (Option<Gap>, Move) {
        let had = self.cursors.get(&state.topic);
        let cursor = Cursor { topic: state.topic.clone(), epoch: state.epoch, seq: state.seq };
        // Not honoured; or not sent, since only the newest cursors are, and passed over since.
        let behind = had.is_some_and(|(epoch, seq)| epoch != state.epoch || seq < state.seq);
        let gap = match state.recovered {
            Some(recovered) => !recovered,
            None => behind,
        };
        if !gap {
            if state.recovered == Some(true) {
                self.shared.counters.recovered.add(1);
            }
            return (None, Move::Forward(cursor));
        }
        let gap =
            Gap { topic: state.topic.clone(), had, epoch: state.epoch, from: state.seq, head: state.head };
        // Urgent events may have come before this, on their own stream: of the newest page, or later ones. They stand.
        let came = |seq| session.heard.contains(&state.topic) || (state.seq..=state.head).contains(&seq);
        let ahead = had.is_some_and(|(epoch, seq)| epoch == state.epoch && came(seq));
        (Some(gap), if ahead { Move::Forward(cursor) } else { Move::Set(cursor) })
    }

    fn location(&mut self, event: &ServerEvent) {
        let now = Instant::now();
        let mut table = self.shared.positions();
        let bad = match event.event.as_str() {
            name::LOCATION_SNAPSHOT => event.data().map(|part| table.snapshot(part, now)),
            name::LOCATION_AGENTS => event.data().map(|agents| table.joined(agents, now)),
            _ => event.data().map(|removed| {
                table.removed(&removed);
                0
            }),
        };
        drop(table);
        self.shared.counters.unreadable.add(bad.unwrap_or(1));
    }

    /// News of presence is never dropped: where there is no room, the connection is closed, and a snapshot follows on
    /// the next one.
    fn presence<T, E>(
        &mut self,
        news: Result<T, E>,
        take: impl FnOnce(&mut Watched, T) -> Option<Event>,
    ) -> Result<(), Loss> {
        let Ok(news) = news else {
            self.shared.counters.unreadable.add(1);
            return Ok(());
        };
        match take(&mut self.watched, news) {
            Some(event) => self.put(Some(event), Vec::new()),
            None => Ok(()),
        }
    }

    /// An event for the application. Those of a log come once; the others may be dropped.
    fn event(&mut self, session: &mut Session, event: ServerEvent) -> Result<(), Loss> {
        let Some(entry) = event.entry.clone() else {
            if self.items.capacity() > 0 {
                return self.put(Some(Event::typed(event)), Vec::new());
            }
            self.shared.counters.dropped.add(1);
            return Ok(());
        };
        if self.cursors.has(&entry.topic, entry.epoch, entry.seq) {
            self.shared.counters.duplicates.add(1);
            return Ok(());
        }
        if !session.heard.contains(&entry.topic) {
            session.heard.insert(entry.topic.clone());
        }
        let change = Move::Forward(event::after(&entry));
        self.put(Some(Event::typed(event)), vec![change])
    }

    /// Hands an event to the application, and only then moves the cursors. No room: the connection is closed, and
    /// this comes again.
    pub(crate) fn put(&mut self, event: Option<Event>, moves: Vec<Move>) -> Result<(), Loss> {
        let item = Item { event, moves: moves.clone() };
        match self.items.try_send(item) {
            // Nobody listens: there is nothing to keep for later.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Loss::SlowConsumer),
        }
        for change in moves {
            self.cursors.apply(change);
        }
        Ok(())
    }
}
