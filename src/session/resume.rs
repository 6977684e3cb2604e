//! Where a device stands in its topics, and what it missed.
//!
//! The connection has joined the hub before this runs, so what is published meanwhile is noted by the shard; placing
//! a topic then catches up to whatever was seen.

use std::{rc::Rc, time::Duration};

use fanfare_proto::{
    CloseCode, ErrorBody, ErrorCode, Lane, Seq, TopicKind,
    event::{self, TopicState, Topics, name},
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use super::{Session, hearing::Part};
use crate::{
    domain::{chat, notice},
    error::refused,
    id::Topic,
    limit::LogLimiter,
    store::{From, Head, Mark},
    time::Clock,
};

/// Conversations that are looked up in one turn. A user may have any number of them: the next ones take the next turn.
const CONVERSATIONS: usize = 500;

/// Topics in one event: at about 250 bytes each they fit in one frame.
const TOPICS_PER_EVENT: usize = 100;

/// Events of the newest page, which a device gets that cannot be given all.
const PAGE: usize = 50;
const PAGE_BYTES: usize = 64 * 1024;

/// Such pages that are read at once: one after another, a hundred of a store that is slow would never be read in a turn.
const READS: usize = 8;

/// Every connection may fail at once.
static FAILED: LogLimiter = LogLimiter::new();

impl Session {
    /// Resumes what is to be resumed, by a task of its own: where many return at once it waits for its turn, and the
    /// connection's requests do not.
    pub(super) fn come_back(self: &Rc<Self>) {
        if !self.resuming.replace(true) {
            tokio::task::spawn_local(self.clone().resume_or_close());
        }
    }

    async fn resume_or_close(self: Rc<Self>) {
        let resumed = tokio::select! {
            biased;
            _ = self.outbox.closed() => return,
            resumed = self.resume() => resumed,
        };
        if let Err(error) = resumed {
            if let Some(left_out) = FAILED.allow(Clock::system().elapsed()) {
                tracing::warn!(%error, left_out, "a connection could not be resumed");
            }
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

    /// Tells the device where it stands in each topic, then sends what it missed. Rights may come and go meanwhile.
    async fn resume(&self) -> Result<(), ErrorBody> {
        let mut more = true;
        loop {
            let part = self.unresumed.borrow_mut().pop_first();
            match part {
                Some(Part::Notices) => {
                    self.resume_notices().await?;
                    more = true;
                }
                Some(Part::Conversations) => more = !self.resume_conversations().await?,
                None if more => {
                    self.tell(&[], false).await;
                    more = false;
                }
                None => break,
            }
        }
        self.resuming.set(false);
        self.local.shard.placed(self.member());
        Ok(())
    }

    /// Whether a kind is heard, and has been since a moment, as what this answers tells when it is asked again.
    fn hears_on(&self, kind: TopicKind) -> impl Fn() -> bool {
        let member = self.member().clone();
        let term = member.term(kind);
        move || term.is_some() && member.term(kind) == term
    }

    async fn resume_notices(&self) -> Result<(), ErrorBody> {
        let goes_on = self.hears_on(TopicKind::Notice);
        let topics = notice::topics(&self.identity().org);
        let states = self.in_turn(Lane::Urgent, self.states_of(&topics, true)).await?;
        if goes_on() {
            let told = states.iter().filter(|state| state.topic.kind.lane() == Lane::Ordered);
            *self.told.borrow_mut() = told.map(|state| (state.topic.clone(), state.epoch)).collect();
            self.tell(&states, true).await;
        }
        if goes_on() {
            self.place(&topics, &states);
        }
        Ok(())
    }

    /// Answers whether the device was told of the last of them: otherwise they are heard no longer.
    async fn resume_conversations(&self) -> Result<bool, ErrorBody> {
        let goes_on = self.hears_on(TopicKind::Conversation);
        let services = &*self.local.services;
        let identity = self.identity();
        let (org, user) = (&identity.org, &identity.user);
        let mut after = None;
        while goes_on() {
            let page = async {
                let topics = chat::topics_of(services, org, user, after.as_ref(), CONVERSATIONS).await?;
                let states = self.states_of(&topics, false).await?;
                Ok((topics, states))
            };
            let (topics, states) = self.in_turn(Lane::Ordered, page).await?;
            let more = topics.len() == CONVERSATIONS;
            if goes_on() {
                self.tell(&states, more).await;
            }
            if goes_on() {
                self.place(&topics, &states);
                if !more {
                    return Ok(true);
                }
            }
            after = topics.into_iter().next_back();
        }
        Ok(false)
    }

    /// Where the device stands in some topics.
    async fn states_of(&self, topics: &[Topic], common: bool) -> Result<Vec<TopicState>, ErrorBody> {
        let services = &*self.local.services;
        let heads = services.store.heads(topics).await.map_err(refused)?;
        let marks = services.store.marks_of(&self.identity().user, topics).await.map_err(refused)?;
        let all = topics.iter().zip(&heads).zip(&marks);
        let states = all.map(|((topic, head), mark)| self.state_of(topic, head, mark, common));
        stream::iter(states).buffered(READS).try_collect().await
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
        common: bool,
    ) -> Result<TopicState, ErrorBody> {
        let services = &*self.local.services;
        // It is told once. Where the right to hear of the topic ends and begins anew, the client compares.
        let cursor = self.cursors.borrow_mut().remove(&topic.name);
        let reaches = cursor.as_ref().map(|cursor| {
            let missed = head.seq.0.checked_sub(cursor.seq.0);
            cursor.epoch == head.epoch
                && cursor.seq.next() >= head.first
                && missed.is_some_and(|missed| missed <= services.config.limits.resume_events)
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
            unread: chat::unread(services, topic, head, mark).await?,
            recovered: reaches,
        })
    }

    async fn before_newest_page(&self, topic: &Topic) -> Result<Seq, ErrorBody> {
        let page =
            self.local.services.store.read(topic, From::Latest, PAGE, PAGE_BYTES).await.map_err(refused)?;
        Ok(page.events.first().map_or(page.head.seq, |event| Seq(event.seq.0 - 1)))
    }
}
