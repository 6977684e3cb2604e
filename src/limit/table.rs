//! What is remembered of many parties: bounded, and forgotten where forgetting changes nothing.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use crate::time::Elapsed;

/// Parts with a lock of their own, so that threads seldom meet.
const PARTS: usize = 16;

/// Says whether it may be forgotten.
pub trait Rests {
    /// Whether one made anew would be no different.
    fn is_at_rest(&self, now: Elapsed) -> bool;
}

/// Values by key, made when first asked for.
///
/// Holds about `bound` of them. When there are more, those at rest are forgotten; if that is not enough, all that nobody
/// holds: whoever floods it with names makes it forget what these have done, and turns nobody away. What is held stays,
/// and those are bounded by the connections that hold them.
#[derive(Debug)]
pub struct Table<K, V> {
    hasher: RandomState,
    parts: [Mutex<Part<K, V>>; PARTS],
    bound: usize,
}

#[derive(Debug)]
struct Part<K, V> {
    values: HashMap<K, Arc<V>>,
    /// So many are too many.
    full: usize,
}

impl<K: Hash + Eq + Clone, V: Rests> Table<K, V> {
    /// A table of about `bound` values.
    pub fn new(bound: usize) -> Self {
        let bound = bound.div_ceil(PARTS).max(1);
        let part = || Mutex::new(Part { values: HashMap::new(), full: bound });
        Self { hasher: RandomState::new(), parts: std::array::from_fn(|_| part()), bound }
    }

    /// The value of `key`, made if there is none. Held as long as the answer is.
    pub fn get(&self, key: &K, now: Elapsed, make: impl FnOnce() -> V) -> Arc<V> {
        let mut part = self.part(key);
        if let Some(value) = part.values.get(key) {
            return value.clone();
        }
        if part.values.len() >= part.full {
            part.forget(self.bound, now);
        }
        part.values.entry(key.clone()).or_insert_with(|| Arc::new(make())).clone()
    }

    /// The value of `key`, if it is remembered.
    pub fn find(&self, key: &K) -> Option<Arc<V>> {
        self.part(key).values.get(key).cloned()
    }

    /// Forgets what is at rest.
    pub fn tidy(&self, now: Elapsed) {
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.rest(now);
            part.values.shrink_to(self.bound / 4);
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        let parts = self.parts.iter();
        parts.map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).values.len()).sum()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn part(&self, key: &K) -> std::sync::MutexGuard<'_, Part<K, V>> {
        let number = self.hasher.hash_one(key) as usize % PARTS;
        self.parts[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V: Rests> Part<K, V> {
    fn rest(&mut self, now: Elapsed) {
        self.values.retain(|_, value| Arc::strong_count(value) > 1 || !value.is_at_rest(now));
    }

    /// Makes room, so much that it need not be made again soon.
    fn forget(&mut self, bound: usize, now: Elapsed) {
        self.rest(now);
        if self.values.len() > bound / 2 {
            self.values.retain(|_, value| Arc::strong_count(value) > 1);
        }
        self.full = bound.max(self.values.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Meter, Rate};

    impl Rests for Meter {
        fn is_at_rest(&self, now: Elapsed) -> bool {
            self.is_full(now)
        }
    }

    fn meter() -> Meter {
        Meter::new(Rate::new(1, 1, 1))
    }

    #[test]
    fn what_was_taken_is_remembered_until_it_is_back() {
        let table = Table::new(64);
        let now = Elapsed(1_000_000);
        assert_eq!(table.get(&1, now, meter).take(now), Ok(()));
        assert_eq!(table.get(&1, now, meter).take(now), Err(1000));
        table.tidy(now.plus(999));
        assert!(table.find(&1).is_some());
        table.tidy(now.plus(1000));
        assert!(table.is_empty());
    }

    #[test]
    fn a_flood_of_names_grows_it_no_further_and_what_is_held_stays() {
        let table = Table::new(1600);
        let now = Elapsed(1_000_000);
        let held: Vec<_> = (0..100).map(|key| table.get(&key, now, meter)).collect();
        for meter in &held {
            meter.take(now).unwrap();
        }
        let mut most = 0;
        for key in 1000..200_000 {
            table.get(&key, now, meter).take(now).unwrap();
            most = most.max(table.find(&key).map_or(0, |_| if key % 1000 == 0 { table.len() } else { 0 }));
        }
        assert!((800..=1600 + PARTS).contains(&most), "{most}");
        for key in 0..100 {
            assert_eq!(table.get(&key, now, meter).take(now), Err(1000), "{key} is known still");
        }
        drop(held);
        table.tidy(now.plus(1000));
        assert!(table.is_empty());
    }

    #[test]
    fn more_than_the_bound_may_be_held() {
        let table = Table::new(16);
        let now = Elapsed(1_000_000);
        let held: Vec<_> = (0..1000).map(|key| table.get(&key, now, meter)).collect();
        assert_eq!(table.len(), held.len());
    }
}
