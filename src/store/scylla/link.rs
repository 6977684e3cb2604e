//! The session in use, and another when that one is of no use any more.
//!
//! The driver finds its way back to a node by itself, but only after up to ten seconds. So once requests fail, the
//! database is asked again and again, by the session in use and by a new one, and the first that works is taken.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use fanfare_proto::Epoch;
use tokio::time::{sleep, timeout};

use super::{
    connect::{self, Refusal},
    db::{Db, Trouble, jitter},
    options::{Options, Start},
};
use crate::store::StoreError;

/// The longest pause between attempts to connect at the start.
const LONGEST: Duration = Duration::from_secs(10);

pub(super) struct Link {
    db: ArcSwap<Db>,
    trouble: Arc<Trouble>,
}

impl Link {
    /// Connects, as patiently as the options say, and goes on watching.
    pub(super) async fn open(options: Arc<Options>) -> Result<(Arc<Self>, Epoch), StoreError> {
        let mut pause = Duration::from_millis(200);
        let (session, s, epoch) = loop {
            match connect::session(&options).await {
                Ok(opened) => break opened,
                Err(Refusal::Away(why)) if options.start == Start::Retry => {
                    tracing::warn!(%why, again_in = ?pause, "the database is not there yet");
                    sleep(jitter(pause)).await;
                    pause = (pause * 2).min(LONGEST);
                }
                Err(refusal) => return Err(refusal.into()),
            }
        };
        let trouble = Arc::<Trouble>::default();
        let db = Db::new(session, s, Arc::clone(&trouble), &options);
        let link = Arc::new(Self { db: ArcSwap::from_pointee(db), trouble });
        tokio::spawn(watch(Arc::downgrade(&link), options, epoch));
        Ok((link, epoch))
    }

    pub(super) fn db(&self) -> Arc<Db> {
        self.db.load_full()
    }

    pub(super) fn is_up(&self) -> bool {
        !self.trouble.down.load(Ordering::Relaxed)
    }
}

/// Ends with the link.
async fn watch(link: Weak<Link>, options: Arc<Options>, epoch: Epoch) {
    loop {
        let Some(trouble) = link.upgrade().map(|link| Arc::clone(&link.trouble)) else { return };
        if timeout(Duration::from_secs(5), trouble.noticed.notified()).await.is_err() {
            continue;
        }
        let mut told = false;
        loop {
            let Some(db) = link.upgrade().map(|link| link.db()) else { return };
            if db.answers().await {
                break;
            }
            trouble.down.store(true, Ordering::Relaxed);
            if !told {
                tracing::warn!("the database does not answer");
                told = true;
            }
            match timeout(options.connect * 4, connect::again(&options)).await {
                Ok(Ok((session, s, found))) if found == epoch => {
                    let Some(link) = link.upgrade() else { return };
                    link.db.store(Arc::new(db.with(session, s)));
                    break;
                }
                Ok(Ok((.., found))) => tracing::error!(
                    found = found.0,
                    expected = epoch.0,
                    "another database is there now: restart the server"
                ),
                Ok(Err(Refusal::Away(why) | Refusal::Never(why))) => tracing::debug!(why, "no session yet"),
                Err(_) => {}
            }
            sleep(jitter(Duration::from_millis(250))).await;
        }
        trouble.down.store(false, Ordering::Relaxed);
        if told {
            tracing::info!("the database answers again");
        }
    }
}
