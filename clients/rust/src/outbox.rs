//! Requests without an answer. They outlive a connection: what may be repeated is sent again, with the same client id.

use std::collections::BTreeMap;

use fanfare_proto::{
    Command, ErrorBody, Lane, Request, RequestId, ServerEvent,
    command::{Channel, Subscribe},
    event::name,
};
use tokio::{sync::oneshot, time::Instant};

use crate::Error;

/// Who waits for an answer.
pub(crate) type Reply = oneshot::Sender<Result<ServerEvent, Error>>;

/// What an answer means to the client itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing.
    None,
    /// These channels are followed, also after the next reconnect.
    Subscribed(Subscribe),
    /// These are followed no longer.
    Unsubscribed(Vec<Channel>),
}

impl Meaning {
    /// The channels that it is about.
    fn channels(&self) -> &[Channel] {
        match self {
            Self::None => &[],
            Self::Subscribed(subscribe) => &subscribe.channels,
            Self::Unsubscribed(channels) => channels,
        }
    }
}

/// Requests without an answer, at most `limit`. Full: a new one is refused.
#[derive(Debug)]
pub(crate) struct Outbox {
    pending: BTreeMap<u64, Pending>,
    last_id: u64,
    limit: usize,
}

#[derive(Debug)]
struct Pending {
    text: String,
    lane: Lane,
    repeat: bool,
    sent: bool,
    deadline: Instant,
    meaning: Meaning,
    asker: Asker,
}

/// Who learns of an answer.
#[derive(Debug)]
enum Asker {
    Application(Reply),
    Client,
    /// Nobody any more. The server may have done it all the same, or do it yet: what its answer means to the client counts.
    Nobody,
}

impl Asker {
    /// Answers. Who no longer waits needs no answer.
    fn tell(self, answer: Result<ServerEvent, Error>) {
        if let Self::Application(reply) = self {
            let _ = reply.send(answer);
        }
    }
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self { pending: BTreeMap::new(), last_id: 0, limit }
    }

    /// An id that no request had.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Takes a request. Answers at once where it cannot.
    pub(crate) fn add(&mut self, command: Command, deadline: Instant, reply: Option<Reply>) {
        let asker = reply.map_or(Asker::Client, Asker::Application);
        // The client's own requests always find room: it has at most one of each channel.
        if self.pending.len() >= self.limit && matches!(asker, Asker::Application(_)) {
            return asker.tell(Err(Error::Busy));
        }
        let id = self.next_id();
        let (lane, repeat) = (lane(&command), repeatable(&command));
        let meaning = match &command {
            Command::Subscribe(subscribe) => Meaning::Subscribed(subscribe.clone()),
            Command::Unsubscribe(unsubscribe) => Meaning::Unsubscribed(unsubscribe.channels.clone()),
            _ => Meaning::None,
        };
        let request = Request { id: Some(RequestId::Number(id)), command };
        let text = match request.to_json() {
            Ok(text) => text,
            Err(error) => return asker.tell(Err(Error::Invalid(error.to_string()))),
        };
        let pending = Pending { text, lane, repeat, sent: false, deadline, meaning, asker };
        self.pending.insert(id, pending);
    }

    /// Whether something waits to be sent in a lane.
    pub(crate) fn waits(&self, lane: Lane) -> bool {
        self.pending.values().any(|p| !p.sent && p.lane == lane)
    }

    /// Whether a request that changes how a channel is followed waits for its answer.
    pub(crate) fn subscribes(&self, channel: Channel) -> bool {
        self.pending.values().any(|p| p.meaning.channels().contains(&channel))
    }

    /// Hands unsent texts of a lane to `send`, oldest first, until it refuses one.
    pub(crate) fn send(&mut self, lane: Lane, mut send: impl FnMut(String) -> bool) {
        // Nobody waits any more: sending it would do something unasked.
        let forgotten = |p: &Pending| matches!(&p.asker, Asker::Application(reply) if reply.is_closed());
        self.pending.retain(|_, p| p.sent || !forgotten(p));
        let unsent = self.pending.values_mut().filter(|p| !p.sent && p.lane == lane);
        for pending in unsent {
            if !send(pending.text.clone()) {
                break;
            }
            pending.sent = true;
        }
    }

    /// Passes an answer on. Returns what the request means to the client, where it was done or the client itself had
    /// asked, and in that case the refusal.
    pub(crate) fn answer(&mut self, re: &RequestId, event: ServerEvent) -> (Meaning, Option<ErrorBody>) {
        let RequestId::Number(id) = re else {
            return (Meaning::None, None);
        };
        let Some(pending) = self.pending.remove(id) else {
            // Timed out, or an answer to an earlier sending of the same request came first.
            return (Meaning::None, None);
        };
        let result = match event.event.as_str() {
            name::ERROR => match event.data() {
                Ok(error) => Err(Error::Refused(error)),
                Err(error) => Err(Error::Unexpected(error.to_string())),
            },
            _ => Ok(event),
        };
        let done = result.is_ok();
        let refusal = match (&pending.asker, &result) {
            (Asker::Client, Err(Error::Refused(error))) => Some(error.clone()),
            _ => None,
        };
        pending.asker.tell(result);
        (if done || refusal.is_some() { pending.meaning } else { Meaning::None }, refusal)
    }

    /// The connection is gone: what was sent is unsent again, what must not be repeated fails, and what the client
    /// itself asked is asked anew. What nobody waits for is forgotten with the connection that would have answered it.
    pub(crate) fn connection_lost(&mut self) {
        let gone =
            |_: &u64, p: &mut Pending| !matches!(p.asker, Asker::Application(_)) || (p.sent && !p.repeat);
        for (_, pending) in self.pending.extract_if(.., gone) {
            pending.asker.tell(Err(Error::ConnectionLost));
        }
        for pending in self.pending.values_mut() {
            pending.sent = false;
        }
    }

    /// The next deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.values().filter(|p| !matches!(p.asker, Asker::Nobody)).map(|p| p.deadline).min()
    }

    /// Fails what is past its deadline. Of what changes how a channel is followed the answer is still waited for.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.pending.retain(|_, p| {
            if p.deadline > now {
                return true;
            }
            std::mem::replace(&mut p.asker, Asker::Nobody).tell(Err(Error::Timeout));
            p.sent && p.meaning != Meaning::None
        });
    }

    /// Fails everything: the client ends.
    pub(crate) fn end(&mut self) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            pending.asker.tell(Err(Error::Closed));
        }
    }
}

/// What must overtake goes by the second stream.
fn lane(command: &Command) -> Lane {
    if command.is_urgent() { Lane::Urgent } else { Lane::Ordered }
}

/// Whether a repeat does no harm. What changes something carries a client id, sets a mark that only grows, or stores
/// fixes told apart by their counters; a ping measures one connection.
fn repeatable(command: &Command) -> bool {
    !matches!(command, Command::Ping(_))
}
