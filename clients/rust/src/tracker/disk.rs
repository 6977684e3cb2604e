//! Fixes in a SQLite file, written by a thread of its own: SQLite blocks.

use std::path::Path;

use fanfare_proto::{BadFix, Fix, Motion, Position, UnixMs};
use rusqlite::{Connection, Row, params};
use tokio::sync::{mpsc, oneshot};

use super::Disk;

/// Jobs that wait for the thread. Full: the tracker waits, and with it [`Tracker::record`](super::Tracker::record).
const JOBS: usize = 16;

/// A file that was opened.
pub(super) struct Opened {
    pub(super) writer: Writer,
    /// The last counter that was given.
    pub(super) last: Option<u64>,
    pub(super) fixes: Vec<Fix>,
}

/// The way to the thread. It ends when this is dropped and its jobs are done.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    closed: oneshot::Receiver<()>,
}

enum Job {
    Append(Vec<Fix>, oneshot::Sender<Result<(), String>>),
    Retime(Vec<Fix>, oneshot::Sender<Result<(), String>>),
    Remove(Vec<u64>),
}

/// Opens the file, reads it and starts the thread.
pub(super) async fn open(disk: Disk) -> Result<Opened, String> {
    let (opened, wait) = oneshot::channel();
    std::thread::Builder::new()
        .name("fixes".into())
        .spawn(move || run(&disk, opened))
        .map_err(|e| e.to_string())?;
    wait.await.unwrap_or_else(|_| Err("the thread ended".into()))
}

impl Writer {
    /// Returns when the fixes are durable.
    pub(super) async fn append(&self, fixes: Vec<Fix>) -> Result<(), String> {
        self.ask(|done| Job::Append(fixes, done)).await
    }

    /// Returns when their times are durable.
    pub(super) async fn retime(&self, fixes: Vec<Fix>) -> Result<(), String> {
        self.ask(|done| Job::Retime(fixes, done)).await
    }

    async fn ask(&self, job: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Job) -> Result<(), String> {
        let (done, wait) = oneshot::channel();
        let gone = || "the thread ended".to_owned();
        self.jobs.send(job(done)).await.map_err(|_| gone())?;
        wait.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Happens some time later.
    pub(super) async fn remove(&self, counters: Vec<u64>) {
        // A thread that has ended removes nothing; what stays is sent once more.
        let _ = self.jobs.send(Job::Remove(counters)).await;
    }

    pub(super) async fn close(self) {
        drop(self.jobs);
        // An error means that the thread has ended.
        let _ = self.closed.await;
    }
}

fn run(disk: &Disk, opened: oneshot::Sender<Result<Opened, String>>) {
    let (jobs, mut jobs_end) = mpsc::channel(JOBS);
    let (closed_end, closed) = oneshot::channel();
    let file = File::open(&disk.path, &disk.owner).and_then(|file| Ok((file.last()?, file.fixes()?, file)));
    let mut file = match file {
        Ok((last, fixes, file)) => {
            let writer = Writer { jobs, closed };
            let opened = opened.send(Ok(Opened { writer, last, fixes }));
            if opened.is_err() {
                return;
            }
            file
        }
        Err(error) => {
            drop(opened.send(Err(error.to_string())));
            return;
        }
    };
    while let Some(job) = jobs_end.blocking_recv() {
        match job {
            Job::Append(fixes, done) => {
                let result = file.append(&fixes).map_err(|e| e.to_string());
                drop(done.send(result));
            }
            Job::Retime(fixes, done) => {
                let result = file.retime(&fixes).map_err(|e| e.to_string());
                drop(done.send(result));
            }
            Job::Remove(counters) => {
                if let Err(error) = file.remove(&counters) {
                    tracing::warn!(%error, "stored fixes stay in the file and are sent again after a restart");
                }
            }
        }
    }
    drop(file);
    // Who dropped the writer does not wait.
    let _ = closed_end.send(());
}

#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the file holds fixes of {0:?}")]
    Owner(String),
    #[error("the file has the unknown version {0}")]
    Version(i64),
}

struct File(Connection);

impl File {
    /// The layout of the file, kept in SQLite's own field for it.
    const VERSION: i64 = 1;

    fn open(path: &Path, owner: &str) -> Result<Self, FileError> {
        let connection = Connection::open(path)?;
        // Exclusive: a second tracker on the file would give the same counters. FULL: a counter that was given and
        // sent must not be forgotten in a power failure.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        )?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => Self::create(&connection, owner)?,
            Self::VERSION => {}
            other => return Err(FileError::Version(other)),
        }
        let known: String = connection.query_row("SELECT owner FROM tracker", [], |row| row.get(0))?;
        if known != owner {
            return Err(FileError::Owner(known));
        }
        Ok(Self(connection))
    }

    fn create(connection: &Connection, owner: &str) -> Result<(), rusqlite::Error> {
        connection.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE tracker (owner TEXT NOT NULL, last INTEGER) STRICT;
             CREATE TABLE fix (
                 counter INTEGER PRIMARY KEY, time INTEGER NOT NULL,
                 lat INTEGER NOT NULL, lon INTEGER NOT NULL,
                 accuracy INTEGER, speed INTEGER, heading INTEGER, battery INTEGER
             ) STRICT;",
        )?;
        connection.execute("INSERT INTO tracker (owner) VALUES (?1)", [owner])?;
        connection.pragma_update(None, "user_version", Self::VERSION)?;
        connection.execute_batch("COMMIT")
    }

    fn last(&self) -> Result<Option<u64>, rusqlite::Error> {
        let last: Option<i64> = self.0.query_row("SELECT last FROM tracker", [], |row| row.get(0))?;
        Ok(last.map(|last| last as u64))
    }

    /// What is kept. A row whose values are impossible was not written by us; it is passed over.
    fn fixes(&self) -> Result<Vec<Fix>, rusqlite::Error> {
        let mut statement = self.0.prepare("SELECT * FROM fix ORDER BY counter")?;
        let rows = statement.query_map([], |row| Ok(read(row)?.ok()))?;
        rows.filter_map(Result::transpose).collect()
    }

    fn append(&mut self, fixes: &[Fix]) -> Result<(), rusqlite::Error> {
        let transaction = self.0.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO fix VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            for fix in fixes {
                let (lat, lon) = fix.position.e7();
                let motion = fix.motion;
                insert.execute(params![
                    fix.counter as i64,
                    fix.time.0 as i64,
                    lat,
                    lon,
                    motion.accuracy_dm(),
                    motion.speed_cms(),
                    motion.heading_cdeg(),
                    motion.battery_pct(),
                ])?;
            }
            if let Some(last) = fixes.last() {
                transaction.execute("UPDATE tracker SET last = ?1", [last.counter as i64])?;
            }
        }
        transaction.commit()
    }

    fn retime(&mut self, fixes: &[Fix]) -> Result<(), rusqlite::Error> {
        let transaction = self.0.transaction()?;
        {
            let mut update = transaction.prepare_cached("UPDATE fix SET time = ?2 WHERE counter = ?1")?;
            for fix in fixes {
                update.execute([fix.counter as i64, fix.time.0 as i64])?;
            }
        }
        transaction.commit()
    }

    fn remove(&mut self, counters: &[u64]) -> Result<(), rusqlite::Error> {
        let transaction = self.0.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM fix WHERE counter = ?1")?;
            for counter in counters {
                delete.execute([*counter as i64])?;
            }
        }
        transaction.commit()
    }
}

fn read(row: &Row<'_>) -> Result<Result<Fix, BadFix>, rusqlite::Error> {
    let position = Position::from_e7(row.get("lat")?, row.get("lon")?);
    let motion =
        Motion::from_raw(row.get("accuracy")?, row.get("speed")?, row.get("heading")?, row.get("battery")?);
    let (counter, time): (i64, i64) = (row.get("counter")?, row.get("time")?);
    let fix = |position, motion| Fix { counter: counter as u64, time: UnixMs(time as u64), position, motion };
    Ok(position.and_then(|position| motion.map(|motion| fix(position, motion))))
}
