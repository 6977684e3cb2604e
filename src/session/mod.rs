//! What an authenticated connection can do. Knows requests and answers, no bytes and no transport.

mod allowance;
mod dispatch;
mod greeting;
mod hearing;
mod line;
mod refresh;
mod resume;
mod subscribe;

pub use greeting::{Greeting, Welcome};
use hearing::Part;
use subscribe::Subscription;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use fanfare_proto::{
    CloseCode, Command, Cursor, Epoch, ErrorCode, Lane, Request, RequestId, TopicName, UnixMs,
    command::Channel,
    event::{self, ErrorBody, ServerPing, name},
    tick::{self, BadPacket},
};
use tokio::sync::Notify;

use self::{allowance::Allowance, line::Line};
use crate::{
    auth::{
        Identity,
        jwt::Verifier,
        policy::{self, Action},
    },
    crowd::Guest,
    domain::{
        Caller, Services,
        location::{
            self,
            recorder::{Receipts, Recorder},
        },
        presence,
    },
    metrics::Label,
    outbox::Outbox,
    shard::{Member, Membership, Shard},
    stage::Stages,
};

/// What the connections of a shard share.
#[derive(Debug)]
pub struct Local {
    /// What the domains stand on.
    pub services: Arc<Services>,
    /// The shard.
    pub shard: Rc<Shard>,
    /// The shard's recorder of fixes.
    pub recorder: Rc<Recorder>,
    /// Whether the server is on its way down.
    pub stages: Stages,
}

/// An authenticated connection.
#[derive(Debug)]
pub struct Session {
    local: Rc<Local>,
    /// A newer token has come.
    refreshed: Notify,
    verifier: Arc<Verifier>,
    source: u32,
    outbox: Rc<Outbox>,
    membership: Membership,
    following: RefCell<HashMap<Channel, Subscription>>,
    /// Where the device says that it stands, until it is told where it does.
    cursors: RefCell<Cursors>,
    /// What is still to be resumed, and whether a task is at it.
    unresumed: RefCell<BTreeSet<Part>>,
    resuming: Cell<bool>,
    receipts: Rc<Receipts>,
    /// That the user is there, once the connection has begun.
    here: OnceCell<presence::Here>,
    /// Topics whose positions are told with each heartbeat: those that every connection has, of the heartbeat's own
    /// lane. A position told on one lane could overtake its event on the other.
    told: RefCell<Vec<(TopicName, Epoch)>>,
    /// Counts it where it belongs, as long as it lasts.
    guest: Guest,
    allowance: RefCell<Allowance>,
    urgent: Line,
    ordered: Line,
    /// A request is done.
    done: Notify,
}

/// Bytes of ordinary requests that are read although as many are under way as may be: an alarm may come behind them, on
/// the same stream. Where that is not enough, whoever has sent it so waits for what they have asked before.
const READ_AHEAD: usize = 256 * 1024;

impl Session {
    /// When the token ends.
    pub fn expires_at(&self) -> UnixMs {
        self.identity().expires_at
    }

    /// Waits until the token's end has moved.
    pub async fn refreshed(&self) {
        self.refreshed.notified().await;
    }

    /// Takes a request off the wire. It is done by a task of the shard: that this connection ends changes nothing. What is
    /// urgent is so whatever stream it came on, as some transports, and some clients, have but one.
    pub fn take(self: &Rc<Self>, lane: Lane, text: &[u8]) {
        let now = self.local.services.clock.elapsed();
        let parsed = Request::parse(text);
        let command = parsed.as_ref().ok().map(|request| &request.command);
        let lane = if command.is_some_and(Command::is_urgent) { Lane::Urgent } else { lane };
        let taken = self.allowance.borrow_mut().take(&self.guest, command, now);
        match (taken, parsed) {
            (Ok(()), Ok(request)) => self.enqueue(lane, request, text.len()),
            (Ok(()), Err(refusal)) => self.refuse(lane, refusal.id.as_ref(), &refusal.error),
            (Err(much), parsed) => {
                let id = parsed.map_or_else(|refusal| refusal.id, |request| request.id);
                let error = ErrorCode::RateLimitExceeded.with(much.what).retry_after(much.wait_ms);
                self.refuse(lane, id.as_ref(), &error);
                self.log(much.what);
                if much.impatient {
                    self.strike();
                }
            }
        }
    }

    /// Whether it was agreed to compress.
    pub fn compresses(&self) -> bool {
        self.outbox.compresses()
    }

    /// Refuses a compressed request that cannot be read.
    pub fn refuse_compressed(&self, lane: Lane, why: &str) {
        self.refuse(lane, None, &ErrorCode::InvalidMessage.with(why));
    }

    /// Takes a packet of ticks. Those above the rate are dropped: the newest matter, and what is missing is sent again.
    pub fn take_packet(&self, packet: &Bytes) {
        let services = &self.local.services;
        let (now, elapsed) = (services.clock.now(), services.clock.elapsed());
        let dropped = |why| location::note_dropped(services, &self.identity(), why);
        if !self.allowance.borrow_mut().take_packet(elapsed) {
            dropped("rate");
            self.log("too many packets of positions");
            return;
        }
        // Of a later protocol, perhaps: the protocol says that these are ignored, whoever sends them.
        if packet.first().is_some_and(|version| *version != tick::VERSION) {
            dropped("version");
            return;
        }
        let identity = self.identity();
        if !policy::may(&identity, Action::SendFixes) {
            dropped("unauthorized");
            return self.refuse(
                Lane::Ordered,
                None,
                &ErrorCode::Unauthorized.with("you may not send positions"),
            );
        }
        let caller = Caller { identity: &identity, source: self.source };
        let taken =
            location::take_packet(services, &caller, packet, &self.local.recorder, &self.receipts, now);
        match taken {
            Ok(()) => {}
            Err(error @ BadPacket::Size) => {
                dropped("malformed");
                self.refuse(Lane::Ordered, None, &ErrorCode::InvalidMessage.with(error.to_string()));
            }
            // Ignored, as the protocol says.
            Err(BadPacket::Version(_) | BadPacket::Malformed) => dropped("malformed"),
        }
    }

    /// Takes a sign of life without content, which costs what a message costs. Nobody is told of one that is too many; who
    /// goes on is closed.
    pub fn take_sign(&self) {
        let taken = self.allowance.borrow_mut().take_sign(self.local.services.clock.elapsed());
        if !taken {
            self.strike();
        }
    }

    /// Whether another request of a lane may be read. Ordinary ones that wait leave room for urgent ones.
    pub fn has_room(&self, lane: Lane) -> bool {
        let limit = self.local.services.config.limits.in_flight;
        match lane {
            Lane::Urgent => self.urgent.requests() < limit,
            Lane::Ordered => self.in_flight() < limit || self.ordered.bytes() < READ_AHEAD,
        }
    }

    /// Holds so many bytes of messages that are not whole. False where its user, the organisation or the server has no room
    /// for them.
    pub fn hold(&self, bytes: usize) -> bool {
        self.guest.hold(bytes)
    }

    /// Waits until a request is done.
    pub async fn progress(&self) {
        self.done.notified().await;
    }

    /// Waits until the connection is to be closed, as the server is going away.
    pub async fn leaving(&self) {
        self.member().leaving().await;
    }

    /// Waits until every request that was read is answered.
    pub async fn answered(&self) {
        while self.in_flight() > 0 {
            self.progress().await;
        }
    }

    /// Sends a heartbeat.
    pub fn heartbeat(&self) {
        let member = &self.membership.member;
        let pos =
            self.told.borrow().iter().filter_map(|(topic, epoch)| member.cursor(topic, *epoch)).collect();
        let ping = ServerPing { time: self.local.services.clock.now(), pos };
        self.outbox.push(Lane::Ordered, event::write(name::SERVER_PING, None, &ping).into());
    }

    fn in_flight(&self) -> usize {
        self.urgent.requests() + self.ordered.requests()
    }

    fn enqueue(self: &Rc<Self>, lane: Lane, request: Request, text: usize) {
        if self.line(lane).push(request, text) {
            tokio::task::spawn_local(self.clone().work(lane));
        }
    }

    /// Does a lane's requests until none is left. Nothing runs, and nothing is held, while there is nothing to do.
    async fn work(self: Rc<Self>, lane: Lane) {
        while let Some((Request { id, command }, bytes)) = self.line(lane).next() {
            self.local.services.metrics.requests.get_or_create(&Label::of(command.name())).inc();
            match self.dispatch(command).await {
                Ok(Some((event, data))) => {
                    self.outbox.push(lane, event::write(event, id.as_ref(), &data).into());
                }
                Ok(None) => {}
                Err(error) => self.refuse(lane, id.as_ref(), &error),
            }
            self.line(lane).done(bytes);
            self.done.notify_one();
        }
    }

    fn line(&self, lane: Lane) -> &Line {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        }
    }

    fn refuse(&self, lane: Lane, id: Option<&RequestId>, error: &ErrorBody) {
        let services = &self.local.services;
        services.metrics.refused.get_or_create(&Label::of(code_name(error.code))).inc();
        self.outbox.push(lane, event::write(name::ERROR, id, error).into());
        // Not the client's fault, or not before it has not waited as it was told.
        let faultless = matches!(
            error.code,
            ErrorCode::Unavailable
                | ErrorCode::InternalError
                | ErrorCode::Conflict
                | ErrorCode::RateLimitExceeded
                | ErrorCode::TokenNotYetValid
        );
        if !faultless {
            self.strike();
        }
    }

    /// An offence: with too many of them the connection is closed for good.
    fn strike(&self) {
        if !self.allowance.borrow_mut().strike(self.local.services.clock.elapsed()) {
            self.outbox.close(CloseCode::Abuse);
            self.log("too many invalid messages: closed");
        }
    }

    /// The operator learns what is refused, and to whom.
    fn log(&self, reason: &'static str) {
        let services = &self.local.services;
        let identity = self.identity();
        services.crowd.log_user(identity.org.org(), &identity.user, reason, services.clock.elapsed());
    }

    /// Who this is now. A request that is being done keeps the identity that it was allowed with.
    fn identity(&self) -> Arc<Identity> {
        self.member().connection.identity()
    }

    fn member(&self) -> &Rc<Member> {
        &self.membership.member
    }
}

/// The code as it is on the wire, for metrics.
fn code_name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::AuthFailed => "AUTH_FAILED",
        ErrorCode::Unauthorized => "UNAUTHORIZED",
        ErrorCode::InvalidMessage => "INVALID_MESSAGE",
        ErrorCode::MessageTooLarge => "MESSAGE_TOO_LARGE",
        ErrorCode::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
        ErrorCode::SubscriptionFailed => "SUBSCRIPTION_FAILED",
        ErrorCode::RoomNotFound => "ROOM_NOT_FOUND",
        ErrorCode::RoomFull => "ROOM_FULL",
        ErrorCode::ConnectionLimit => "CONNECTION_LIMIT",
        ErrorCode::TokenExpired => "TOKEN_EXPIRED",
        ErrorCode::TokenNotYetValid => "TOKEN_NOT_YET_VALID",
        ErrorCode::Conflict => "CONFLICT",
        ErrorCode::Unavailable => "UNAVAILABLE",
        _ => "INTERNAL_ERROR",
    }
}

/// Cursors of a resuming device, by topic.
type Cursors = HashMap<TopicName, Cursor>;
