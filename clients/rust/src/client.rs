//! The handle.

use std::{fmt, sync::Arc, time::Duration};

use fanfare_proto::{
    Command, ConversationId, Seq, ServerEvent, UnixMs, UserId,
    command::{
        ConversationCreate, ConversationKind, ConversationList, Empty, LocationHistory, LocationLatest,
        LocationWindow, MessageHistory, MessageMark, MessageSend, Priority, Subscribe, SystemBroadcast,
        Unsubscribe,
    },
    event::{Conversations, History, LatestFixes, Receipt, Stored, Subscribed, Track, WindowFixes},
    presence::{Availability, Presence, PresenceGet, PresencePage, PresenceSet},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    CloseReason, Config, Error, Events, Positions, State, Stats, Tracker, TrackerConfig, Transport,
    actor::Actor, connect::Dialer, net::Network, outbox::Reply, shared::Shared,
};

/// Orders that wait for the client's task. Full: the caller waits, up to its deadline.
const ORDERS: usize = 64;

/// What handles ask of the client's task.
#[derive(Debug)]
pub(crate) enum Order {
    Request {
        command: Command,
        deadline: Instant,
        reply: Reply,
    },
    /// The network has changed: does the connection still work?
    Probe,
    Close(oneshot::Sender<()>),
}

/// A client: a task that keeps a connection, and this handle, cheap to clone. The client ends when the last handle
/// (and every [`Positions`], [`Updates`](crate::Updates) and [`Tracker`]) is dropped, or by [`Client::close`].
#[derive(Clone)]
pub struct Client {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    network: Option<Arc<Network>>,
    request_time: Duration,
}

impl Client {
    /// Starts a client. It connects in the background: see [`Client::opened`]. Must be called within a tokio runtime.
    pub fn connect(config: Config) -> Result<(Self, Events), Error> {
        let network = Arc::new(Network::new(&config)?);
        let (mut client, events) = Self::start(config, network.clone());
        client.network = Some(network);
        Ok((client, events))
    }

    pub(crate) fn start(config: Config, dialer: Arc<dyn Dialer>) -> (Self, Events) {
        let shared = Arc::new(Shared::new(config.environment.clone()));
        let (orders, orders_end) = mpsc::channel(ORDERS);
        let (items, items_end) = mpsc::channel(config.limits.events.max(2));
        let events = Events::new(items_end, config.cursors.clone());
        let client =
            Self { orders, shared: shared.clone(), network: None, request_time: config.limits.request };
        tokio::spawn(Actor::new(config, dialer, shared, orders_end, items).run());
        (client, events)
    }

    /// Where the client stands, and a way to wait for changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    /// Waits until requests are answered, and tells by which transport; or why the client has ended.
    pub async fn opened(&self) -> Result<Transport, CloseReason> {
        let mut state = self.state();
        let reached = state.wait_for(|state| state.is_open() || state.is_closed()).await;
        match reached.as_deref() {
            Ok(State::Open(transport)) => Ok(*transport),
            Ok(State::Closed(reason)) => Err(reason.clone()),
            // The sender lives as long as this handle.
            _ => Err(CloseReason::ByApplication),
        }
    }

    /// What the client has counted.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Asks the server. While there is no connection the request waits for one; what was sent on a connection that
    /// was lost is sent again (with the same client id, so it is done once).
    pub async fn request(&self, command: Command) -> Result<ServerEvent, Error> {
        if matches!(command, Command::Authenticate(_) | Command::Pong(_)) {
            return Err(Error::Reserved(command.name()));
        }
        let deadline = Instant::now() + self.request_time;
        let (reply, answer) = oneshot::channel();
        let order = Order::Request { command, deadline, reply };
        match timeout_at(deadline, self.orders.send(order)).await {
            Ok(Ok(())) => answer.await.unwrap_or(Err(Error::Closed)),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Timeout),
        }
    }

    /// Asks, and reads the answer's data.
    pub async fn ask<T: DeserializeOwned>(&self, command: Command) -> Result<T, Error> {
        let answer = self.request(command).await?;
        answer.data().map_err(|e| Error::Unexpected(e.to_string()))
    }

    /// Creates a conversation. Answered when it is durable.
    pub async fn create_conversation(
        &self,
        kind: ConversationKind,
        title: Option<String>,
        members: Vec<UserId>,
    ) -> Result<Stored, Error> {
        let client_id = self.client_id()?;
        self.ask(Command::ConversationCreate(ConversationCreate { client_id, kind, title, members })).await
    }

    /// A page of the user's conversations.
    pub async fn conversations(&self, page: ConversationList) -> Result<Conversations, Error> {
        self.ask(Command::ConversationList(page)).await
    }

    /// Sends a message. Answered when it is durable.
    pub async fn send_message(
        &self,
        conversation_id: ConversationId,
        text: impl Into<String>,
    ) -> Result<Stored, Error> {
        let client_id = self.client_id()?;
        self.ask(Command::MessageSend(MessageSend { client_id, conversation_id, text: text.into() })).await
    }

    /// A page of a conversation's log.
    pub async fn history(&self, page: MessageHistory) -> Result<History, Error> {
        self.ask(Command::MessageHistory(page)).await
    }

    /// Tells that this device has the messages up to a position.
    pub async fn mark_received(&self, conversation_id: ConversationId, seq: Seq) -> Result<Receipt, Error> {
        self.ask(Command::MessageReceived(MessageMark { conversation_id, seq })).await
    }

    /// Tells that the user has read up to a position.
    pub async fn mark_read(&self, conversation_id: ConversationId, seq: Seq) -> Result<Receipt, Error> {
        self.ask(Command::MessageRead(MessageMark { conversation_id, seq })).await
    }

    /// Gives notice to everyone of the organisation. An urgent one overtakes everything else.
    pub async fn broadcast(&self, message: impl Into<String>, priority: Priority) -> Result<Stored, Error> {
        let client_id = self.client_id()?;
        self.ask(Command::SystemBroadcast(SystemBroadcast { client_id, message: message.into(), priority }))
            .await
    }

    /// A page of the newest stored positions.
    pub async fn latest(&self, page: LocationLatest) -> Result<LatestFixes, Error> {
        self.ask(Command::LocationLatest(page)).await
    }

    /// An agent's whole track between two times, page by page.
    pub async fn track(
        &self,
        agent_id: UserId,
        from: UnixMs,
        to: UnixMs,
    ) -> Result<Vec<fanfare_proto::JsonFix>, Error> {
        let mut fixes = Vec::new();
        let mut after = None;
        loop {
            let page =
                LocationHistory { agent_id: agent_id.clone(), from, to, after: after.clone(), limit: None };
            let page: Track = self.ask(Command::LocationHistory(page)).await?;
            fixes.extend(page.fixes);
            // A server that stays on a page would keep us for ever.
            if page.next.is_none() || page.next == after {
                return Ok(fixes);
            }
            after = page.next;
        }
    }

    /// A page of the fixes of all agents that the user may see, of a span of time.
    pub async fn window(&self, page: LocationWindow) -> Result<WindowFixes, Error> {
        self.ask(Command::LocationWindow(page)).await
    }

    /// Follows channels, also after reconnects. For positions: [`Client::positions`].
    pub async fn subscribe(&self, subscribe: Subscribe) -> Result<Subscribed, Error> {
        self.ask(Command::Subscribe(subscribe)).await
    }

    /// Follows channels no longer.
    pub async fn unsubscribe(&self, unsubscribe: Unsubscribe) -> Result<(), Error> {
        self.request(Command::Unsubscribe(unsubscribe)).await.map(drop)
    }

    /// Follows the positions of the agents that the user may see, all or those of one department.
    pub async fn positions(
        &self,
        department_id: Option<fanfare_proto::DepartmentId>,
    ) -> Result<Positions, Error> {
        let channels = vec![fanfare_proto::command::Channel::Locations];
        self.subscribe(Subscribe { channels, department_id, users: None }).await?;
        Ok(Positions::new(self.clone()))
    }

    /// Follows who is there, of these users or, where the user may, of everyone; told by
    /// [`Event::PresenceSnapshot`](crate::Event::PresenceSnapshot) and
    /// [`Event::PresenceChanged`](crate::Event::PresenceChanged), also after reconnects. Replaces what was watched before;
    /// positions are followed beside it. Ends with [`Client::unsubscribe`], or where the rights of a newer token no longer
    /// grant it: then comes an empty snapshot, and why, as [`Event::Error`](crate::Event::Error).
    ///
    /// After [`Error::Timeout`] nobody knows yet whether the server has begun to tell of them. If it has, that is told like
    /// any other.
    pub async fn watch_presence(&self, users: Option<Vec<UserId>>) -> Result<Subscribed, Error> {
        let channels = vec![fanfare_proto::command::Channel::Presence];
        self.subscribe(Subscribe { channels, department_id: None, users }).await
    }

    /// Says what this device is and what the user shows beside the name; what is `None` stays. A text is durable when
    /// this answers. A status is the device's for as long as it is there: say it again after a long absence, and at the
    /// start, where the run before it with the same device id may have been something else some seconds ago.
    pub async fn set_presence(
        &self,
        status: Option<Availability>,
        text: Option<String>,
    ) -> Result<Presence, Error> {
        self.ask(Command::PresenceSet(PresenceSet { status, text })).await
    }

    /// Who is there: a page.
    pub async fn presence(&self, page: PresenceGet) -> Result<PresencePage, Error> {
        self.ask(Command::PresenceGet(page)).await
    }

    /// Starts sending this device's fixes. One tracker at a time.
    pub async fn tracker(&self, config: TrackerConfig) -> Result<Tracker, Error> {
        Tracker::start(self.clone(), config).await
    }

    /// Measures a round trip.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let start = Instant::now();
        self.request(Command::Ping(Empty {})).await?;
        let rtt = start.elapsed();
        self.shared.counters.measured(rtt);
        Ok(rtt)
    }

    /// Moves QUIC to a new local port, as a change of network does. The connection goes on; if it does not answer
    /// within a few seconds it is made anew.
    pub async fn rebind(&self) -> Result<(), Error> {
        if let Some(network) = &self.network {
            network.rebind().map_err(|e| Error::Invalid(e.to_string()))?;
        }
        self.network_changed().await
    }

    /// Tells that the network may have changed: a connection that does not answer within a few seconds is made anew,
    /// instead of when its heartbeat fails.
    pub async fn network_changed(&self) -> Result<(), Error> {
        self.orders.send(Order::Probe).await.map_err(|_| Error::Closed)
    }

    /// Ends the client: unanswered requests fail, the server is told. Waits until it is done.
    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            // An error means that it has ended too.
            let _ = wait.await;
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn client_id(&self) -> Result<fanfare_proto::ClientId, Error> {
        self.shared.environment.client_id().map_err(|e| Error::Invalid(e.to_string()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &*self.shared.state.borrow()).finish_non_exhaustive()
    }
}
