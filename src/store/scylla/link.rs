//! The session in use, and another when that one is of no use any more.
//!
//! The driver finds its way back to a node by itself, but only after up to ten seconds. So once requests fail, the
//! database is asked again and again, by the session in use and by a new one, and the first that works is taken. Whichever
//! it is, it must lead to the database that this began with: the logs of another one are not those that devices have
//! cursors of, and that it is another one is for an operator to know. Until then it counts as away.

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
        let mut told = Found::Ours;
        loop {
            let Some(db) = link.upgrade().map(|link| link.db()) else { return };
            let found = look(&db, epoch).await;
            if found == Found::Ours {
                break;
            }
            trouble.down.store(true, Ordering::Relaxed);
            tell(&mut told, found);
            match timeout(options.connect * 4, connect::again(&options)).await {
                Ok(Ok((session, s))) => {
                    let db = db.with(session, s);
                    let found = look(&db, epoch).await;
                    if found == Found::Ours {
                        let Some(link) = link.upgrade() else { return };
                        link.db.store(Arc::new(db));
                        break;
                    }
                    tell(&mut told, found);
                }
                Ok(Err(Refusal::Away(why) | Refusal::Never(why))) => tracing::debug!(why, "no session yet"),
                Err(_) => {}
            }
            sleep(jitter(Duration::from_millis(250))).await;
        }
        trouble.down.store(false, Ordering::Relaxed);
        if told != Found::Ours {
            tracing::info!("the database answers again");
        }
    }
}

/// What a session leads to.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The database that this began with.
    Ours,
    /// Another one, or one without logs.
    Other(String),
    /// Nobody answers.
    Nothing,
}

async fn look(db: &Db, epoch: Epoch) -> Found {
    match db.epoch().await {
        Ok(Some(found)) if found == epoch => Found::Ours,
        Ok(Some(found)) => Found::Other(format!("its epoch is {}, not {}", found.0, epoch.0)),
        Ok(None) => Found::Other("it has no epoch".to_owned()),
        // As where there is no such table.
        Err(failed) if failed.final_ => Found::Other(failed.why),
        Err(_) => Found::Nothing,
    }
}

/// Once for each thing that is found: it is looked for again and again.
fn tell(told: &mut Found, found: Found) {
    match &found {
        Found::Other(why) if *told != found => {
            tracing::error!(
                why,
                "another database is there now: restart the server once it is the right one"
            );
        }
        Found::Nothing if *told == Found::Ours => tracing::warn!("the database does not answer"),
        _ => return,
    }
    *told = found;
}
