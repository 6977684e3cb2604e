//! The server is replaced under load: 500 clients of both transports, who talk all the while.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fanfare_client::{
    Client, Config, Event, Events, Preference, State, Transport,
    proto::{ConversationId, DeviceId, command::ConversationKind},
};
use tokio::task::JoinSet;

use crate::harness::{Process, token};

const CLIENTS: usize = 500;
/// People of one conversation, of whom one talks.
const GROUP: usize = 20;
/// Each is back by then.
const BACK: Duration = Duration::from_secs(10);

fn client(base: &str, n: usize) -> (Client, Events) {
    let user = format!("u{n}");
    let transport = if n.is_multiple_of(2) { Transport::WebTransport } else { Transport::WebSocket };
    let device = DeviceId::new(&format!("d{n}")).unwrap();
    let config =
        Config::new(base, token(&user, "acme", "member", &[]), device).transport(Preference::Only(transport));
    Client::connect(config).unwrap()
}

/// What each client has been given: texts by conversation, in the order of their coming.
type Heard = Arc<Mutex<BTreeMap<(usize, String), Vec<String>>>>;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the machine for itself: scripts/unit.sh runs it"]
async fn a_server_is_replaced_under_load_and_nothing_is_lost_or_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("FANFARE_DRAIN__SPREAD_MS", "1000"),
        ("FANFARE_DRAIN__NOTICE_MS", "500"),
        ("FANFARE_LIMITS__CONVERSATIONS_PER_MINUTE_PER_USER", "1000"),
    ];
    let mut server = Process::start_with(dir.path(), &settings).await;
    let heard = Heard::default();
    let (mut clients, mut listeners, mut absences) = (Vec::new(), JoinSet::new(), JoinSet::new());
    for n in 0..CLIENTS {
        let (client, events) = client(&server.base, n);
        listeners.spawn(listen(n, events, heard.clone()));
        client.opened().await.unwrap();
        absences.spawn(longest_absence(client.clone()));
        clients.push(client);
    }
    let mut rooms: Vec<ConversationId> = Vec::new();
    for group in clients.chunks(GROUP) {
        let first = rooms.len() * GROUP;
        let members = (first + 1..first + GROUP).map(|n| format!("u{n}").parse().unwrap()).collect();
        let made = group[0].create_conversation(ConversationKind::Group, None, members).await.unwrap();
        rooms.push(made.conversation_id.unwrap());
    }

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut talkers = JoinSet::new();
    for (group, room) in rooms.iter().cloned().enumerate() {
        // One of either transport.
        let (talker, stopped) = (clients[group * GROUP + group % 2].clone(), stopped.clone());
        talkers.spawn(async move {
            let mut said = Vec::new();
            while !*stopped.borrow() {
                let text = format!("{group}-{}", said.len());
                // It is answered, however long that takes: what is not is sent again, with the same client id.
                let stored = talker.send_message(room.clone(), text.clone()).await.unwrap();
                said.push((stored.seq, text));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (room, said)
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut down = Vec::new();
    for _ in 0..2 {
        let start = Instant::now();
        server = server.replace_here().await;
        down.push(start.elapsed());
        for client in &clients {
            client.state().wait_for(State::is_open).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stop.send_replace(true);
    let said = talkers.join_all().await;
    let total: usize = said.iter().map(|(_, said)| said.len()).sum();
    for (room, said) in &said {
        let group = rooms.iter().position(|known| known == room).unwrap();
        assert_eq!(said.iter().map(|(seq, _)| seq).collect::<HashSet<_>>().len(), said.len());
        let expected: Vec<_> = said.iter().map(|(_, text)| text.clone()).collect();
        for n in group * GROUP..(group + 1) * GROUP {
            let key = (n, format!("conversation:{room}"));
            let has = || heard.lock().unwrap().get(&key).cloned().unwrap_or_default();
            let start = Instant::now();
            while has().len() < expected.len() && start.elapsed() < BACK {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(has(), expected, "client {n}: every message that was answered, once, in order");
        }
    }
    for client in &clients {
        client.close().await;
    }
    let mut absences = absences.join_all().await;
    absences.sort_unstable();
    let (half, longest) = (absences[CLIENTS / 2], absences[CLIENTS - 1]);
    println!(
        "replaced twice, which took {down:?}: {total} messages, each heard by {GROUP}, none lost, none doubled; of \
         {CLIENTS} clients half were away for {half:?} at most, and all for {longest:?}"
    );
    assert!(longest <= BACK, "{longest:?}");
    listeners.abort_all();
}
