//! What is refused at the edge, in the log: each kind once a minute for each sender, and how many were left out.

use std::{
    collections::HashMap,
    fmt::Display,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines about the same.
const PAUSE: Duration = Duration::from_mins(1);

/// Senders and kinds that are told apart. Whatever comes beyond them counts as of one sender.
const MOST: usize = 256;

/// Longest part of a sender's name that counts.
const NAME: usize = 128;

/// When each kind was last told of each sender.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    told: HashMap<(&'static str, String), Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    left_out: u64,
}

impl Refusals {
    /// Something of a kind was refused. `Some` where that is to be told now: how often it was not told before.
    pub fn due(&self, kind: &'static str, whose: &str, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, whose[..whose.floor_char_boundary(NAME)].to_owned());
        let key =
            if last.told.contains_key(&key) || last.has_room(now) { key } else { (kind, String::new()) };
        match last.told.get_mut(&key) {
            Some(told) if now.saturating_duration_since(told.at) < PAUSE => {
                told.left_out += 1;
                None
            }
            Some(told) => {
                told.at = now;
                Some(std::mem::take(&mut told.left_out))
            }
            None => {
                last.told.insert(key, Told { at: now, left_out: 0 });
                Some(0)
            }
        }
    }

    /// A line about a sender at an address, where one is due.
    pub fn note(&self, kind: &'static str, address: IpAddr, reason: impl Display) {
        if let Some(left_out) = self.due(kind, &address.to_string(), Instant::now()) {
            tracing::info!(%address, kind, %reason, left_out, "refused");
        }
    }

    /// A line about a page that may not connect, where one is due.
    pub fn note_origin(&self, origin: &http::HeaderValue, address: IpAddr) {
        let origin = origin.as_bytes().escape_ascii().to_string();
        let origin = &origin[..origin.len().min(NAME)];
        if let Some(left_out) = self.due("origin", origin, Instant::now()) {
            tracing::warn!(
                origin,
                %address,
                left_out,
                "a page of this origin may not connect: it is not in the setting `origins`"
            );
        }
    }
}

impl Last {
    /// Whether another sender can be told apart.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.told.len() >= MOST {
            self.told.retain(|_, told| now.saturating_duration_since(told.at) < PAUSE);
        }
        self.told.len() < MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_a_minute_for_each_sender() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(refusals.due("tls", "a", after(0)), Some(0));
        assert_eq!(refusals.due("tls", "a", after(1)), None);
        assert_eq!(refusals.due("tls", "a", after(59)), None);
        assert_eq!(refusals.due("tls", "b", after(59)), Some(0));
        assert_eq!(refusals.due("quic", "a", after(59)), Some(0));
        assert_eq!(refusals.due("tls", "a", after(60)), Some(2));
        assert_eq!(refusals.due("tls", "a", after(120)), Some(0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let told = |from, now| {
            let due = |n: usize| refusals.due("tls", &format!("{n}"), now).is_some();
            (from..from + 10_000).filter(|n| due(*n)).count()
        };
        assert_eq!(told(0, start), MOST + 1, "all others share one line");
        let later = start + PAUSE;
        assert!(told(10_000, later) <= MOST + 1, "who comes later is told apart again");
        let kept = refusals.0.lock().unwrap().told.len();
        assert!(kept <= MOST + 1, "{kept}");
    }
}
