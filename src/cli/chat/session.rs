//! A chat under way: what is typed goes out, what comes is shown.

use anyhow::{Context, bail};
use fanfare_client::{
    Client, Event, Events, State,
    proto::{
        ConversationId, Seq, TopicKind, UserId,
        command::MessageHistory,
        event::{LogEntry, MessageNew, name},
    },
};

use super::{
    console::Console,
    room::Wanted,
    send::{Marks, Sender, Sent},
    talk::{Kind, Talk},
};
use crate::cli::link::{self, Stop, clean};

/// Messages of a page of history.
const HISTORY: u16 = 50;

/// A chat under way.
pub(super) struct Session {
    client: Client,
    console: Console,
    talk: Talk,
    wanted: Wanted,
    sender: Sender,
    marks: Marks,
    /// Why there is no connection, as it was told.
    outage: Option<String>,
    /// The newest message of ours that is stored, to be seen before we leave.
    awaited: Option<(ConversationId, Seq)>,
}

impl Session {
    pub(super) fn new(client: Client, console: Console, wanted: Wanted, me: UserId) -> Self {
        Self {
            console,
            talk: Talk::new(me),
            wanted,
            sender: Sender::new(client.clone()),
            marks: Marks::new(client.clone()),
            outage: None,
            awaited: None,
            client,
        }
    }

    /// Gives the terminal back, and waits shortly for what is under way.
    pub(super) async fn end(self) {
        drop(self.console);
        self.marks.finish().await;
    }

    /// Until the input ends and all of it is stored, or the client has ended.
    pub(super) async fn talk(&mut self, mut events: Events) -> anyhow::Result<()> {
        let mut stop = Stop::new()?;
        let mut state = self.client.state();
        let mut more = true;
        while more || !self.all_said() {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.heard(event).await?,
                    None => return self.ended(),
                },
                _ = state.changed() => {
                    let now = state.borrow_and_update().clone();
                    self.state(&now)?;
                }
                line = self.console.next(), if more && self.sender.has_room() => match line? {
                    Some(line) => self.typed(line)?,
                    None => more = false,
                },
                sent = self.sender.told(), if self.sender.open > 0 => self.sent(sent)?,
                () = stop.asked() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether everything that was typed is stored and shown.
    fn all_said(&self) -> bool {
        let shown = |(room, seq): &(_, _)| self.talk.shown(room) >= Some(*seq);
        self.sender.open == 0 && self.awaited.as_ref().is_none_or(shown)
    }

    fn ended(&self) -> anyhow::Result<()> {
        match &*self.client.state().borrow() {
            State::Closed(reason) => bail!("{reason}"),
            _ => bail!("the connection ended"),
        }
    }

    fn typed(&mut self, line: String) -> anyhow::Result<()> {
        match self.talk.room() {
            Some(room) if !line.trim().is_empty() => self.sender.say(room.clone(), line),
            _ => Ok(()),
        }
    }

    fn sent(&mut self, sent: Sent) -> anyhow::Result<()> {
        match sent {
            Ok(stored) => self.awaited = Some(stored),
            Err(error) => self.note(&format!("not sent: {}", clean(&error)))?,
        }
        Ok(())
    }

    async fn heard(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Message { entry, message } => self.show(&entry, &message)?,
            Event::Delivered(r) => self.talk.receipt(&r.conversation_id, &r.user_id, r.seq, Kind::Delivered),
            Event::Read(r) => self.talk.receipt(&r.conversation_id, &r.user_id, r.seq, Kind::Read),
            Event::ConversationCreated { conversation, .. } if self.wanted.is(&conversation) => {
                self.enter(conversation.conversation_id).await?;
            }
            Event::Gap(gap) if gap.topic.kind == TopicKind::Conversation => {
                let room = ConversationId::new(gap.topic.key.as_str())?;
                if self.talk.turned_back(&room, gap.epoch, gap.head) {
                    self.page(room, None).await?;
                } else if self.talk.shown(&room).is_some() {
                    self.catch_up(room).await?;
                }
            }
            Event::Broadcast { entry, notice } => {
                self.note(&format!("notice of {}: {}", entry.by, clean(&notice.message)))?;
            }
            Event::TopicsEnded(ended) => self.note(&clean(&ended.error.to_string()))?,
            Event::Error(error) => self.note(&clean(&error.to_string()))?,
            _ => {}
        }
        self.news()
    }

    /// Takes part in a conversation, and shows its newest page.
    pub(super) async fn enter(&mut self, room: ConversationId) -> anyhow::Result<()> {
        if self.talk.add(room.clone()) {
            self.page(room, None).await?;
        }
        self.news()
    }

    /// Shows what came while we were away.
    async fn catch_up(&mut self, room: ConversationId) -> anyhow::Result<()> {
        while let Some(shown) = self.talk.shown(&room) {
            let more = self.page(room.clone(), Some(shown)).await?;
            if !more || self.talk.shown(&room) == Some(shown) {
                break;
            }
        }
        Ok(())
    }

    /// Shows a page of history; tells whether there is more after it.
    async fn page(&mut self, room: ConversationId, after: Option<Seq>) -> anyhow::Result<bool> {
        let page =
            MessageHistory { conversation_id: room.clone(), before: None, after, limit: Some(HISTORY) };
        let history = self.client.history(page).await.context("history")?;
        for event in history.events {
            if event.event == name::MESSAGE_NEW {
                self.show(&event.entry, &serde_json::from_value(event.data)?)?;
            }
        }
        for mark in &history.marks {
            self.talk.mark(&room, mark);
        }
        Ok(history.more)
    }

    fn show(&mut self, entry: &LogEntry, message: &MessageNew) -> anyhow::Result<()> {
        if let Some(line) = self.talk.message(entry, message, link::now()) {
            self.console.print(&line)?;
            self.marks.shown(message.conversation_id.clone(), entry.seq);
        }
        Ok(())
    }

    fn news(&mut self) -> anyhow::Result<()> {
        for line in self.talk.news() {
            self.console.print(&line)?;
        }
        Ok(())
    }

    /// Tells of the connection's end and return, each once.
    fn state(&mut self, state: &State) -> anyhow::Result<()> {
        match state {
            State::Backoff { cause, .. } => {
                let cause = clean(&cause.to_string());
                if self.outage.as_ref() != Some(&cause) {
                    self.note(&format!("no connection: {cause}; trying again"))?;
                    self.outage = Some(cause);
                }
            }
            State::Open(transport) if self.outage.take().is_some() => {
                self.note(&format!("connected again by {}", link::name(*transport)))?;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn note(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.console.print(&format!("-- {text}"))?)
    }
}
