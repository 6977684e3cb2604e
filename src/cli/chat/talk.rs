//! What was said and who has it, as lines. Knows nothing of connections.

use std::collections::BTreeMap;

use fanfare_client::proto::{
    ConversationId, Epoch, Seq, UnixMs, UserId,
    event::{LogEntry, MemberMark, MessageNew},
};
use time::{OffsetDateTime, macros::format_description};

use crate::cli::link::clean;

/// The conversation, as far as it was shown.
#[derive(Debug)]
pub(super) struct Talk {
    me: UserId,
    rooms: BTreeMap<ConversationId, Room>,
}

#[derive(Debug, Default)]
struct Room {
    /// The life of the log that all else here counts in.
    epoch: Option<Epoch>,
    /// The newest message shown.
    shown: Seq,
    /// The newest of mine.
    mine: Seq,
    /// How far the others are.
    marks: BTreeMap<UserId, Mark>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mark {
    delivered: Seq,
    read: Seq,
    /// The newest message of mine of which it was told.
    told_delivered: Seq,
    told_read: Seq,
}

/// What a receipt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Delivered,
    Read,
}

impl Room {
    /// Forgets all where the log has begun anew. Answers whether there is nothing of it yet.
    fn at(&mut self, epoch: Epoch) -> bool {
        if self.epoch.is_some_and(|known| known != epoch) {
            *self = Self::default();
        }
        self.epoch = Some(epoch);
        self.shown == Seq::ZERO
    }
}

impl Talk {
    pub(super) fn new(me: UserId) -> Self {
        Self { me, rooms: BTreeMap::new() }
    }

    /// Whether the conversation is new to us.
    pub(super) fn add(&mut self, room: ConversationId) -> bool {
        let new = !self.rooms.contains_key(&room);
        self.rooms.entry(room).or_default();
        new
    }

    /// Where messages go. Should there be several conversations, everyone chooses the same.
    pub(super) fn room(&self) -> Option<&ConversationId> {
        self.rooms.keys().next()
    }

    /// Up to where a conversation was shown; `None` if it is another one.
    pub(super) fn shown(&self, room: &ConversationId) -> Option<Seq> {
        self.rooms.get(room).map(|room| room.shown)
    }

    /// The log of a conversation is at this position now. Answers whether that is an earlier one: the server was put
    /// back to what it was, and all that was shown since is of a life that is over.
    pub(super) fn turned_back(&mut self, room: &ConversationId, epoch: Epoch, head: Seq) -> bool {
        let Some(room) = self.rooms.get_mut(room) else {
            return false;
        };
        if head < room.shown {
            *room = Room::default();
        }
        room.at(epoch)
    }

    /// A message as a line, unless it was shown or belongs elsewhere.
    pub(super) fn message(&mut self, entry: &LogEntry, message: &MessageNew, now: UnixMs) -> Option<String> {
        let room = self.rooms.get_mut(&message.conversation_id)?;
        room.at(entry.epoch);
        if entry.seq <= room.shown {
            return None;
        }
        room.shown = entry.seq;
        if entry.by == self.me {
            room.mine = entry.seq;
        }
        Some(format!("{} {}: {}", stamp(entry.at, now), entry.by, clean(&message.text)))
    }

    /// A member has messages up to a position.
    pub(super) fn receipt(&mut self, id: &ConversationId, user: &UserId, seq: Seq, kind: Kind) {
        let (delivered, read) = match kind {
            Kind::Delivered => (seq, Seq::ZERO),
            Kind::Read => (Seq::ZERO, seq),
        };
        self.mark(id, &MemberMark { user_id: user.clone(), delivered, read });
    }

    /// How far a member is.
    pub(super) fn mark(&mut self, id: &ConversationId, member: &MemberMark) {
        if member.user_id == self.me {
            return;
        }
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        let mark = room.marks.entry(member.user_id.clone()).or_default();
        mark.delivered = mark.delivered.max(member.delivered);
        mark.read = mark.read.max(member.read);
    }

    /// What is to be told of the newest message of mine.
    pub(super) fn news(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for room in self.rooms.values_mut().filter(|room| room.mine > Seq::ZERO) {
            for (user, mark) in &mut room.marks {
                if mark.read >= room.mine && mark.told_read < room.mine {
                    (mark.told_read, mark.told_delivered) = (room.mine, room.mine);
                    lines.push(format!("         ✓✓ read by {user}"));
                } else if mark.delivered >= room.mine && mark.told_delivered < room.mine {
                    mark.told_delivered = room.mine;
                    lines.push(format!("         ✓ delivered to {user}"));
                }
            }
        }
        lines
    }
}

/// The time of day (UTC), with the date if it is not today's.
fn stamp(at: UnixMs, now: UnixMs) -> String {
    let date = |at: UnixMs| OffsetDateTime::from_unix_timestamp((at.0 / 1000) as i64).ok();
    let (Some(then), Some(now)) = (date(at), date(now)) else {
        return "-".into();
    };
    let text = if then.date() == now.date() {
        then.format(format_description!("[hour]:[minute]:[second]"))
    } else {
        then.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"))
    };
    text.unwrap_or_else(|_| "-".into())
}

#[cfg(test)]
mod tests {
    use fanfare_client::proto::{ClientId, Epoch, TopicKey, TopicKind, TopicName};

    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).expect("an id")
    }

    fn room(name: &str) -> ConversationId {
        ConversationId::new(name).expect("an id")
    }

    fn say(talk: &mut Talk, by: &str, seq: u64, text: &str) -> Option<String> {
        say_at(talk, by, 1, seq, text)
    }

    fn say_at(talk: &mut Talk, by: &str, epoch: u32, seq: u64, text: &str) -> Option<String> {
        let id = room("c1");
        let entry = LogEntry {
            topic: TopicName { kind: TopicKind::Conversation, key: TopicKey::from(&id) },
            epoch: Epoch(epoch),
            seq: Seq(seq),
            at: UnixMs(1_790_000_000_000),
            by: user(by),
            client_id: ClientId::new("x").expect("an id"),
        };
        let message = MessageNew { conversation_id: id, text: text.into() };
        talk.message(&entry, &message, UnixMs(1_790_000_100_000))
    }

    fn talk() -> Talk {
        let mut talk = Talk::new(user("ann"));
        assert!(talk.add(room("c1")));
        assert!(!talk.add(room("c1")));
        talk
    }

    #[test]
    fn every_message_is_a_line_once() {
        let mut talk = talk();
        assert_eq!(say(&mut talk, "bob", 2, "hi\u{7}").as_deref(), Some("14:13:20 bob: hi\u{fffd}"));
        assert_eq!(say(&mut talk, "bob", 2, "hi"), None);
        assert_eq!(talk.shown(&room("c1")), Some(Seq(2)));
        assert_eq!(talk.shown(&room("c2")), None);
        assert_eq!(stamp(UnixMs(1_790_000_000_000), UnixMs(1_790_090_000_000)), "2026-09-21 14:13:20");
    }

    #[test]
    fn receipts_are_told_once_and_only_of_mine() {
        let (mut talk, c1, bob) = (talk(), room("c1"), user("bob"));
        talk.receipt(&c1, &bob, Seq(1), Kind::Read);
        assert!(talk.news().is_empty());
        say(&mut talk, "ann", 2, "hi");
        assert!(talk.news().is_empty());
        talk.receipt(&c1, &bob, Seq(2), Kind::Delivered);
        assert_eq!(talk.news(), ["         ✓ delivered to bob"]);
        talk.receipt(&c1, &bob, Seq(2), Kind::Read);
        talk.receipt(&c1, &user("ann"), Seq(2), Kind::Read);
        assert_eq!(talk.news(), ["         ✓✓ read by bob"]);
        assert!(talk.news().is_empty());
    }

    #[test]
    fn a_receipt_may_come_before_the_message() {
        let (mut talk, c1) = (talk(), room("c1"));
        talk.receipt(&c1, &user("bob"), Seq(2), Kind::Delivered);
        talk.receipt(&c1, &user("bob"), Seq(2), Kind::Read);
        say(&mut talk, "ann", 2, "hi");
        assert_eq!(talk.news(), ["         ✓✓ read by bob"]);
    }

    #[test]
    fn another_life_of_the_log_is_another_log() {
        let (mut talk, c1, bob) = (talk(), room("c1"), user("bob"));
        say(&mut talk, "ann", 31, "lost");
        talk.receipt(&c1, &bob, Seq(31), Kind::Read);
        talk.news();
        assert!(!talk.turned_back(&c1, Epoch(1), Seq(31)));
        assert!(talk.turned_back(&c1, Epoch(2), Seq(11)));
        assert!(say_at(&mut talk, "ann", 2, 12, "again").is_some());
        assert!(talk.news().is_empty(), "whom it was read by then says nothing of now");
        talk.receipt(&c1, &bob, Seq(12), Kind::Read);
        assert_eq!(talk.news(), ["         ✓✓ read by bob"]);
        // A copy of a database that was put back as it was keeps its epoch.
        assert!(talk.turned_back(&c1, Epoch(2), Seq(3)));
        assert!(say_at(&mut talk, "bob", 2, 4, "hi").is_some());
        // Nobody told before the first message came.
        assert!(say_at(&mut talk, "bob", 3, 1, "hi").is_some());
    }

    #[test]
    fn of_several_conversations_everyone_chooses_the_same() {
        let mut talk = talk();
        talk.add(room("b9"));
        assert_eq!(talk.room(), Some(&room("b9")));
    }
}
