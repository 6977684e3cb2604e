//! What writes to a connection: a task for each lane that has a stream of its own, or one for the whole pipe.

use std::{rc::Rc, time::Duration};

use fanfare_proto::{CloseCode, Lane};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    frame::Compressor,
    net::{Closer, Item, Outgoing, PipeWriter, StreamWriter},
    outbox::Outbox,
    shard::{TickPort, TickSlot},
};

/// Time for what waits to be sent before a connection is closed.
const FLUSH: Duration = Duration::from_secs(1);

/// Time for a peer to read the last events before its streams end: closing a WebTransport session drops what its
/// application has not read yet.
const LAST_READ: Duration = Duration::from_millis(100);

/// The tasks that write. They end when the outbox is closed and empty, or when this is dropped.
#[derive(Debug)]
pub(super) struct Writers {
    tasks: Vec<AbortOnDrop<Option<PipeWriter>>>,
    closer: Option<Closer>,
}

impl Writers {
    pub(super) fn start(
        outgoing: Outgoing,
        outbox: &Rc<Outbox>,
        compressor: &Compressor,
    ) -> (Self, TickPort) {
        match outgoing {
            Outgoing::Lanes { urgent, ordered, datagrams, closer } => {
                let tasks = vec![
                    AbortOnDrop::spawn(write_lane(urgent, Lane::Urgent, outbox.clone(), compressor.clone())),
                    AbortOnDrop::spawn(write_lane(
                        ordered,
                        Lane::Ordered,
                        outbox.clone(),
                        compressor.clone(),
                    )),
                ];
                (Self { tasks, closer: Some(closer) }, TickPort::Datagrams(datagrams))
            }
            Outgoing::Pipe(pipe) => {
                let slot = Rc::<TickSlot>::default();
                let tasks = vec![AbortOnDrop::spawn(write_pipe(
                    pipe,
                    slot.clone(),
                    outbox.clone(),
                    compressor.clone(),
                ))];
                (Self { tasks, closer: None }, TickPort::Slot(slot))
            }
        }
    }

    /// Lets what waits go out, then tells the peer why it is closed.
    pub(super) async fn close(self, code: CloseCode) {
        let (number, reason) = (u32::from(code.number()), code.reason());
        let deadline = Instant::now() + FLUSH;
        let mut pipe = None;
        for mut task in self.tasks {
            if let Ok(Ok(writer)) = timeout_at(deadline, &mut task.0).await {
                pipe = writer.or(pipe);
            }
        }
        if let Some(closer) = self.closer {
            if !matches!(code, CloseCode::Slow | CloseCode::Silent) {
                sleep(LAST_READ).await;
            }
            closer.close(number, reason).await;
        }
        if let Some(pipe) = pipe {
            pipe.close(number, reason).await;
        }
    }
}

/// Writes one lane that has a stream of its own.
async fn write_lane(
    mut stream: StreamWriter,
    lane: Lane,
    outbox: Rc<Outbox>,
    compressor: Compressor,
) -> Option<PipeWriter> {
    while let Some(batch) = outbox.next(lane).await {
        let deadline = outbox.deadline(&batch);
        let events = compressor.events(batch.frames).await;
        tokio::select! {
            written = timeout_at(deadline, stream.write(&events)) => match written {
                Ok(Ok(())) => {}
                // A connection with a dead lane is of no use: its client comes back.
                Ok(Err(_)) | Err(_) => outbox.close(CloseCode::Slow),
            },
            () = given_up(&outbox) => return None,
        }
    }
    None
}

/// Writes all lanes into one pipe: what is urgent first, ticks last and only the newest.
async fn write_pipe(
    mut pipe: PipeWriter,
    slot: Rc<TickSlot>,
    outbox: Rc<Outbox>,
    compressor: Compressor,
) -> Option<PipeWriter> {
    while let Some(batch) = outbox.next_of_all(&slot.filled).await {
        let deadline = outbox.deadline(&batch);
        let mut items: Vec<Item> =
            compressor.events(batch.frames).await.into_iter().map(Item::Event).collect();
        items.extend(slot.take().into_iter().map(Item::Ticks));
        let done = tokio::select! {
            written = timeout_at(deadline, pipe.write(&items)) => written,
            () = given_up(&outbox) => break,
        };
        match done {
            Ok(Ok(())) => slot.sent(),
            Ok(Err(_)) => {
                outbox.close(CloseCode::Slow);
                return None;
            }
            Err(_) => {
                outbox.close(CloseCode::Slow);
                break;
            }
        }
    }
    Some(pipe)
}

/// Waits until nothing more is to be written, not even what is being written now.
async fn given_up(outbox: &Outbox) {
    match outbox.closed().await {
        CloseCode::Slow | CloseCode::Silent => {}
        _ => std::future::pending().await,
    }
}

#[derive(Debug)]
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T: 'static> AbortOnDrop<T> {
    fn spawn(task: impl Future<Output = T> + 'static) -> Self {
        Self(tokio::task::spawn_local(task))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
