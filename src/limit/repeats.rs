//! Something that may happen very often, and is worth a line in the log only now and then.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_mins(1);

/// Lets one of many repeats through each minute, and counts the others.
#[derive(Debug)]
pub struct Repeats(Mutex<State>);

#[derive(Debug)]
struct State {
    next: Option<Instant>,
    left_out: u64,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::new()
    }
}

impl Repeats {
    /// Nothing has happened yet.
    pub const fn new() -> Self {
        Self(Mutex::new(State { next: None, left_out: 0 }))
    }

    /// It happens. Answers whether it is to be logged: then how often it has happened since the last line, without one.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.next.is_some_and(|next| now < next) {
            state.left_out += 1;
            return None;
        }
        state.next = Some(now + EVERY);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_with_the_number_of_the_others() {
        let (repeats, start) = (Repeats::new(), Instant::now());
        let at = |seconds| repeats.due(start + Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(1), at(59), at(60), at(61), at(119), at(600)],
            [Some(0), None, None, Some(2), None, None, Some(2)]
        );
    }
}
