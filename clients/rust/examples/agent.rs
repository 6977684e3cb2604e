//! An agent: connects, talks to itself, moves, and sees itself move.
//!
//! `cargo run -p fanfare-client --example agent -- http://127.0.0.1:4433 TOKEN webtransport [seconds] [fixes a second]`

use std::{env, time::Duration};

use fanfare_client::{
    Client, Config, Environment, Event, Preference, Sample, TrackerConfig, Transport,
    proto::{DeviceId, Motion, Position, command::ConversationKind},
};
use tokio::time::{interval, timeout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let base = arguments.next().ok_or("which server?")?;
    let token = arguments.next().ok_or("which token?")?;
    let preference = match arguments.next().as_deref() {
        Some("webtransport") => Preference::Only(Transport::WebTransport),
        Some("websocket") => Preference::Only(Transport::WebSocket),
        _ => Preference::Auto,
    };
    let seconds: u32 = arguments.next().map_or(Ok(10), |n| n.parse())?;
    let rate: u32 = arguments.next().map_or(Ok(1), |n| n.parse())?;

    let device = DeviceId::new(&format!("agent-{}", std::process::id()))?;
    let config = Config::new(base, token, device).transport(preference);
    let (client, mut events) = Client::connect(config)?;
    println!("open by {:?}", client.opened().await?);
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Message { entry, message } => println!("{} {}: {}", entry.seq, entry.by, message.text),
                other => println!("{other:?}"),
            }
        }
    });

    let created =
        client.create_conversation(ConversationKind::Group, Some("a walk".into()), Vec::new()).await?;
    let conversation = created.conversation_id.ok_or("no conversation")?;
    client.send_message(conversation.clone(), "off we go").await?;

    // Not every user may look.
    let positions = client.positions(None).await;
    let tracker = client.tracker(TrackerConfig::default()).await?;
    let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
    for n in 0..seconds * rate {
        ticks.tick().await;
        let position = Position::from_degrees(12.97 + f64::from(n) / 1e5, 77.59)?;
        let time = Environment::default().now();
        let sample = Sample { time, position, motion: Motion::default() };
        tracker.record(sample).await?;
    }
    if timeout(Duration::from_secs(20), tracker.drained()).await.is_err() {
        println!("not everything is stored yet");
    }
    println!("{:?}", tracker.stats());
    match positions {
        Ok(positions) => println!("{:?}", positions.all()),
        Err(error) => println!("no positions: {error}"),
    }
    client.rebind().await?;
    println!("round trip after a change of port: {:?}", client.ping().await?);
    println!("{:?}", client.stats());
    client.close().await;
    Ok(())
}
