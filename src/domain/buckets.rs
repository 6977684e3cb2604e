//! Small values of an organisation's users, stored in buckets: a change of one costs as much as that of many.
//!
//! Several nodes may write a bucket. Each reads it, adds what it knows and writes it if nobody else has meanwhile: where the
//! rule by which values are merged does not depend on their order, all end with the same.

use std::collections::BTreeMap;

use fanfare_proto::{UnixMs, UserId};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    id::Tenant,
    store::{Put, Record, RecordKind, Slot, Store, StoreError, damage},
};

/// Others may write the same bucket. Each attempt that fails is one of theirs that has not.
const ATTEMPTS: usize = 20;

/// What is stored in one, or all that is.
pub(super) type Bucket<V> = BTreeMap<UserId, V>;

/// A bucket: whose it is, and its number.
pub(super) type Place = (Tenant, u8);

/// Where values of one kind are stored. None of it but `page` may ever change: it says where somebody is to be found.
#[derive(Debug)]
pub(super) struct Buckets {
    /// The records' kind, and their partition.
    pub(super) kind: RecordKind,
    pub(super) partition: &'static str,
    /// How many an organisation has, at most 256.
    pub(super) count: u16,
    /// How many are read at once.
    pub(super) page: usize,
}

impl Buckets {
    /// Where a user's value is stored.
    pub(super) fn place(&self, org: &Tenant, user: &UserId) -> Place {
        let first = u16::from(Sha256::digest(user.as_str())[0]);
        (org.clone(), (first % self.count) as u8)
    }

    /// All values of an organisation.
    pub(super) async fn read<V: DeserializeOwned>(
        &self,
        store: &dyn Store,
        org: &Tenant,
        now: UnixMs,
    ) -> Result<Bucket<V>, StoreError> {
        let mut all = Bucket::new();
        let mut after: Option<String> = None;
        loop {
            let found = store.list(org, self.kind, self.partition, after.as_deref(), self.page, now).await?;
            let full = found.len() == self.page;
            for (key, record) in found {
                all.extend(self.decode::<V>(org, &key, &record.value));
                after = Some(key);
            }
            if !full {
                return Ok(all);
            }
        }
    }

    /// Adds to a bucket what `merge` adds to its values, and removes those that `keeps` does not want kept. One that cannot
    /// be read may be of a newer version of this program: it is left as it is.
    pub(super) async fn write<V>(
        &self,
        store: &dyn Store,
        (org, number): &Place,
        now: UnixMs,
        merge: impl Fn(&mut Bucket<V>),
        keeps: impl Fn(&V) -> bool,
    ) -> Result<(), StoreError>
    where
        V: Clone + PartialEq + Serialize + DeserializeOwned,
    {
        let slot = Slot {
            org: org.clone(),
            kind: self.kind,
            partition: self.partition.into(),
            key: format!("{number:02x}"),
        };
        for _ in 0..ATTEMPTS {
            let found = store.get(&slot, now).await?;
            let decode = |record: &Record| serde_json::from_slice(&record.value);
            let before = found.as_ref().map_or_else(|| Ok(Bucket::new()), decode);
            let before = before.map_err(|e| StoreError::Corrupt(format!("{}: {e}", self.kind.as_str())))?;
            let mut all = before.clone();
            merge(&mut all);
            all.retain(|_, value| keeps(value));
            if all == before {
                return Ok(());
            }
            let value = serde_json::to_vec(&all).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            let put = Put { value: Some(value.into()), expires: None };
            match store.put(&slot, found.map(|record| record.version), put, now).await {
                Err(StoreError::Conflict { .. }) => {}
                stored => return stored.map(drop),
            }
        }
        Err(StoreError::Unavailable("too many write it at the same time".into()))
    }

    /// Nothing, and a line in the log, where it cannot be read: one bucket must hold nothing else up.
    fn decode<V: DeserializeOwned>(&self, org: &Tenant, key: &str, value: &[u8]) -> Bucket<V> {
        let place = || format!("{org} {}/{key}", self.partition);
        damage::readable(self.kind.as_str(), place, serde_json::from_slice(value)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use fanfare_proto::OrgId;

    use super::*;

    /// Values that are stored are looked for there.
    #[test]
    fn places_never_change() {
        let org = Tenant::stored(OrgId::new("acme").unwrap());
        let buckets = |count| Buckets { kind: RecordKind::Units, partition: "agents", count, page: 1 };
        let number = |count, user| buckets(count).place(&org, &UserId::new(user).unwrap()).1;
        // The first bytes of the SHA-256 of "ann" and of "bob".
        assert_eq!([number(256, "ann"), number(256, "bob")], [0x49, 0x81]);
        assert_eq!([number(64, "ann"), number(64, "bob")], [0x09, 0x01]);
    }
}
