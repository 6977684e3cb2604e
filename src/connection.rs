//! One connection from its first byte to its last: owned by one task, on one shard.
//!
//! This loop knows bytes and time; what a message means is the session's business.

mod inflate;
mod writers;

use std::{
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fanfare_proto::{
    CloseCode, ErrorCode, Lane, UnixMs,
    deflate::InflateError,
    event::{self, name},
};
use futures::FutureExt;
use tokio::time::{Instant, sleep_until, timeout};

use self::{inflate::Inflater, writers::Writers};
use crate::{
    auth::jwt::{LEEWAY_MS, Verifier},
    crowd::Visitor,
    frame::Compressor,
    metrics::Label,
    net::{Ended, Incoming, Link, Received, Transport},
    outbox::Outbox,
    session::{Greeting, Local, Session, Welcome},
    shard::TickPort,
    stage,
};

/// Longest wait for the answers to what a connection has asked when the server is going away.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A token whose end has come by passing time, and not by the wall clock, is looked at again so often.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// When to come back after too much was held of messages that were not finished.
const UNFINISHED_RETRY_MS: u64 = 5000;

/// Signs of life, and parts of a message, from a peer that has not said who it is.
const MAX_SIGNS: usize = 256;

/// What lets connections in, shared by all shards.
#[derive(Debug)]
pub struct Door {
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    next: AtomicU64,
}

impl Door {
    /// A door for bearers of tokens. The first connection has the id `first`.
    pub fn new(verifier: Verifier, first: u64) -> Self {
        Self { verifier: Arc::new(verifier), next: AtomicU64::new(first) }
    }
}

/// Serves a connection until it ends.
pub async fn run(link: Link, local: Rc<Local>, door: Arc<Door>, visitor: Visitor) {
    let Link { peer, incoming, outgoing } = link;
    let entry = Entry::new(&local, door, peer.transport);
    let outbox = Rc::new(Outbox::new(local.services.config.bounds()));
    let above = local.services.config.compression.above_bytes;
    let compressor = Compressor::new(above, local.services.metrics.clone());
    let (writers, ticks) = Writers::start(outgoing, &outbox, &compressor);
    let transport = label(peer.transport);
    let greeting =
        Greeting::new(local.clone(), outbox.clone(), entry.id, transport, visitor.clone(), peer.bearer);
    // However this ends, whoever waits for room in the outbox must stop waiting.
    let _closed = CloseOnDrop(outbox.clone());
    let ended = serve(incoming, greeting, ticks, &local, &entry, visitor, &outbox).await;
    if let Some(code) = outbox.closing() {
        tracing::debug!(connection = entry.id, code = code.number(), reason = code.reason(), "closing");
        local.services.metrics.closed.get_or_create(&Label::of(code.reason())).inc();
        writers.close(code).await;
    } else {
        tracing::debug!(connection = entry.id, ?ended, "ended");
    }
}

struct CloseOnDrop(Rc<Outbox>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(CloseCode::Silent);
    }
}

/// Reads until the peer is gone or the outbox is closed.
async fn serve(
    mut incoming: Incoming,
    greeting: Greeting,
    ticks: TickPort,
    local: &Rc<Local>,
    entry: &Entry,
    visitor: Visitor,
    outbox: &Rc<Outbox>,
) -> Option<Ended> {
    let session = match greet(&mut incoming, greeting, ticks, local, entry, &visitor, outbox).await {
        Ok(session) => session,
        Err(ended) => return ended,
    };
    // It is a guest now.
    drop(visitor);
    incoming.admit();
    let ended = attend(&mut incoming, &session, local, outbox).await;
    if let Some(ended) = &ended {
        closed_by_rule(ended, outbox);
    }
    ended
}

/// Waits for the first message, under a deadline.
async fn greet(
    incoming: &mut Incoming,
    greeting: Greeting,
    ticks: TickPort,
    local: &Rc<Local>,
    entry: &Entry,
    visitor: &Visitor,
    outbox: &Rc<Outbox>,
) -> Result<Rc<Session>, Option<Ended>> {
    let deadline = Duration::from_millis(local.services.config.session.auth_timeout_ms);
    let first = async {
        for _ in 0..MAX_SIGNS {
            match incoming.recv(true).await {
                Ok(Received::Event(_, text)) => return Ok(Some(text)),
                // Nothing is inflated for who has not said who they are.
                Ok(Received::Compressed(..)) => return Ok(None),
                Ok(Received::Ticks(_) | Received::Part | Received::Alive) => {}
                Err(ended) => return Err(ended),
            }
        }
        Err(Ended::Violation("too many signs of life before authenticate".to_owned()))
    };
    let mut stages = local.stages.clone();
    let first = tokio::select! {
        biased;
        () = stage::moving(&mut stages) => {
            outbox.close(CloseCode::GoingAway);
            return Err(None);
        }
        () = visitor.called() => return crowded(outbox, local),
        first = timeout(deadline, first) => first,
    };
    let text = match first {
        Ok(Ok(Some(text))) => text,
        Ok(Ok(None)) => {
            greeting.refuse_compressed();
            return Err(None);
        }
        Ok(Err(ended)) => {
            closed_by_rule(&ended, outbox);
            return Err(Some(ended));
        }
        Err(_) => {
            let error = ErrorCode::AuthFailed.with("no authenticate in time");
            outbox.push(Lane::Ordered, event::write(name::ERROR, None, &error).into());
            outbox.close(CloseCode::AuthTimeout);
            return Err(None);
        }
    };
    let welcome = tokio::select! {
        biased;
        _ = outbox.closed() => return Err(None),
        () = visitor.called() => return crowded(outbox, local),
        welcome = timeout(deadline, greeting.take(&text, ticks, &entry.door.verifier)) => welcome,
    };
    match welcome {
        Ok(Welcome::Session(session)) => {
            // The shard told those who were here then.
            if !stages.borrow().lets_in() {
                outbox.close(CloseCode::GoingAway);
            }
            Ok(session)
        }
        Ok(Welcome::Refused) => Err(None),
        Err(_) => {
            // The store is slow: the client comes back later, from where it stands.
            outbox.close(CloseCode::Unavailable);
            Err(None)
        }
    }
}

/// Others need its place in the lobby.
fn crowded<T>(outbox: &Outbox, local: &Local) -> Result<T, Option<Ended>> {
    let services = &local.services;
    services.crowd.log_server("too many wait to be let in", services.clock.elapsed());
    let error = ErrorCode::ConnectionLimit.with("too many wait to be let in").retry_after(1000);
    outbox.push(Lane::Ordered, event::write(name::ERROR, None, &error).into());
    outbox.close(CloseCode::ConnectionLimit);
    Err(None)
}

/// Reads an authenticated connection.
async fn attend(
    incoming: &mut Incoming,
    session: &Rc<Session>,
    local: &Local,
    outbox: &Outbox,
) -> Option<Ended> {
    let times = &local.services.config.session;
    let heartbeat = Duration::from_millis(times.heartbeat_ms);
    let silence = Duration::from_millis(times.silence_ms);
    let patience = Duration::from_millis(times.request_timeout_ms);
    let mut inflater = Inflater::new(local.services.config.limits.message_bytes);
    let mut heard = Instant::now();
    let mut beat = heard + heartbeat;
    let mut expires = expiry(session.expires_at(), local.services.clock.now());
    // One timer, moved only when it must be: a message seldom changes what comes next.
    let mut timer = pin!(sleep_until(beat));
    loop {
        let unfinished = incoming.unfinished();
        if !session.hold(unfinished.bytes) {
            let error =
                ErrorCode::Unavailable.with("too many unfinished messages").retry_after(UNFINISHED_RETRY_MS);
            outbox.push(Lane::Ordered, event::write(name::ERROR, None, &error).into());
            outbox.close(CloseCode::Unavailable);
            return None;
        }
        let late = unfinished.since.map_or(expires, |since| since + patience);
        let due = beat.min(heard + silence).min(expires).min(late);
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            _ = outbox.closed() => return None,
            () = session.leaving() => {
                // What was read is still answered; what is read no more was never taken.
                let _ = timeout(LAST_ANSWERS, session.answered()).await;
                outbox.close(CloseCode::GoingAway);
                return None;
            }
            () = session.refreshed() => expires = expiry(session.expires_at(), local.services.clock.now()),
            () = &mut timer => {
                let now = Instant::now();
                let silent = now >= heard + silence;
                let late = incoming.unfinished().since.is_some_and(|since| now >= since + patience);
                if now >= expires {
                    // Where the wall clock was set back, it is looked at again when that says so.
                    let wall = local.services.clock.now();
                    if wall >= session.expires_at().plus(LEEWAY_MS) {
                        outbox.close(CloseCode::TokenExpired);
                    } else {
                        expires = expiry(session.expires_at(), wall).min(now + LOOK_AGAIN);
                    }
                } else if late && !silent && !reads_all(session, &inflater) {
                    // It waits for us.
                    incoming.excuse();
                } else if late || silent {
                    // What came while this process could not run counts too.
                    match incoming.recv(true).now_or_never() {
                        None => outbox.close(CloseCode::Silent),
                        Some(Err(ended)) => return Some(ended),
                        Some(Ok(received)) => {
                            heard = now;
                            if let Err(ended) = hear(session, received, &mut inflater, local) {
                                return Some(ended);
                            }
                        }
                    }
                } else if now >= beat {
                    session.heartbeat();
                    beat = now + heartbeat;
                }
            }
            received = next(incoming, session, &inflater) => {
                heard = Instant::now();
                let taken = received.and_then(|received| hear(session, received, &mut inflater, local));
                if let Err(ended) = taken {
                    return Some(ended);
                }
            }
        }
    }
}

/// The next thing that there is room for. Whatever makes room tells of it: a request that is done, or time that passes.
async fn next(incoming: &mut Incoming, session: &Session, inflater: &Inflater) -> Result<Received, Ended> {
    loop {
        let (urgent, ordered) = (session.has_room(Lane::Urgent), session.has_room(Lane::Ordered));
        let ready = inflater.ready();
        tokio::select! {
            biased;
            received = incoming.recv(ordered && ready), if urgent => return received,
            () = session.progress(), if !(urgent && ordered) => incoming.excuse(),
            () = inflater.wait(), if !ready => incoming.excuse(),
        }
    }
}

/// Whether there is room for whatever comes.
fn reads_all(session: &Session, inflater: &Inflater) -> bool {
    session.has_room(Lane::Urgent) && session.has_room(Lane::Ordered) && inflater.ready()
}

fn hear(
    session: &Rc<Session>,
    received: Received,
    inflater: &mut Inflater,
    local: &Local,
) -> Result<(), Ended> {
    match received {
        Received::Event(lane, text) => session.take(lane, &text),
        Received::Compressed(Lane::Ordered, bytes) if session.compresses() => {
            match inflater.inflate(&bytes, &local.services.metrics) {
                Ok(text) => session.take(Lane::Ordered, &text),
                Err(InflateError::TooLarge { limit }) => return Err(Ended::TooLarge { limit }),
                Err(error @ InflateError::Corrupt) => {
                    session.refuse_compressed(Lane::Ordered, &error.to_string());
                }
            }
        }
        Received::Compressed(lane, _) => {
            session.refuse_compressed(lane, "compression was not agreed upon here");
        }
        Received::Ticks(packet) => session.take_packet(&packet),
        Received::Alive => session.take_sign(),
        Received::Part => {}
    }
    Ok(())
}

/// When a token ends, on the clock that timers use: a wall clock that is set ahead meanwhile closes nobody. Far ends are
/// cut, and looked at again.
fn expiry(expires_at: UnixMs, now: UnixMs) -> Instant {
    const FAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;
    Instant::now() + Duration::from_millis(expires_at.plus(LEEWAY_MS).since(now).min(FAR_MS))
}

/// A peer that broke a rule is told which.
fn closed_by_rule(ended: &Ended, outbox: &Outbox) {
    let (error, close) = match ended {
        Ended::TooLarge { limit } => (
            ErrorCode::MessageTooLarge.with(format!("a message has at most {limit} bytes")),
            CloseCode::TooLarge,
        ),
        Ended::Violation(why) => (ErrorCode::InvalidMessage.with(why.clone()), CloseCode::Violation),
        Ended::Closed { .. } | Ended::Lost(_) => return,
    };
    outbox.push(Lane::Ordered, event::write(name::ERROR, None, &error).into());
    outbox.close(close);
}

const fn label(transport: Transport) -> &'static str {
    match transport {
        Transport::WebTransport => "webtransport",
        Transport::WebSocket => "websocket",
        Transport::Memory => "memory",
    }
}

/// Counts the connection while it is there.
#[derive(Debug)]
struct Entry {
    id: u64,
    door: Arc<Door>,
    gauge: prometheus_client::metrics::gauge::Gauge,
}

impl Entry {
    fn new(local: &Local, door: Arc<Door>, transport: Transport) -> Self {
        let gauge = local.services.metrics.connections.get_or_create(&Label::of(label(transport))).clone();
        gauge.inc();
        Self { id: door.next.fetch_add(1, Ordering::Relaxed), door, gauge }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
