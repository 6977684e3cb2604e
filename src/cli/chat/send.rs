//! Sends messages and marks, in the background.

use std::{collections::BTreeMap, time::Duration};

use fanfare_client::{
    Client, Error,
    proto::{ClientId, Command, ConversationId, Seq, command::MessageSend, event::Stored},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::cli::link;

/// Messages that wait for the one before them. Full: no more are taken from the input.
const WAITING: usize = 64;

/// Wait before a message is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Marks that wait to be sent. Full: a later one says the same.
const MARKS: usize = 256;

/// Longest wait for the last marks.
const LAST: Duration = Duration::from_secs(2);

/// What became of a message.
pub(super) type Sent = Result<(ConversationId, Seq), String>;

/// Sends messages one after the other, so that they stay in order.
pub(super) struct Sender {
    queue: mpsc::Sender<MessageSend>,
    sent: mpsc::Receiver<Sent>,
    /// Messages of which it is not known yet what became of them.
    pub(super) open: usize,
}

impl Sender {
    pub(super) fn new(client: Client) -> Self {
        let (queue, mut messages) = mpsc::channel::<MessageSend>(WAITING);
        // Room for the word of each message that can be open.
        let (told, sent) = mpsc::channel(WAITING + 2);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                if told.send(send(&client, message).await).await.is_err() {
                    return;
                }
            }
        });
        Self { queue, sent, open: 0 }
    }

    /// Whether another message is taken.
    pub(super) fn has_room(&self) -> bool {
        self.open < WAITING
    }

    pub(super) fn say(&mut self, conversation_id: ConversationId, text: String) -> anyhow::Result<()> {
        let client_id = ClientId::new(&link::random()?)?;
        self.queue.try_send(MessageSend { client_id, conversation_id, text })?;
        self.open += 1;
        Ok(())
    }

    /// What became of the next message. Cancel safe.
    pub(super) async fn told(&mut self) -> Sent {
        match self.sent.recv().await {
            Some(sent) => {
                self.open = self.open.saturating_sub(1);
                sent
            }
            // The task ends only after us.
            None => std::future::pending().await,
        }
    }
}

/// Until it is stored or refused. The client id makes repeats harmless.
async fn send(client: &Client, message: MessageSend) -> Sent {
    loop {
        match client.ask::<Stored>(Command::MessageSend(message.clone())).await {
            Ok(stored) => return Ok((message.conversation_id, stored.seq)),
            Err(Error::Timeout | Error::Busy | Error::ConnectionLost) => sleep(AGAIN).await,
            Err(Error::Refused(error)) => match error.retry_after_ms {
                // The server said when it will take it.
                Some(ms) => sleep(Duration::from_millis(ms)).await,
                None => return Err(error.to_string()),
            },
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Tells the server what has arrived and was read: what is on the screen counts as both.
pub(super) struct Marks {
    shown: mpsc::Sender<(ConversationId, Seq)>,
    task: JoinHandle<()>,
}

impl Marks {
    pub(super) fn new(client: Client) -> Self {
        let (shown, mut marks) = mpsc::channel(MARKS);
        let task = tokio::spawn(async move {
            let mut waiting = Vec::new();
            while marks.recv_many(&mut waiting, MARKS).await > 0 {
                let newest: BTreeMap<ConversationId, Seq> = waiting.drain(..).collect();
                for (id, seq) in newest {
                    // One that fails is made up for by the next.
                    let _ = client.mark_received(id.clone(), seq).await;
                    let _ = client.mark_read(id, seq).await;
                }
            }
        });
        Self { shown, task }
    }

    pub(super) fn shown(&self, conversation: ConversationId, seq: Seq) {
        // Full: a later one says the same.
        let _ = self.shown.try_send((conversation, seq));
    }

    /// Waits shortly for those that are under way.
    pub(super) async fn finish(self) {
        drop(self.shown);
        // Late or not at all: they are shown as new next time.
        let _ = timeout(LAST, self.task).await;
    }
}
