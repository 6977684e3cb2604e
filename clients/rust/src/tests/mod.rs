//! Tests of the client against transports that are queues in this process. Time is paused: it passes only where
//! everybody waits.

mod clocks;
mod discards;
mod fake;
mod life;
mod loss;
mod moving;
mod people;
mod places;
mod renewal;
mod requests;
mod resume;
mod server;

use std::time::Duration;

/// Lets everybody do what there is to do now: paused time passes only where nobody has anything left.
async fn idle() {
    pass(Duration::from_millis(1)).await;
}

/// Lets so much of the paused time pass. What falls due meanwhile happens, in its order.
async fn pass(time: Duration) {
    // Panics where time is not paused: there this would wait for real.
    tokio::time::advance(Duration::ZERO).await;
    tokio::time::sleep(time).await;
}
