//! Compressed requests: never more of one than a request may have, and of all of them no more than a connection could
//! as well have sent in full.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare_proto::deflate::{self, InflateError};
use tokio::time::{Instant, sleep_until};

use crate::metrics::{Label, Metrics};

/// Each second as much may come out as one request may have, at most this much ahead of time. A small frame costs its
/// sender nothing, and this thread as much as a large one; who has used that up is not read for a moment.
const AHEAD: Duration = Duration::from_secs(1);

/// What a connection may inflate.
#[derive(Debug)]
pub(super) struct Inflater {
    limit: usize,
    /// Up to when all that has come out is paid for.
    paid: Instant,
}

impl Inflater {
    /// Requests have at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, paid: Instant::now() }
    }

    /// The request that was compressed.
    pub(super) fn inflate(&mut self, bytes: &[u8], metrics: &Arc<Metrics>) -> Result<Bytes, InflateError> {
        let inflated = deflate::inflate(bytes, self.limit);
        // What failed may have cost as much as is allowed.
        let size = inflated.as_ref().map_or(self.limit, Vec::len);
        let outcome = match &inflated {
            Ok(_) => "ok",
            Err(InflateError::TooLarge { .. }) => "too_large",
            Err(InflateError::Corrupt) => "corrupt",
        };
        metrics.inflated.get_or_create(&Label::of(outcome)).inc();
        metrics.inflated_bytes.inc_by(size as u64);
        let cost = AHEAD.mul_f64(size as f64 / self.limit as f64);
        self.paid = self.paid.max(Instant::now()) + cost;
        inflated.map(Bytes::from)
    }

    /// Whether another one may be read.
    pub(super) fn ready(&self) -> bool {
        self.paid <= Instant::now() + AHEAD
    }

    /// Waits until it may.
    pub(super) async fn wait(&self) {
        // In a box: hardly any connection ever waits here.
        Box::pin(sleep_until(self.paid - AHEAD)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn small_frames_inflate_no_more_in_a_second_than_large_ones_hold() {
        let metrics = Arc::<Metrics>::default();
        let text = " ".repeat(1 << 20);
        let small = deflate::deflate(text.as_bytes(), &[]).unwrap();
        assert!(small.len() < 8 << 10);
        let mut inflater = Inflater::new(1 << 20);
        let began = Instant::now();
        for _ in 0..20 {
            inflater.wait().await;
            assert!(inflater.ready());
            assert_eq!(inflater.inflate(&small, &metrics).unwrap().len(), text.len());
        }
        let seconds = began.elapsed().as_secs();
        assert!((17..=19).contains(&seconds), "{seconds} s");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_inflated_is_not_for_nothing() {
        let metrics = Arc::<Metrics>::default();
        let mut inflater = Inflater::new(1 << 20);
        assert_eq!(inflater.inflate(b"\xff\xff", &metrics), Err(InflateError::Corrupt));
        assert!(inflater.ready());
        let bomb = deflate::deflate(&vec![0; 8 << 20], &[]).unwrap();
        assert_eq!(inflater.inflate(&bomb, &metrics), Err(InflateError::TooLarge { limit: 1 << 20 }));
        assert!(!inflater.ready());
    }
}
