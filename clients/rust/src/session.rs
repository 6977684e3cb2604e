//! An open connection: what comes in, what goes out, and when it counts as dead.

use std::time::Duration;

use fanfare_proto::{
    CloseCode, Command, Cursor, ErrorBody, Lane, Request, RequestId, ServerEvent, UnixMs,
    command::{Empty, Subscribe},
    event::{Subscribed, TopicState, name},
    tick,
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    Event, Loss, State,
    actor::{Actor, End, until},
    backoff::passes,
    client::Order,
    connect::Opened,
    cursors::Move,
    event::{self, Gap},
    events::Item,
    link::{Goodbye, Incoming, Link},
    outbox::Meaning,
};

/// Added to two heartbeats before a silent connection counts as dead.
const GRACE: Duration = Duration::from_secs(1);
/// The shortest heartbeat believed: a server's word must not make a client reconnect without end.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);
/// The longest.
const MAX_HEARTBEAT: Duration = Duration::from_mins(2);
/// How long a connection has to answer after a change of network.
const PROBE: Duration = Duration::from_secs(5);

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

/// What belongs to one connection.
struct Session {
    link: Link,
    /// Nothing heard for so long: dead.
    patience: Duration,
    dead_at: Instant,
    /// A `server:ping` waits for its answer.
    pong: bool,
    /// The ping on its way: its id and when it was sent.
    ping: Option<(u64, Instant)>,
    next_ping: Instant,
    /// What is followed is asked for again then: the server could not grant it now.
    follow_at: Option<Instant>,
}

impl Actor {
    /// Runs a connection to its end.
    pub(crate) async fn session(&mut self, opened: Opened) -> End {
        let Opened { link, authenticated } = opened;
        let heartbeat = Duration::from_millis(authenticated.heartbeat_ms).clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        let patience = heartbeat * 2 + GRACE;
        let now = Instant::now();
        let mut session = Session {
            patience,
            dead_at: now + patience,
            pong: false,
            ping: None,
            next_ping: now,
            follow_at: None,
            link,
        };
        self.shared.server_said(authenticated.time);
        self.shared.counters.sessions.add(1);
        self.shared.carry(Some(session.link.packets.clone()));
        let transport = session.link.transport;
        let end = match self.put(Some(Event::Open(authenticated)), Vec::new()) {
            Ok(()) => {
                self.shared.enter(State::Open(transport));
                self.follow_again();
                self.serve(&mut session).await
            }
            Err(loss) => End::Lost(loss),
        };
        self.shared.carry(None);
        self.outbox.connection_lost();
        session.link.close(goodbye(&end)).await;
        end
    }

    async fn serve(&mut self, session: &mut Session) -> End {
        loop {
            self.write(session);
            let ordered = session.pong || self.outbox.waits(Lane::Ordered);
            let urgent = self.outbox.waits(Lane::Urgent);
            let deadline = self.outbox.deadline();
            let result = tokio::select! {
                incoming = session.link.incoming.recv() => self.incoming(session, incoming),
                order = self.orders.recv() => match order {
                    Some(Order::Probe) => {
                        session.probe();
                        Ok(())
                    }
                    order => match self.take(order) {
                        Ok(()) => Ok(()),
                        Err(_stop) => return End::Stopped,
                    },
                },
                // Room again in a lane that was full.
                () = room(&session.link.ordered), if ordered => Ok(()),
                () = room(&session.link.urgent), if urgent => Ok(()),
                () = until(deadline) => {
                    self.outbox.expire(Instant::now());
                    Ok(())
                }
                () = sleep_until(session.next_ping) => {
                    self.ping(session);
                    Ok(())
                }
                () = until(session.follow_at) => {
                    session.follow_at = None;
                    self.follow_again();
                    Ok(())
                }
                () = sleep_until(session.dead_at) => Err(Loss::Broken("nothing was heard".into())),
            };
            if let Err(loss) = result {
                return End::Lost(loss);
            }
        }
    }

    /// Hands over what waits, as far as there is room. The answer to a ping goes first.
    fn write(&mut self, session: &mut Session) {
        if session.pong && send(&session.link.ordered, None, Command::Pong(Empty {})) {
            session.pong = false;
        }
        for lane in [Lane::Urgent, Lane::Ordered] {
            let out = session.link.lane(lane);
            self.outbox.send(lane, |text| out.try_send(text).is_ok());
        }
    }

    fn ping(&mut self, session: &mut Session) {
        let now = Instant::now();
        session.next_ping = now + self.config.limits.ping;
        let id = self.outbox.next_id();
        if send(&session.link.ordered, Some(RequestId::Number(id)), Command::Ping(Empty {})) {
            session.ping = Some((id, now));
        }
    }

    fn incoming(&mut self, session: &mut Session, incoming: Option<Incoming>) -> Result<(), Loss> {
        session.dead_at = Instant::now() + session.patience;
        match incoming {
            Some(Incoming::Event(text)) => {
                self.shared.counters.events.add(1);
                match ServerEvent::parse(&text) {
                    Ok(event) => self.receive(session, event),
                    Err(_) => self.unknown(&text),
                }
            }
            Some(Incoming::Packet(packet)) => {
                self.shared.counters.packets_received.add(1);
                match tick::unpack_ticks(&packet) {
                    Ok(ticks) => self.shared.positions().ticks(ticks, Instant::now()),
                    Err(_) => self.shared.counters.unreadable.add(1),
                }
                Ok(())
            }
            Some(Incoming::Ended(ended)) => Err(match ended.code {
                Some(code) => Loss::Closed { code, reason: ended.reason },
                None => Loss::Broken(ended.reason),
            }),
            None => Err(Loss::Broken("the transport ended".into())),
        }
    }

    /// The table of contents of what a server says.
    fn receive(&mut self, session: &mut Session, event: ServerEvent) -> Result<(), Loss> {
        if let Some(re) = event.re.clone() {
            return self.answer(session, &re, event);
        }
        match event.event.as_str() {
            name::SERVER_PING => match event.data() {
                Ok(ping) => self.heartbeat(session, &ping),
                Err(_) => Err(Loss::Unreadable),
            },
            name::TOPICS => match event.data::<Told>() {
                Ok(topics) => self.topics(&topics.topics),
                Err(_) => Err(Loss::Unreadable),
            },
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
            _ => self.event(event),
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
        // Read before the waiting task learns of it: what follows on the lane belongs to the new view.
        let granted = event.data::<Subscribed>().ok();
        match self.outbox.answer(re, event) {
            (Meaning::Subscribed(subscribe), _) => self.followed(subscribe, granted.as_ref()),
            (Meaning::Unsubscribed, _) => self.shared.positions().clear(),
            (Meaning::None, Some(refusal)) => return self.not_followed(session, refusal),
            (Meaning::None, None) => {}
        }
        Ok(())
    }

    fn followed(&mut self, subscribe: Subscribe, granted: Option<&Subscribed>) {
        let mut table = self.shared.positions();
        table.wanted = Some(subscribe);
        for subscription in granted.into_iter().flat_map(|granted| &granted.subscriptions) {
            table.subscribed(subscription, Instant::now());
        }
    }

    /// What was followed on the last connection is refused on this one.
    fn not_followed(&mut self, session: &mut Session, refusal: ErrorBody) -> Result<(), Loss> {
        if passes(refusal.code) {
            let said = Duration::from_millis(refusal.retry_after_ms.unwrap_or(0));
            session.follow_at = Some(Instant::now() + said.clamp(FOLLOW_AGAIN, FOLLOW_AGAIN_MAX));
            return Ok(());
        }
        self.shared.positions().clear();
        self.put(Some(Event::Error(refusal)), Vec::new())
    }

    /// Asks again for what was followed on the last connection.
    fn follow_again(&mut self) {
        let wanted = self.shared.positions().wanted.clone();
        // What the application asked meanwhile, and what is sent again now, says better what it wants.
        if let Some(wanted) = wanted.filter(|_| !self.outbox.subscribes()) {
            // It ends with the connection, not before.
            let deadline = Instant::now() + FOR_EVER;
            self.outbox.add(Command::Subscribe(wanted), deadline, None);
        }
    }

    fn heartbeat(&mut self, session: &mut Session, ping: &Ping) -> Result<(), Loss> {
        session.pong = true;
        self.shared.server_said(ping.time);
        let pos: Vec<Cursor> = self.known(&ping.pos);
        // A position that is passed over costs nothing: the next resume starts a little earlier.
        if pos.is_empty() || self.items.capacity() == 0 {
            return Ok(());
        }
        self.put(None, pos.into_iter().map(Move::Forward).collect())
    }

    fn topics(&mut self, told: &[Box<RawValue>]) -> Result<(), Loss> {
        let topics: Vec<TopicState> = self.known(told);
        for state in &topics {
            let (gap, change) = self.resumed(state);
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
    fn unknown(&self, text: &[u8]) -> Result<(), Loss> {
        self.shared.counters.unreadable.add(1);
        match serde_json::from_slice::<IgnoredAny>(text) {
            Ok(_) => Ok(()),
            Err(_) => Err(Loss::Unreadable),
        }
    }

    /// Compares where the server goes on with where the device stands.
    fn resumed(&self, state: &TopicState) -> (Option<Gap>, Move) {
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
        (Some(gap), Move::Set(cursor))
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

    /// An event for the application. Those of a log come once; the others may be dropped.
    fn event(&mut self, event: ServerEvent) -> Result<(), Loss> {
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
        let change = Move::Forward(event::after(&entry));
        self.put(Some(Event::typed(event)), vec![change])
    }

    /// Hands an event to the application, and only then moves the cursors. No room: the connection is closed, and
    /// this comes again.
    fn put(&mut self, event: Option<Event>, moves: Vec<Move>) -> Result<(), Loss> {
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

impl Session {
    /// The network has changed: ask, and do not wait long for the answer.
    fn probe(&mut self) {
        let now = Instant::now();
        self.next_ping = now;
        self.dead_at = self.dead_at.min(now + PROBE);
    }
}

/// What the server is told when the client closes.
fn goodbye(end: &End) -> Goodbye {
    match end {
        End::Stopped => Goodbye::DONE,
        End::Lost(Loss::SlowConsumer) => Goodbye::of(CloseCode::Slow),
        End::Lost(Loss::Unreadable) => Goodbye::of(CloseCode::Violation),
        End::Lost(_) => Goodbye::of(CloseCode::Silent),
    }
}

async fn room(lane: &mpsc::Sender<String>) {
    // A lane whose transport has ended never has room; its end is on the way.
    if lane.reserve().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn send(lane: &mpsc::Sender<String>, id: Option<RequestId>, command: Command) -> bool {
    let request = Request { id, command };
    request.to_json().is_ok_and(|text| lane.try_send(text).is_ok())
}
