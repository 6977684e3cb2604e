//! Tries things one after the other, each with a head start on the next; the first that succeeds wins.

use std::{collections::VecDeque, time::Duration};

use futures::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::sleep;

/// Runs `legs`. The next starts when the head start has passed or one before it has failed. The first success drops
/// the others; so does a failure that `decides` for all. `None` where there are no legs.
pub(crate) async fn race<T, E>(
    legs: Vec<BoxFuture<'_, Result<T, E>>>,
    head_start: Duration,
    decides: impl Fn(&E) -> bool,
) -> Option<Result<T, E>> {
    let mut waiting: VecDeque<_> = legs.into();
    let mut running = FuturesUnordered::new();
    running.push(waiting.pop_front()?);
    loop {
        tokio::select! {
            biased;
            Some(result) = running.next() => match result {
                Ok(winner) => return Some(Ok(winner)),
                Err(error) if decides(&error) => return Some(Err(error)),
                Err(error) => match waiting.pop_front() {
                    Some(leg) => running.push(leg),
                    None if running.is_empty() => return Some(Err(error)),
                    None => {}
                },
            },
            () = sleep(head_start), if !waiting.is_empty() => running.extend(waiting.pop_front()),
        }
    }
}
