//! Where a device stands in its topics, and what it missed.
//!
//! The connection has joined the hub before this runs, so what is published meanwhile is noted by the shard; placing
//! a topic then catches up to whatever was seen.

use std::{rc::Rc, time::Duration};

use fanfare_proto::{
    CloseCode, ErrorBody, ErrorCode, Lane, Seq,
    event::{self, TopicState, Topics, name},
};
use tokio::time::timeout;

use super::{Cursors, Session};
use crate::{
    domain::{chat, notice},
    error::refused,
    id::Topic,
    store::{From, Head, Mark},
};

/// Conversations that are looked up in one turn. A user may have any number of them: the next ones take the next turn.
const CONVERSATIONS: usize = 500;

/// Topics in one event: at about 250 bytes each they fit in one frame.
const TOPICS_PER_EVENT: usize = 100;

/// Events of the newest page, which a device gets that cannot be given all.
const PAGE: usize = 50;
const PAGE_BYTES: usize = 64 * 1024;

impl Session {
    /// Resumes the connection, unless it ends before.
    pub(super) async fn come_back(self: Rc<Self>, cursors: Cursors) {
        let resumed = tokio::select! {
            biased;
            _ = self.outbox.closed() => return,
            resumed = self.resume(cursors) => resumed,
        };
        if let Err(error) = resumed {
            tracing::warn!(%error, "a connection could not be resumed");
            self.outbox.push(Lane::Ordered, event::write(name::ERROR, None, &error).into());
            self.outbox.close(CloseCode::Unavailable);
        }
    }

    /// Does a part of a resume when it is its turn. The wait may be long where many return; the work may not.
    async fn in_turn<T>(
        &self,
        lane: Lane,
        work: impl Future<Output = Result<T, ErrorBody>>,
    ) -> Result<T, ErrorBody> {
        let _turn = self.local.shard.turn(self.member(), lane).await;
        let limit = Duration::from_millis(self.local.services.config.session.auth_timeout_ms);
        let late = |_| ErrorCode::Unavailable.with("the store is slow").retry_after(1000);
        timeout(limit, work).await.map_err(late)?
    }

    /// Tells the device where it stands in each topic, then sends what it missed.
    async fn resume(&self, cursors: Cursors) -> Result<(), ErrorBody> {
        let services = &*self.local.services;
        let identity = self.identity();
        let (org, user) = (&identity.org, &identity.user);
        // What everyone has comes first: urgent notices must not wait for a long list of conversations.
        let common = notice::topics(org);
        let states = self.in_turn(Lane::Urgent, self.states_of(&common, &cursors, true)).await?;
        let told = states.iter().filter(|state| state.topic.kind.lane() == Lane::Ordered);
        *self.told.borrow_mut() = told.map(|state| (state.topic.clone(), state.epoch)).collect();
        self.tell(&states, true).await;
        self.place(&common, &states);
        let mut after = None;
        loop {
            let page = async {
                let topics = chat::topics_of(services, org, user, after.as_ref(), CONVERSATIONS).await?;
                let states = self.states_of(&topics, &cursors, false).await?;
                Ok((topics, states))
            };
            let (topics, states) = self.in_turn(Lane::Ordered, page).await?;
            let more = topics.len() == CONVERSATIONS;
            self.tell(&states, more).await;
            self.place(&topics, &states);
            after = topics.into_iter().next_back();
            if !more {
                break;
            }
        }
        self.local.shard.placed(self.member());
        Ok(())
    }

    /// Where the device stands in some topics.
    async fn states_of(
        &self,
        topics: &[Topic],
        cursors: &Cursors,
        common: bool,
    ) -> Result<Vec<TopicState>, ErrorBody> {
        let services = &*self.local.services;
        let heads = services.store.heads(topics).await.map_err(refused)?;
        let marks = services.store.marks_of(&self.identity().user, topics).await.map_err(refused)?;
        let mut states = Vec::new();
        for ((topic, head), mark) in topics.iter().zip(&heads).zip(&marks) {
            states.push(self.state_of(topic, head, mark, cursors, common).await?);
        }
        Ok(states)
    }

    /// Tells where the device stands; with `more`, other topics follow. A device that reads slowly is waited for here,
    /// where it keeps no other from its turn.
    async fn tell(&self, states: &[TopicState], more: bool) {
        let mut parts = states.chunks(TOPICS_PER_EVENT).peekable();
        loop {
            let topics = parts.next().unwrap_or_default().to_vec();
            let last = parts.peek().is_none();
            self.outbox.room(Lane::Ordered).await;
            let data = Topics { topics, more: more || !last };
            self.outbox.push(Lane::Ordered, event::write(name::TOPICS, None, &data).into());
            if last {
                break;
            }
        }
    }

    /// Starts what the device missed in topics that it was told of.
    fn place(&self, topics: &[Topic], states: &[TopicState]) {
        for (topic, state) in topics.iter().zip(states) {
            self.local.shard.place(self.member(), topic, state.seq, state.head);
        }
    }

    async fn state_of(
        &self,
        topic: &Topic,
        head: &Head,
        mark: &Mark,
        cursors: &Cursors,
        common: bool,
    ) -> Result<TopicState, ErrorBody> {
        let cursor = cursors.get(&topic.name);
        let reaches = cursor.map(|cursor| {
            let missed = head.seq.0.checked_sub(cursor.seq.0);
            cursor.epoch == head.epoch
                && cursor.seq.next() >= head.first
                && missed.is_some_and(|missed| missed <= self.local.services.config.limits.resume_events)
        });
        let seq = match (cursor, reaches) {
            (Some(cursor), Some(true)) => cursor.seq,
            // A gap, or a device that is new here: the newest page. Conversations without a cursor are told by
            // head and unread count alone; their history is read when somebody opens them.
            _ if head.seq == Seq::ZERO => Seq::ZERO,
            (Some(_), _) => self.before_newest_page(topic).await?,
            (None, _) if common => self.before_newest_page(topic).await?,
            (None, _) => head.seq,
        };
        Ok(TopicState {
            topic: topic.name.clone(),
            epoch: head.epoch,
            seq,
            head: head.seq,
            unread: chat::unread(head, mark),
            recovered: reaches,
        })
    }

    async fn before_newest_page(&self, topic: &Topic) -> Result<Seq, ErrorBody> {
        let page =
            self.local.services.store.read(topic, From::Latest, PAGE, PAGE_BYTES).await.map_err(refused)?;
        Ok(page.events.first().map_or(page.head.seq, |event| Seq(event.seq.0 - 1)))
    }
}
