//! A small model of a server for tests of loss: it keeps what reaches it, and may stop at any moment.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use fanfare_proto::{
    BadFix, Command, Cursor, Epoch, Fix, Request, Seq, TopicName, UnixMs,
    command::{Authenticate, MessageSend},
    event::{
        self, Authenticated, LocationStored, LogEntry, MessageNew, RejectedFix, Stored, TopicState, Topics,
        name,
    },
    tick,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::fake::{Peer, authenticated};

/// What the server has, over all connections.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) stored: BTreeMap<u64, Fix>,
    pub(super) rejected: BTreeSet<u64>,
    pub(super) messages: Vec<MessageSend>,
    /// Fixes that came although they had been stored or rejected before.
    pub(super) repeats: u64,
}

/// What goes wrong on a connection.
#[derive(Debug, Clone)]
pub(super) struct Chaos {
    /// Packets lost, in percent.
    pub(super) loss: u64,
    /// Packets held back and delivered after the next one, in percent.
    pub(super) reorder: u64,
    /// The connection breaks after this time; requests that came in its last moments are done without an answer.
    pub(super) lives: Option<Duration>,
}

/// The rule of this model: such a fix is impossible.
pub(super) fn impossible(fix: &Fix) -> bool {
    fix.motion.battery_pct() == Some(13)
}

/// The time of day, so long after it was 1,000 s past 1970.
pub(super) fn time_since(begun: Instant) -> UnixMs {
    UnixMs(1_000_000 + begun.elapsed().as_millis() as u64)
}

pub(super) struct Server {
    pub(super) model: Arc<Mutex<Model>>,
    random: u64,
    begun: Instant,
}

impl Server {
    pub(super) fn new(seed: u64) -> Self {
        Self { model: Arc::default(), random: seed | 1, begun: Instant::now() }
    }

    /// What its clock shows, and every device's that is right.
    fn now(&self) -> UnixMs {
        time_since(self.begun)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < percent
    }

    /// Serves one connection until it breaks or the client goes.
    pub(super) async fn serve(&mut self, mut peer: Peer, chaos: &Chaos) {
        let Some(request) = peer.any_request().await else {
            return;
        };
        let Command::Authenticate(greeting) = &request.command else {
            panic!("{request:?} before the greeting");
        };
        let data = Authenticated { time: self.now(), ..authenticated() };
        peer.answer_with(name::AUTHENTICATED, &request, &data).await;
        let mut sent = self.resume(&mut peer, greeting).await;
        let end = Instant::now() + chaos.lives.unwrap_or(Duration::from_hours(24));
        let mut acknowledge = interval(Duration::from_secs(2));
        acknowledge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = LocationStored::default();
        let mut held = VecDeque::new();
        loop {
            // Live: what is new in the log.
            sent = self.publish(&mut peer, sent);
            let ends = peer.ends();
            tokio::select! {
                text = ends.ordered.recv() => {
                    let Some(text) = text else { return };
                    let request = Request::parse(text.as_bytes()).expect("valid");
                    // The end may come between the deed and the answer.
                    let silent = end.saturating_duration_since(Instant::now()) < Duration::from_millis(300);
                    self.request(&mut peer, &request, silent).await;
                }
                packet = ends.packets.recv() => {
                    let Some(packet) = packet else { return };
                    if self.chance(chaos.loss) {
                        continue;
                    }
                    held.push_front(packet);
                    if self.chance(chaos.reorder) {
                        continue;
                    }
                    for packet in held.drain(..) {
                        let fixes = tick::unpack_fixes(&packet).expect("valid");
                        let fixes: Vec<Fix> = fixes.into_iter().map(|fix| fix.expect("possible")).collect();
                        self.keep(&fixes, &mut told);
                    }
                }
                _ = acknowledge.tick() => {
                    if told != LocationStored::default() {
                        let told = std::mem::take(&mut told);
                        peer.say(name::LOCATION_STORED, &told).await;
                    }
                    peer.say(name::SERVER_PING, &serde_json::json!({ "time": self.now().0 })).await;
                }
                () = sleep_until(end) => return peer.end(None).await,
            }
        }
    }

    async fn request(&mut self, peer: &mut Peer, request: &Request, silent: bool) {
        match &request.command {
            Command::LocationUpdate(update) => {
                let fixes: Vec<Fix> = update.fixes.iter().map(|f| Fix::try_from(*f).unwrap()).collect();
                let mut told = LocationStored::default();
                self.keep(&fixes, &mut told);
                if !silent {
                    peer.answer(request, &told).await;
                }
            }
            Command::MessageSend(send) => {
                let stored = self.append(send);
                if !silent {
                    peer.answer(request, &stored).await;
                }
            }
            Command::Ping(_) => peer.pong(request).await,
            Command::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn keep(&mut self, fixes: &[Fix], told: &mut LocationStored) {
        let mut model = self.model.lock().unwrap();
        for fix in fixes {
            if impossible(fix) {
                model.repeats += u64::from(!model.rejected.insert(fix.counter));
                told.rejected.push(RejectedFix {
                    counter: fix.counter,
                    reason: BadFix::OutOfRange,
                    index: None,
                });
                continue;
            }
            if let Some(before) = model.stored.insert(fix.counter, *fix) {
                assert_eq!(before, *fix, "a counter names one fix");
                model.repeats += 1;
            }
            told.stored.push((fix.counter, fix.counter));
        }
    }

    fn append(&mut self, send: &MessageSend) -> Stored {
        let mut model = self.model.lock().unwrap();
        let at = model.messages.iter().position(|m| m.client_id == send.client_id);
        let duplicate = at.is_some();
        let at = at.unwrap_or_else(|| {
            model.messages.push(send.clone());
            model.messages.len() - 1
        });
        Stored {
            topic: topic(),
            epoch: Epoch(1),
            seq: Seq(at as u64 + 1),
            at: UnixMs(1),
            duplicate,
            conversation_id: None,
        }
    }

    async fn resume(&mut self, peer: &mut Peer, greeting: &Authenticate) -> usize {
        let cursor: Option<&Cursor> = greeting.cursors.first();
        let seq = cursor.map_or(Seq::ZERO, |cursor| cursor.seq);
        let head = self.model.lock().unwrap().messages.len();
        let state = TopicState {
            topic: topic(),
            epoch: Epoch(1),
            seq,
            head: Seq(head as u64),
            unread: 0,
            recovered: cursor.map(|_| true),
        };
        let topics = Topics { topics: vec![state], more: false };
        peer.say(name::TOPICS, &topics).await;
        seq.0 as usize
    }

    fn publish(&mut self, peer: &mut Peer, sent: usize) -> usize {
        let new: Vec<MessageSend> = self.model.lock().unwrap().messages[sent..].to_vec();
        for (n, message) in new.iter().enumerate() {
            let entry = LogEntry {
                topic: topic(),
                epoch: Epoch(1),
                seq: Seq((sent + n) as u64 + 1),
                at: UnixMs(1),
                by: "u".parse().unwrap(),
                client_id: message.client_id.clone(),
            };
            let data =
                MessageNew { conversation_id: message.conversation_id.clone(), text: message.text.clone() };
            let data = serde_json::to_string(&data).unwrap();
            let text = event::write_log(name::MESSAGE_NEW, &entry, &data);
            // The client may have gone; the next connection brings it.
            let _ = peer.ends().incoming.try_send(crate::link::Incoming::Event(text.into()));
        }
        sent + new.len()
    }
}

fn topic() -> TopicName {
    "conversation:c".parse().unwrap()
}
