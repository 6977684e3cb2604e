//! Handshakes where packets get lost.

use std::time::{Duration, Instant};

use fanfare_client::{State, Transport};
use futures::{StreamExt, stream};

use crate::{
    wire::Wire,
    world::{World, spread},
};

const ATTEMPTS: usize = 100;
/// The server's own deadline.
const DEADLINE: Duration = Duration::from_secs(10);

/// From nothing to `authenticated`: QUIC, HTTP/3, WebTransport, the first request and its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs namespaces: tests/network/run.sh"]
async fn a_hundred_of_a_hundred_succeed_where_5_percent_is_lost() {
    let world = World::start(&[]).await;
    // How to connect is asked by TCP. That is not what is measured.
    Wire::LosesUdp(5).set();
    let attempts = stream::iter(0..ATTEMPTS).map(|i| attempt(&world, i));
    let outcomes: Vec<_> = attempts.buffer_unordered(4).collect().await;
    let (times, failures): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let times: Vec<Duration> = times.into_iter().flatten().collect();
    let dropped = Wire::dropped();
    println!(
        "{} of {ATTEMPTS} handshakes at 5 % loss each way ({dropped} packets lost): {}",
        times.len(),
        spread(times)
    );
    assert!(failures.is_empty(), "{failures:?}");
    assert!(dropped > 0, "nothing was lost");
}

/// One attempt of a client of its own: nothing is resumed, nothing is tried again.
async fn attempt(world: &World, i: usize) -> Result<Duration, String> {
    let start = Instant::now();
    let (client, _events) = world.client(&format!("user-{i}"), "member", Transport::WebTransport);
    let mut state = client.state();
    let decided = state.wait_for(|state| !matches!(state, State::Connecting | State::Authenticating));
    let outcome = tokio::time::timeout(DEADLINE, decided).await.map(|state| state.unwrap().clone());
    let took = start.elapsed();
    let outcome = match outcome {
        Ok(State::Open(_)) => Ok(took),
        Ok(state) => Err(format!("{state:?} after {took:?}")),
        Err(_) => Err(format!("nothing after {took:?}")),
    };
    client.close().await;
    outcome
}
