//! Clients in groups that talk, and what each of them is given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fanfare_client::{
    Client, Config, Event, Events, Preference, Transport,
    proto::{ConversationId, DeviceId, Seq, command::ConversationKind},
};
use tokio::{sync::watch, task::JoinSet};

use crate::support::{
    harness::token,
    until::{pace, until},
};

/// Between two messages of one talker.
const PACE: Duration = Duration::from_millis(50);

/// What each client has been given: texts by conversation, in the order of their coming.
type Heard = Arc<Mutex<BTreeMap<(usize, String), Vec<String>>>>;

/// What one talker was answered: the group, and each text with its position.
pub type Said = (usize, Vec<(Seq, String)>);

/// Clients `u0`, `u1` … of either transport by turns, each group of them in a conversation.
pub struct Party {
    pub clients: Vec<Client>,
    /// Tasks that end with their clients.
    pub listeners: JoinSet<()>,
    group: usize,
    rooms: Vec<ConversationId>,
    heard: Heard,
    absences: JoinSet<Duration>,
}

impl Party {
    pub async fn gather(base: &str, count: usize, group: usize, role: fn(usize) -> &'static str) -> Self {
        let heard = Heard::default();
        let (mut clients, mut listeners, mut absences) = (Vec::new(), JoinSet::new(), JoinSet::new());
        for n in 0..count {
            let (client, events) = connect(base, n, role(n));
            listeners.spawn(listen(n, events, heard.clone()));
            client.opened().await.unwrap();
            absences.spawn(longest_absence(client.clone()));
            clients.push(client);
        }
        let mut rooms = Vec::new();
        for (number, first) in (0..count).step_by(group).enumerate() {
            let members = (first + 1..first + group).map(|n| format!("u{n}").parse().unwrap()).collect();
            let creator = &clients[first];
            let made = creator.create_conversation(ConversationKind::Group, None, members).await.unwrap();
            rooms.push(made.conversation_id.unwrap_or_else(|| panic!("group {number}")));
        }
        Self { clients, listeners, group, rooms, heard, absences }
    }

    /// One of them talks to their group until told to stop.
    pub fn talk(&self, n: usize, stopped: watch::Receiver<bool>) -> impl Future<Output = Said> + use<> {
        let group = n / self.group;
        let (talker, room) = (self.clients[n].clone(), self.rooms[group].clone());
        async move {
            let (mut said, mut pace) = (Vec::new(), pace(PACE));
            while !*stopped.borrow() {
                pace.tick().await;
                let text = format!("{n}-{}", said.len());
                // It is answered, however long that takes: what is not is sent again, with the same client id.
                let stored = talker.send_message(room.clone(), text.clone()).await.unwrap();
                said.push((stored.seq, text));
            }
            (group, said)
        }
    }

    /// How much of its group's talk a client was given so far.
    pub fn has_heard(&self, n: usize) -> usize {
        self.given(n).len()
    }

    /// Waits until everyone was given all that was said in their group: once, in order. Answers how much that was.
    pub async fn all_heard(&self, said: Vec<Said>) -> usize {
        let mut logs: BTreeMap<usize, BTreeMap<Seq, String>> = BTreeMap::new();
        for (group, said) in said {
            for (seq, text) in said {
                let before = logs.entry(group).or_default().insert(seq, text);
                assert_eq!(before, None, "of group {group}, at {seq:?} there was something");
            }
        }
        for (group, log) in &logs {
            let expected: Vec<_> = log.values().cloned().collect();
            for n in group * self.group..(group + 1) * self.group {
                until("all is heard", async || self.given(n).len() >= expected.len()).await;
                assert_eq!(self.given(n), expected, "client {n}: all that was answered, once, in order");
            }
        }
        logs.values().map(BTreeMap::len).sum()
    }

    fn given(&self, n: usize) -> Vec<String> {
        let key = (n, format!("conversation:{}", self.rooms[n / self.group]));
        self.heard.lock().unwrap().get(&key).cloned().unwrap_or_default()
    }

    /// Everyone goes. Answers for how long each was without a connection at most.
    pub async fn leave(self) -> Vec<Duration> {
        for client in &self.clients {
            client.close().await;
        }
        // They pass on what they did not like.
        self.listeners.join_all().await;
        self.absences.join_all().await
    }
}

fn connect(base: &str, n: usize, role: &str) -> (Client, Events) {
    let user = format!("u{n}");
    let transport = if n.is_multiple_of(2) { Transport::WebTransport } else { Transport::WebSocket };
    let device = DeviceId::new(&format!("d{n}")).unwrap();
    let config =
        Config::new(base, token(&user, "acme", role, &[]), device).transport(Preference::Only(transport));
    Client::connect(config).unwrap()
}

async fn listen(n: usize, mut events: Events, heard: Heard) {
    while let Some(event) = events.next().await {
        match event {
            Event::Message { entry, message } => {
                let key = (n, entry.topic.to_string());
                heard.lock().unwrap().entry(key).or_default().push(message.text);
            }
            Event::Gap(gap) => panic!("client {n} has a gap: {gap:?}"),
            _ => {}
        }
    }
}

/// Watches a client's states; answers the longest time that it was not open.
async fn longest_absence(client: Client) -> Duration {
    let mut state = client.state();
    let (mut gone, mut longest) = (None, Duration::ZERO);
    loop {
        let (open, closed) = {
            let state = state.borrow_and_update();
            (state.is_open(), state.is_closed())
        };
        match (open, gone) {
            (true, Some(since)) => {
                longest = longest.max(Instant::duration_since(&Instant::now(), since));
                gone = None;
            }
            (false, None) if !closed => gone = Some(Instant::now()),
            _ => {}
        }
        if closed || state.changed().await.is_err() {
            return longest;
        }
    }
}
