//! Where fixes are kept and counters come from: memory, or a file.

use fanfare_proto::{Fix, UnixMs, id::MAX_NUMBER};

use super::{Sample, TrackerConfig};
use crate::Error;

/// Keeps fixes beside the ledger, so that they survive what the ledger does not.
#[derive(Debug)]
pub(super) struct Store {
    next: u64,
    #[cfg(feature = "disk")]
    disk: Option<super::disk::Writer>,
}

impl Store {
    /// Opens the store; also returns what it holds from an earlier run.
    #[cfg_attr(not(feature = "disk"), expect(clippy::unused_async))]
    pub(super) async fn open(config: &TrackerConfig, now: UnixMs) -> Result<(Self, Vec<Fix>), Error> {
        let first = config.first_counter.unwrap_or(now.0).clamp(1, MAX_NUMBER);
        #[cfg(feature = "disk")]
        if let Some(disk) = &config.disk {
            let opened = super::disk::open(disk.clone()).await.map_err(Error::Store)?;
            let store = Self { next: opened.last.map_or(first, |last| last + 1), disk: Some(opened.writer) };
            return Ok((store, opened.fixes));
        }
        let store = Self {
            next: first,
            #[cfg(feature = "disk")]
            disk: None,
        };
        Ok((store, Vec::new()))
    }

    /// Gives samples their counters and keeps them, all or none.
    #[cfg_attr(not(feature = "disk"), expect(clippy::unused_async))]
    pub(super) async fn append(&mut self, samples: &[Sample]) -> Result<Vec<Fix>, Error> {
        if self.next.saturating_add(samples.len() as u64) > MAX_NUMBER {
            return Err(Error::Store("counters are used up".into()));
        }
        let fixes: Vec<Fix> = (self.next..)
            .zip(samples)
            .map(|(counter, sample)| Fix {
                counter,
                time: sample.time,
                position: sample.position,
                motion: sample.motion,
            })
            .collect();
        // Also where keeping fails: perhaps it did not, and a counter is never given twice.
        self.next += fixes.len() as u64;
        #[cfg(feature = "disk")]
        if let Some(disk) = &self.disk {
            disk.append(fixes.clone()).await.map_err(Error::Store)?;
        }
        Ok(fixes)
    }

    /// Gives fixes the times that they have now: after a restart they must not be sent with others.
    #[cfg_attr(not(feature = "disk"), expect(clippy::unused_async))]
    pub(super) async fn retime(&self, fixes: &[Fix]) {
        #[cfg(feature = "disk")]
        if let Some(disk) = &self.disk
            && let Err(error) = disk.retime(fixes.to_vec()).await
        {
            tracing::warn!(%error, "fixes stay in the file with the time of a clock that is wrong");
        }
        #[cfg(not(feature = "disk"))]
        let _ = fixes;
    }

    /// Forgets fixes. A crash may undo it: then they are sent once more, which the server takes as repeats.
    #[cfg_attr(not(feature = "disk"), expect(clippy::unused_async))]
    pub(super) async fn remove(&self, counters: Vec<u64>) {
        #[cfg(feature = "disk")]
        if let Some(disk) = &self.disk
            && !counters.is_empty()
        {
            disk.remove(counters).await;
        }
        #[cfg(not(feature = "disk"))]
        drop(counters);
    }

    /// Finishes what is under way.
    #[cfg_attr(not(feature = "disk"), expect(clippy::unused_async))]
    pub(super) async fn close(self) {
        #[cfg(feature = "disk")]
        if let Some(disk) = self.disk {
            disk.close().await;
        }
    }
}
