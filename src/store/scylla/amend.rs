//! Amending: an event's content is replaced where it stands.
//!
//! What that adds to the bucket's bytes is kept beside them, under a condition of its own, so that amendments wait for
//! each other but not for appends.

use bytes::Bytes;
use fanfare_proto::Seq;

use super::{
    db::{Db, Settled},
    topic::{self, View, names},
    value::{int, nat},
};
use crate::{id::Topic, store::StoreError};

type Row = (Option<i32>, Option<String>, Option<Vec<u8>>, Option<i64>, Option<i64>);

/// `most`: bytes that a bucket may come to by growing after it was full.
pub(super) async fn amend(
    db: &Db,
    most: u64,
    topic: &Topic,
    seq: Seq,
    revision: u32,
    name: &str,
    data: &Bytes,
) -> Result<u32, StoreError> {
    let directory = topic::directory(db, topic, View::Quorum).await?;
    let Some(directory) = directory.filter(|directory| seq.0 >= directory.first) else {
        return Err(StoreError::NotFound);
    };
    let (org, kind, key) = names(topic);
    let place = (org, kind, key, directory.bucket_of(seq.0), int(seq.0));
    let (old, new) = (revision.cast_signed(), revision.wrapping_add(1).cast_signed());
    let (mut view, mut unclear) = (View::Quorum, false);
    loop {
        let serial = view == View::Serial;
        let statement = if serial { &db.s.amendable_serial } else { &db.s.amendable };
        let row: Option<Row> = db.row(statement, place).await?;
        view = View::Serial;
        let (actual, found_name, found_data, bytes, amended) = match row {
            Some((Some(actual), name, data, bytes, amended)) if actual == old || serial => {
                (actual, name.unwrap_or_default(), data.unwrap_or_default(), bytes, amended)
            }
            // It may be there, or be another revision, for those who ask more strictly.
            _ if !serial => continue,
            _ => return Err(StoreError::NotFound),
        };
        if unclear && actual == new && found_name == name && found_data == data[..] {
            return Ok(revision + 1);
        }
        if actual != old {
            return Err(StoreError::Conflict { actual: u64::from(actual.cast_unsigned()) });
        }
        let length = |name: &str, data: &[u8]| int((name.len() + data.len()) as u64);
        let growth = length(name, data) - length(&found_name, &found_data);
        let now = amended.unwrap_or(0) + growth;
        if growth > 0 && bytes.map_or(0, nat).saturating_add_signed(now) > most {
            return Err(StoreError::TooLarge);
        }
        let (org, kind, key, bucket, at) = place;
        let settled = match amended {
            None => {
                let values = (name, &data[..], new, now, org, kind, key, bucket, at, old);
                db.settle(&db.s.amend_first, &values).await?
            }
            Some(before) => {
                let values = (name, &data[..], new, now, org, kind, key, bucket, at, old, before);
                db.settle(&db.s.amend_next, &values).await?
            }
        };
        match settled {
            Settled::Applied => return Ok(revision + 1),
            // Another revision by now, or another event of the bucket was amended.
            Settled::Refused => {}
            Settled::Unclear => unclear = true,
        }
    }
}
