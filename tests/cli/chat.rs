//! `fanfare chat`.

use crate::harness::{Process, Server, TRANSPORTS, fanfare, output};

async fn chat(server: &Server, me: &str, with: &str, transport: &str) -> Process {
    let arguments = ["--as", me, "--with", with, "--transport", transport];
    let mut process = server.run("chat", &arguments);
    process.line("-- connected by ").await;
    process
}

#[tokio::test]
async fn two_people_chat_on_either_transport() {
    let server = Server::start().await;
    for (transport, name) in TRANSPORTS {
        let mut ann = server.run("chat", &["--as", "ann", "--with", "bob", "--transport", transport]);
        assert_eq!(ann.line("connected").await, format!("-- connected by {name} as ann, with bob"));
        let mut bob = chat(&server, "bob", "ann", transport).await;

        let hello = format!("hello by {transport}");
        ann.type_in(&hello).await;
        assert!(ann.line(&hello).await.ends_with(&format!(" ann: {hello}")));
        assert!(bob.line(&hello).await.ends_with(&format!(" ann: {hello}")));
        ann.line("✓✓ read by bob").await;

        bob.type_in("hello yourself").await;
        ann.line("bob: hello yourself").await;
        bob.line("✓✓ read by ann").await;
        assert!(ann.end().await && bob.end().await);
    }
}

#[tokio::test]
async fn people_who_begin_at_once_find_each_other() {
    let server = Server::start().await;
    for round in 0..3 {
        let (ann, bob) = (format!("ann-{round}"), format!("bob-{round}"));
        let (mut first, mut second) =
            tokio::join!(chat(&server, &ann, &bob, "auto"), chat(&server, &bob, &ann, "auto"));
        first.type_in("one").await;
        second.line(": one").await;
        second.type_in("two").await;
        first.line(": two").await;
        assert!(first.end().await && second.end().await);
    }
}

#[tokio::test]
async fn a_pipe_is_sent_and_kept() {
    let server = Server::start().await;
    let mut ann = chat(&server, "ann", "bob", "auto").await;
    ann.type_in("one").await;
    ann.type_in("two").await;
    assert!(ann.end().await, "ends once its lines are stored");

    // Who comes later sees it, and so does who wrote it, with what became of it.
    let later = output(server.command("chat", &["--as", "bob", "--with", "ann"])).await;
    let text = String::from_utf8(later.stdout).unwrap();
    assert!(text.contains("ann: one\n") && text.contains("ann: two\n"), "{text}");

    let mut ann = server.run("chat", &["--as", "ann", "--with", "bob"]);
    ann.line("ann: two").await;
    assert!(ann.end().await);
}

#[tokio::test]
async fn a_token_may_be_given_and_must_be_ones_own() {
    let server = Server::start().await;
    let mut command = fanfare(server.dir.path());
    command.args(["token", "ann"]);
    let token = output(command).await.stdout;
    std::fs::write(server.dir.path().join("token"), token).unwrap();
    for (me, good) in [("ann", true), ("bob", false)] {
        let done = output(server.command("chat", &["--as", me, "--with", "eve", "--token", "@token"])).await;
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.success(), good, "{error}");
        assert_eq!(error.contains("the token is of ann, not of bob"), !good, "{error}");
    }
}

#[tokio::test]
async fn a_group_has_a_title_and_any_number_of_people() {
    let server = Server::start().await;
    let mut people = Vec::new();
    for (me, a, b) in [("ann", "bob", "eve"), ("bob", "eve", "ann"), ("eve", "ann", "bob")] {
        let arguments = ["--as", me, "--with", a, "--with", b, "--title", "Night shift"];
        let mut person = server.run("chat", &arguments);
        person.line("-- connected by ").await;
        people.push(person);
    }
    let mut apart = chat(&server, "ann", "bob", "auto").await;
    apart.type_in("between us").await;
    apart.line("between us").await;
    people[2].type_in("good evening").await;
    for person in &mut people {
        let line = person.line(": ").await;
        assert!(line.ends_with("eve: good evening"), "{line}");
    }
}

#[tokio::test]
async fn a_chat_survives_the_server() {
    let mut server = Server::start().await;
    let mut ann = chat(&server, "ann", "bob", "websocket").await;
    let mut bob = chat(&server, "bob", "ann", "websocket").await;
    server.kill().await;
    ann.line("-- no connection: ").await;
    // Said without a connection, it goes out when there is one.
    ann.type_in("are you there?").await;
    server.again().await;
    ann.line("-- connected again by WebSocket").await;
    bob.line("ann: are you there?").await;
    ann.line("✓✓ read by bob").await;
    assert!(ann.end().await && bob.end().await);
}
