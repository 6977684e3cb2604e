//! How often one connection may do something.

use crate::time::Elapsed;

/// A token bucket: `burst` at once, `rate` a second in the long run.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    left: f64,
    at: Elapsed,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: f64, burst: f64, now: Elapsed) -> Self {
        Self { rate, burst, left: burst, at: now }
    }

    /// Takes `amount`, or tells in how many milliseconds it will be there. A refusal costs nothing.
    pub fn take(&mut self, amount: f64, now: Elapsed) -> Result<(), u64> {
        // A clock that steps back earns nothing and loses nothing.
        self.left = (self.left + now.since(self.at) as f64 / 1000.0 * self.rate).min(self.burst);
        self.at = self.at.max(now);
        // A thousandth of a millisecond is rounding, not waiting.
        let wait = (amount - self.left) / self.rate * 1000.0 - 1e-3;
        if wait <= 0.0 {
            self.left = (self.left - amount).max(0.0);
            return Ok(());
        }
        Err(wait.ceil() as u64)
    }

    /// Gives back what was taken for something that was not done after all.
    pub fn give_back(&mut self, amount: f64) {
        self.left = (self.left + amount).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(10.0, 3.0, Elapsed(0));
        for _ in 0..3 {
            assert_eq!(bucket.take(1.0, Elapsed(0)), Ok(()));
        }
        assert_eq!(bucket.take(1.0, Elapsed(0)), Err(100));
        assert_eq!(bucket.take(1.0, Elapsed(100)), Ok(()));
        assert_eq!(bucket.take(1.0, Elapsed(150)), Err(50));
    }

    #[test]
    fn nobody_is_told_to_wait_for_nothing() {
        let mut bucket = Bucket::new(5.0, 10.0, Elapsed(0));
        for now in 1..20_000 {
            if let Err(wait) = bucket.take(1.0, Elapsed(now)) {
                assert!(wait > 0, "at {now}");
                assert_eq!(bucket.clone().take(1.0, Elapsed(now + wait)), Ok(()), "at {now}");
            }
        }
    }

    #[test]
    fn a_clock_that_steps_back_earns_nothing() {
        let mut bucket = Bucket::new(1.0, 1.0, Elapsed(10_000));
        assert_eq!(bucket.take(1.0, Elapsed(10_000)), Ok(()));
        assert_eq!(bucket.take(1.0, Elapsed(0)), Err(1000));
        assert_eq!(bucket.take(1.0, Elapsed(10_999)), Err(1));
        assert_eq!(bucket.take(1.0, Elapsed(11_000)), Ok(()));
    }
}
