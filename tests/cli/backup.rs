//! A copy is taken while the server works, and put back; clients notice that they know more than the server.

use std::fs;

use fanfare_client::{
    Client, Config, Event, Events, Preference, Token,
    proto::{
        ConversationId, DeviceId, Epoch, UserId,
        command::{ConversationKind, MessageHistory},
    },
};

use crate::harness::{Server, TRANSPORTS, done, refused, run};

async fn client(server: &Server, user: &str, transport: &str) -> (Client, Events) {
    let token = done(run(server.dir.path(), &["token", user])).await;
    let preference = match transport {
        "websocket" => Preference::Only(fanfare_client::Transport::WebSocket),
        _ => Preference::Only(fanfare_client::Transport::WebTransport),
    };
    let config = Config::new(&server.url, Token::from(token.trim()), DeviceId::new(user).unwrap());
    Client::connect(config.transport(preference)).unwrap()
}

async fn say(client: &Client, room: &ConversationId, texts: std::ops::Range<usize>) {
    for n in texts {
        client.send_message(room.clone(), n.to_string()).await.unwrap();
    }
}

/// The next event for which `wanted` gives something.
async fn until<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = events.next().await.expect("the client goes on");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), found).await.expect("it never came")
}

fn message(event: Event) -> Option<(Epoch, String)> {
    match event {
        Event::Message { entry, message } => Some((entry.epoch, message.text)),
        _ => None,
    }
}

#[tokio::test]
async fn clients_notice_that_the_server_forgot() {
    for (transport, _) in TRANSPORTS {
        let mut server = Server::start().await;
        let dir = server.dir.path().to_owned();
        let (ann, _to_ann) = client(&server, "ann", transport).await;
        let (bob, mut to_bob) = client(&server, "bob", transport).await;
        let members = vec![UserId::new("bob").unwrap()];
        let created = ann.create_conversation(ConversationKind::Private, None, members).await.unwrap();
        let room = created.conversation_id.unwrap();
        say(&ann, &room, 0..10).await;

        let (said, ()) = tokio::join!(done(run(&dir, &["backup", "copy"])), say(&ann, &room, 10..30));
        assert!(said.ends_with("hold a copy in copy\n"), "{said}");
        say(&ann, &room, 30..40).await;
        let (before, _) = until(&mut to_bob, |event| message(event).filter(|(_, text)| text == "39")).await;

        assert!(refused(run(&dir, &["backup", "copy"])).await.contains("copy exists already"));
        assert!(refused(run(&dir, &["restore", "copy", "--replace"])).await.contains("is in use"));
        server.kill().await;
        let occupied = refused(run(&dir, &["restore", "copy"])).await;
        assert!(occupied.contains("data holds a database already: with --replace"), "{occupied}");
        let said = done(run(&dir, &["restore", "copy", "--replace"])).await;
        assert!(said.starts_with("what was there is in data/replaced-1\n"), "{said}");
        assert!(dir.join("data/replaced-1/core.db").is_file());
        server.again().await;

        // The same clients come back, and are told that their positions are of another life.
        let gap = until(&mut to_bob, |event| match event {
            Event::Gap(gap) if gap.had.is_some_and(|(epoch, _)| epoch == before) => Some(gap),
            _ => None,
        })
        .await;
        assert_ne!(gap.epoch, before);
        let page = MessageHistory {
            conversation_id: room.clone(),
            before: None,
            after: Some(fanfare_client::proto::Seq::ZERO),
            limit: Some(100),
        };
        let history = bob.history(page).await.unwrap();
        let kept: Vec<_> = history
            .events
            .iter()
            .filter_map(|event| event.data["text"].as_str())
            .map(str::to_owned)
            .collect();
        assert!((10..=30).contains(&kept.len()), "{} messages", kept.len());
        assert_eq!(kept, (0..kept.len()).map(|n| n.to_string()).collect::<Vec<_>>());
        ann.send_message(room.clone(), "after").await.unwrap();
        let mut again = Vec::new();
        let now = until(&mut to_bob, |event| {
            let (epoch, text) = message(event)?;
            again.push(text.clone());
            (text == "after").then_some(epoch)
        })
        .await;
        assert_eq!(now, gap.epoch);
        again.pop();
        assert!(kept.ends_with(&again), "once and in order: {again:?}");
        // The copy can be put back once more.
        server.kill().await;
        done(run(&dir, &["restore", "copy", "--replace"])).await;
        assert!(dir.join("data/replaced-2/core.db").is_file());
    }
}

#[tokio::test]
async fn only_whole_copies_of_ours_are_put_back() {
    let server = Server::start().await;
    let dir = server.dir.path();
    fs::create_dir(dir.join("empty")).unwrap();
    let missing = refused(run(dir, &["--data-dir", "new", "restore", "empty"])).await;
    assert!(missing.contains("empty holds no database of Fanfare"), "{missing}");
    assert!(refused(run(dir, &["--data-dir", "empty", "backup", "x"])).await.contains("holds no database"));

    done(run(dir, &["backup", "copy"])).await;
    let good = fs::read(dir.join("copy/core.db")).unwrap();
    let mut bad = good.clone();
    let half = bad.len() / 2;
    bad[half..].fill(0xa5);
    for (bytes, problem) in [(bad, ""), (b"something else".to_vec(), ""), (Vec::new(), "not one of Fanfare")]
    {
        fs::write(dir.join("copy/core.db"), bytes).unwrap();
        let said = refused(run(dir, &["--data-dir", "new", "restore", "copy"])).await;
        assert!(said.contains("copy/core.db") && said.contains(problem), "{said}");
        assert!(!dir.join("new/core.db").exists());
    }
    fs::write(dir.join("copy/core.db"), good).unwrap();
    done(run(dir, &["--data-dir", "new", "restore", "copy"])).await;
    let mut other = run(dir, &["backup", "y"]);
    other.env("FANFARE_STORE__KIND", "scylla");
    assert!(refused(other).await.contains("fanfare export"));
}
