//! Requests to the database: how often they are tried, and what came of those that are conditional.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use fanfare_proto::{Epoch, Lane};
use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    errors::ExecutionError,
    response::{PagingState, PagingStateResponse, query_result::QueryResult},
    serialize::{batch::BatchValues, row::SerializeRow},
    statement::{batch::Batch, prepared::PreparedStatement},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::{
    gate::unavailable,
    options::{Lost, Options},
    places::{Place, Places},
    statements::Statements,
    value::{Failed, applied, random, rows},
};
use crate::store::StoreError;

/// Attempts at a request that may be repeated.
const ATTEMPTS: u32 = 4;

/// A session with its statements.
#[derive(Clone)]
pub(super) struct Db {
    session: Arc<Session>,
    pub(super) s: Arc<Statements>,
    places: Arc<Places>,
    /// Whose places its requests may take.
    lane: Lane,
    trouble: Arc<Trouble>,
    /// How long a conditional write is tried.
    patience: Duration,
    /// How long a node may take to show that it is there.
    probe: Duration,
    lose: Arc<AtomicU32>,
    lost: Lost,
}

/// What a conditional write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Applied,
    /// Its condition did not hold.
    Refused,
    /// Its condition did not hold, perhaps because an earlier attempt at it was applied.
    Unclear,
}

/// What a request that failed tells those who watch.
#[derive(Default)]
pub(super) struct Trouble {
    pub(super) down: AtomicBool,
    pub(super) noticed: Notify,
}

impl Db {
    pub(super) fn new(session: Session, s: Statements, trouble: Arc<Trouble>, options: &Options) -> Self {
        let (session, s) = (Arc::new(session), Arc::new(s));
        let (places, lane) = (Arc::new(Places::new(options)), Lane::Ordered);
        let (patience, probe) = (options.append, options.data);
        let (lose, lost) = (Arc::clone(&options.lose), options.lost);
        Self { session, s, places, lane, trouble, patience, probe, lose, lost }
    }

    /// The same on another session.
    pub(super) fn with(&self, session: Session, s: Statements) -> Self {
        Self { session: Arc::new(session), s: Arc::new(s), ..self.clone() }
    }

    /// The same for what a lane writes.
    pub(super) fn of(self: Arc<Self>, lane: Lane) -> Arc<Self> {
        if self.lane == lane { self } else { Arc::new(Self { lane, ..Self::clone(&self) }) }
    }

    async fn place(&self) -> Place<'_> {
        self.places.take(self.lane).await
    }

    /// The life of the logs that the session leads to; none where there are none.
    pub(super) async fn epoch(&self) -> Result<Option<Epoch>, Failed> {
        let asked = self.session.execute_unpaged(&self.s.probe, ());
        let late = |_| ExecutionError::RequestTimeout(self.probe);
        let answer = timeout(self.probe, asked).await.map_err(late)??;
        let found = rows::<(i64,)>(answer).map_err(|error| Failed {
            why: error.to_string(),
            void: true,
            final_: true,
        })?;
        Ok(found.first().map(|(epoch,)| Epoch(*epoch as u32)))
    }

    /// One attempt.
    async fn once(
        &self,
        statement: &PreparedStatement,
        values: &(impl SerializeRow + Sync),
    ) -> Result<QueryResult, Failed> {
        let _place = self.place().await;
        self.note(self.session.execute_unpaged(statement, values).await)
    }

    /// What may be repeated, with a few attempts.
    async fn tried<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut n = 1;
        loop {
            match attempt().await {
                Ok(result) => return Ok(result),
                Err(failed) if failed.final_ || n == ATTEMPTS || self.is_down() => {
                    return Err(failed.into());
                }
                Err(_) => {
                    sleep(jitter(Duration::from_millis(20 << n))).await;
                    n += 1;
                }
            }
        }
    }

    /// A request that may be repeated.
    pub(super) async fn run(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> Result<QueryResult, StoreError> {
        self.tried(|| self.once(statement, &values)).await
    }

    /// The rows of a read.
    pub(super) async fn rows<T>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        rows(self.run(statement, values).await?)
    }

    /// A page of a whole table.
    pub(super) async fn page<T>(
        &self,
        statement: &PreparedStatement,
        state: PagingState,
    ) -> Result<(Vec<T>, PagingStateResponse), StoreError>
    where
        T: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        let page = || async {
            let _place = self.place().await;
            let answer = self.session.execute_single_page(statement, (), state.clone()).await;
            if self.loses() { Err(self.lost.into()) } else { self.note(answer) }
        };
        let (result, state) = self.tried(page).await?;
        Ok((rows(result)?, state))
    }

    /// The first row of a read.
    pub(super) async fn row<T>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    /// A batch that may be repeated.
    pub(super) async fn run_batch(
        &self,
        batch: &Batch,
        values: &(impl BatchValues + Sync),
    ) -> Result<(), StoreError> {
        self.tried(|| self.batch_once(batch, values)).await.map(drop)
    }

    /// A conditional write, until it is known what it came to.
    pub(super) async fn settle(
        &self,
        statement: &PreparedStatement,
        values: &(impl SerializeRow + Sync),
    ) -> Result<Settled, StoreError> {
        let mut settling = Settling::new(self);
        loop {
            let applied = self.once(statement, values).await.and_then(|result| self.applied(result));
            if let Some(settled) = settling.after(applied).await {
                return settled;
            }
        }
    }

    /// A conditional batch, until it is known what it came to.
    pub(super) async fn settle_batch(
        &self,
        batch: &Batch,
        values: &(impl BatchValues + Sync),
    ) -> Result<Settled, StoreError> {
        let mut settling = Settling::new(self);
        loop {
            let applied = self.cas_batch(batch, values).await;
            if let Some(settled) = settling.after(applied).await {
                return settled;
            }
        }
    }

    /// One attempt at a conditional batch: whether it was applied.
    pub(super) async fn cas_batch(
        &self,
        batch: &Batch,
        values: &(impl BatchValues + Sync),
    ) -> Result<bool, Failed> {
        self.applied(self.batch_once(batch, values).await?)
    }

    /// One attempt at a batch.
    async fn batch_once(
        &self,
        batch: &Batch,
        values: &(impl BatchValues + Sync),
    ) -> Result<QueryResult, Failed> {
        let _place = self.place().await;
        self.note(self.session.batch(batch, values).await)
    }

    fn applied(&self, result: QueryResult) -> Result<bool, Failed> {
        if self.loses() {
            return Err(self.lost.into());
        }
        applied(result).map_err(|error| Failed { why: error.to_string(), void: false, final_: true })
    }

    /// Whether this answer is one that a test wants to get lost.
    fn loses(&self) -> bool {
        self.lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn is_down(&self) -> bool {
        self.trouble.down.load(Ordering::Relaxed)
    }

    fn note<T>(&self, result: Result<T, ExecutionError>) -> Result<T, Failed> {
        result.map_err(|error| {
            let failed = Failed::from(error);
            if !failed.final_ {
                self.trouble.noticed.notify_one();
            }
            failed
        })
    }
}

/// Attempts at one conditional write.
struct Settling<'a> {
    db: &'a Db,
    deadline: Instant,
    pause: Duration,
    /// One may have been applied, or may still be.
    loose: bool,
}

impl<'a> Settling<'a> {
    fn new(db: &'a Db) -> Self {
        let deadline = Instant::now() + db.patience;
        Self { db, deadline, pause: Duration::from_millis(10), loose: false }
    }

    /// `None`, after a pause: it is to be tried again.
    async fn after(&mut self, applied: Result<bool, Failed>) -> Option<Result<Settled, StoreError>> {
        match applied {
            Ok(true) => return Some(Ok(Settled::Applied)),
            Ok(false) if self.loose => return Some(Ok(Settled::Unclear)),
            Ok(false) => return Some(Ok(Settled::Refused)),
            Err(failed) if failed.final_ || Instant::now() >= self.deadline || self.db.is_down() => {
                return Some(Err(unavailable(&failed.why)));
            }
            Err(failed) => self.loose |= !failed.void,
        }
        sleep(jitter(self.pause)).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        None
    }
}

/// Half to three halves of it.
pub(super) fn jitter(pause: Duration) -> Duration {
    pause / 2 + pause * (random() % 1_000) as u32 / 1_000
}
