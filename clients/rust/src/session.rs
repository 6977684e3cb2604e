//! An open connection: when it is read and written, and when it counts as dead. What is read is in `receive`.

use std::{collections::HashSet, time::Duration};

use fanfare_proto::{
    CloseCode, Command, Lane, Request, RequestId, ServerEvent, TopicName,
    command::{Channel, Empty, TokenRefresh},
    tick,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    Event, Loss, State,
    actor::{Actor, End, until},
    client::Order,
    connect::Opened,
    link::{Goodbye, Incoming, Link},
    moving::Moving,
    renewal::Renewal,
};

/// Added to two heartbeats before a silent connection counts as dead.
const GRACE: Duration = Duration::from_secs(1);
/// The shortest heartbeat believed: a server's word must not make a client reconnect without end.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);
/// The longest.
const MAX_HEARTBEAT: Duration = Duration::from_mins(2);
/// How long a connection has to answer after a change of network.
const PROBE: Duration = Duration::from_secs(5);

/// What belongs to one connection.
pub(crate) struct Session {
    link: Link,
    /// Nothing heard for so long: dead.
    patience: Duration,
    dead_at: Instant,
    /// A `server:ping` waits for its answer.
    pub(crate) pong: bool,
    /// The ping on its way: its id and when it was sent.
    pub(crate) ping: Option<(u64, Instant)>,
    next_ping: Instant,
    /// What the server could not grant now.
    pub(crate) unfollowed: Vec<Channel>,
    /// It is asked for again then.
    pub(crate) follow_at: Option<Instant>,
    pub(crate) moving: Moving,
    pub(crate) renewal: Renewal,
    /// Topics of which events came on this connection: the server may tell only later where it goes on in them.
    pub(crate) heard: HashSet<TopicName>,
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
            unfollowed: Vec::new(),
            follow_at: None,
            moving: Moving::default(),
            renewal: Renewal::default(),
            heard: HashSet::new(),
            link,
        };
        self.shared.server_said(authenticated.time);
        if self.config.token.renewable() {
            session.renewal.ends(authenticated.expires_at, authenticated.time);
        }
        self.shared.counters.sessions.add(1);
        self.shared.carry(Some(session.link.packets.clone()));
        let transport = session.link.transport;
        let end = match self.put(Some(Event::Open(authenticated)), Vec::new()) {
            Ok(()) => {
                self.shared.enter(State::Open(transport));
                self.follow_again(&self.wanted.channels());
                self.serve(&mut session).await
            }
            Err(loss) => End::Lost(loss),
        };
        self.shared.carry(None);
        self.outbox.connection_lost();
        let closed = session.link.close(goodbye(&end));
        match &end {
            // The other connection is there already: it does not wait.
            End::Moved(_) => drop(tokio::spawn(closed)),
            _ => closed.await,
        }
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
                        session.renewal.look(self.shared.server_now());
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
                given = session.renewal.token(&self.config.token) => {
                    match given {
                        Ok(token) => self.refresh(session, token),
                        // If none comes, the server closes in the end, and the next attempt asks for one.
                        Err(error) => tracing::debug!(%error, "no newer token"),
                    }
                    Ok(())
                }
                () = until(session.follow_at) => {
                    session.follow_at = None;
                    self.follow_again(&std::mem::take(&mut session.unfollowed));
                    Ok(())
                }
                () = until(session.moving.at) => {
                    self.begin_move(session);
                    Ok(())
                }
                moved = session.moving.opened() => match moved {
                    Ok(opened) => return End::Moved(opened),
                    Err(loss) => {
                        tracing::debug!(%loss, "nowhere to move to yet");
                        Ok(())
                    }
                },
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

    /// Hands a newer token to the server. If there is no room for it now, it is tried again.
    fn refresh(&mut self, session: &mut Session, token: String) {
        let id = self.outbox.next_id();
        let command = Command::TokenRefresh(TokenRefresh { token: token.clone() });
        if send(&session.link.ordered, Some(RequestId::Number(id)), command) {
            session.renewal.sent(id, token);
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
        End::Stopped | End::Moved(_) => Goodbye::DONE,
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
