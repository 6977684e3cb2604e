//! The client's task: one life from the first attempt to the end. What happens on an open connection is in `session`.

use std::{sync::Arc, time::Duration};

use fanfare_proto::CloseCode;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    CloseReason, Config, Cursors, Loss, Preference, State, TokenError, Transport,
    backoff::{Backoff, Next},
    client::Order,
    connect::{Dialer, Opened},
    events::Item,
    outbox::Outbox,
    renewal,
    shared::Shared,
    wanted::Wanted,
    watched::Watched,
};

/// Owns everything about a client. Handles reach it through their queue.
pub(crate) struct Actor {
    pub(crate) config: Config,
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) items: mpsc::Sender<Item>,
    pub(crate) outbox: Outbox,
    /// Where the next connection resumes: after what is in the application's queue.
    pub(crate) cursors: Cursors,
    pub(crate) wanted: Wanted,
    pub(crate) watched: Watched,
    backoff: Backoff,
    pub(crate) token: Option<String>,
    /// Who won the last race, and when.
    winner: Option<(Transport, Instant)>,
    /// The application says that the network has changed: a wait for it may end.
    probe: Arc<Notify>,
    /// Who waits for the end.
    pub(crate) closing: Option<oneshot::Sender<()>>,
}

/// The application wants the client to end.
#[derive(Debug)]
pub(crate) struct Stop;

/// How a session ended.
#[derive(Debug)]
pub(crate) enum End {
    Lost(Loss),
    /// Another connection takes over.
    Moved(Opened),
    Stopped,
}

impl Actor {
    pub(crate) fn new(
        config: Config,
        dialer: Arc<dyn Dialer>,
        shared: Arc<Shared>,
        orders: mpsc::Receiver<Order>,
        items: mpsc::Sender<Item>,
    ) -> Self {
        Self {
            outbox: Outbox::new(config.limits.unanswered),
            cursors: config.cursors.clone(),
            wanted: Wanted::default(),
            watched: Watched::default(),
            backoff: Backoff::new(&config.limits),
            config,
            dialer,
            shared,
            orders,
            items,
            token: None,
            winner: None,
            probe: Arc::default(),
            closing: None,
        }
    }

    /// Runs until the application or the server says that it is over.
    pub(crate) async fn run(mut self) {
        let reason = match self.live().await {
            Ok(reason) => reason,
            Err(Stop) => CloseReason::ByApplication,
        };
        tracing::debug!(%reason, "client ended");
        self.shared.enter(State::Closed(reason));
        self.orders.close();
        self.outbox.end();
        // Orders that were on the way: their senders learn of the end by the dropped reply.
        while self.orders.try_recv().is_ok() {}
        if let Some(closing) = self.closing.take() {
            let _ = closing.send(());
        }
    }

    async fn live(&mut self) -> Result<CloseReason, Stop> {
        loop {
            let loss = match self.attempt().await? {
                Ok(opened) => self.stay(opened).await?,
                Err(loss) => loss,
            };
            if matches!(&loss, Loss::Closed { code, .. } if *code == u32::from(CloseCode::GoingAway.number()))
            {
                self.expect_back();
            }
            if matches!(&loss, Loss::Unreachable(_) | Loss::Broken(_)) {
                // Perhaps it has crashed, and is elsewhere.
                self.dialer.doubt();
            }
            tracing::debug!(%loss, "no connection");
            self.shared.counters.losses.add(1);
            match Next::after(&loss, self.config.token.renewable()) {
                Next::End(reason) => return Ok(reason),
                Next::Return { later, renew, floor } => {
                    if renew {
                        self.token = None;
                    }
                    self.pause(loss, later, floor).await?;
                }
            }
        }
    }

    /// Lives on a connection, and on those that take over from it. Answers how the last one was lost.
    async fn stay(&mut self, mut opened: Opened) -> Result<Loss, Stop> {
        loop {
            let since = Instant::now();
            let end = self.session(opened).await;
            if since.elapsed() >= self.config.limits.lived {
                self.backoff.reset();
            }
            match end {
                End::Moved(next) => {
                    self.won(next.link.transport);
                    opened = next;
                }
                End::Lost(loss) => return Ok(loss),
                End::Stopped => return Err(Stop),
            }
        }
    }

    /// The server goes away, and it or another one will be there soon, perhaps elsewhere.
    pub(crate) fn expect_back(&mut self) {
        self.dialer.forget();
        self.backoff.expect_back(Instant::now());
    }

    async fn attempt(&mut self) -> Result<Result<Opened, Loss>, Stop> {
        self.shared.enter(State::Connecting);
        let token = match self.token.clone() {
            Some(token) => token,
            None => match self.meanwhile(renewal::in_time(&self.config.token)).await? {
                Ok(token) => self.token.insert(token).clone(),
                Err(TokenError::Temporary(why)) => return Ok(Err(Loss::NoToken(why))),
                Err(TokenError::Denied(why)) => return Ok(Err(Loss::TokenDenied(why))),
            },
        };
        let shared = self.shared.clone();
        let attempt = self.attempt_with(token, Box::new(move || shared.enter(State::Authenticating)));
        let result = self.meanwhile(attempt.run()).await?;
        match &result {
            Ok(opened) => self.won(opened.link.transport),
            // What was remembered may be what no longer works.
            Err(_) => self.winner = None,
        }
        Ok(result)
    }

    /// Remembers who won. A later win of the same transport does not extend the memory, or WebTransport would never
    /// be tried again.
    fn won(&mut self, transport: Transport) {
        match self.winner {
            Some((winner, _)) if winner == transport => {}
            _ => self.winner = Some((transport, Instant::now())),
        }
    }

    pub(crate) fn transports(&self) -> Vec<Transport> {
        if let Preference::Only(transport) = self.config.transport {
            return vec![transport];
        }
        let remembered = self.winner.filter(|(_, at)| at.elapsed() < self.config.limits.remember);
        match remembered {
            Some((Transport::WebSocket, _)) => vec![Transport::WebSocket, Transport::WebTransport],
            _ => vec![Transport::WebTransport, Transport::WebSocket],
        }
    }

    async fn pause(&mut self, cause: Loss, later: bool, floor: Duration) -> Result<(), Stop> {
        if cause == Loss::SlowConsumer {
            self.shared.enter(State::Backoff { cause: cause.clone(), wait: None });
            let items = self.items.clone();
            let half = (items.max_capacity() / 2).max(1);
            // An error means that nobody listens any more, and nothing can wait.
            self.meanwhile(async move { drop(items.reserve_many(half).await) }).await?;
        }
        let wait = self.backoff.wait(later, floor, &self.shared.environment);
        // What the server said is obeyed, wherever the device has moved to.
        let of_network = matches!(cause, Loss::Unreachable(_) | Loss::Broken(_));
        self.shared.enter(State::Backoff { cause, wait: Some(wait) });
        let probe = self.probe.clone();
        let waited = async move {
            tokio::select! {
                () = sleep(wait) => {}
                () = probe.notified(), if of_network => {}
            }
        };
        self.meanwhile(waited).await
    }

    /// Does `work` while orders are taken and old requests expire.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::pin!(work);
        loop {
            let deadline = self.outbox.deadline();
            tokio::select! {
                done = &mut work => return Ok(done),
                order = self.orders.recv() => self.take(order)?,
                () = until(deadline) => self.outbox.expire(Instant::now()),
            }
        }
    }

    /// Takes an order. What needs a connection waits in the outbox.
    pub(crate) fn take(&mut self, order: Option<Order>) -> Result<(), Stop> {
        match order {
            Some(Order::Request { command, deadline, reply }) => {
                self.outbox.add(command, deadline, Some(reply));
            }
            Some(Order::Probe) => self.probe.notify_one(),
            Some(Order::Close(done)) => {
                self.closing = Some(done);
                return Err(Stop);
            }
            None => return Err(Stop),
        }
        Ok(())
    }
}

/// Waits until then, for ever where there is no then.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
