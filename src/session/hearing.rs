//! What a connection is sent without asking for it, as far as its token grants it.

use std::rc::Rc;

use fanfare_proto::{
    ErrorCode, Lane, TopicKind,
    event::{self, TopicsEnded, name},
};

use super::Session;
use crate::auth::{
    Identity,
    policy::{self, Action},
};

/// What is granted together, in the order in which it is resumed: urgent notices must not wait for a long list of
/// conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// What everyone of the organisation is told.
    Notices,
    /// The user's conversations.
    Conversations,
}

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Notices, Self::Conversations];

    const fn action(self) -> Action {
        match self {
            Self::Notices => Action::HearNotices,
            Self::Conversations => Action::Converse,
        }
    }

    pub(super) const fn kinds(self) -> &'static [TopicKind] {
        match self {
            Self::Notices => &[TopicKind::UrgentNotice, TopicKind::Notice],
            Self::Conversations => &[TopicKind::Conversation],
        }
    }

    /// Those that somebody may hear.
    pub(super) fn of(identity: &Identity) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|part| policy::may(identity, part.action()))
    }
}

impl Session {
    /// Ends what other rights no longer grant, and says so; begins what they grant besides.
    pub(super) fn rehear(self: &Rc<Self>, rights: &Identity) {
        let member = self.member();
        let granted: Vec<Part> = Part::of(rights).collect();
        let mut ended = Vec::new();
        for part in Part::ALL {
            let hears = part.kinds().iter().any(|kind| member.term(*kind).is_some());
            if hears && !granted.contains(&part) {
                part.kinds().iter().for_each(|kind| member.deafen(*kind));
                self.unresumed.borrow_mut().remove(&part);
                ended.extend_from_slice(part.kinds());
            } else if !hears && granted.contains(&part) {
                part.kinds().iter().for_each(|kind| member.hear(*kind));
                self.unresumed.borrow_mut().insert(part);
            }
        }
        if !ended.is_empty() {
            let error = ErrorCode::Unauthorized.with("your rights no longer allow it");
            let text = event::write(name::TOPICS_ENDED, None, &TopicsEnded { kinds: ended, error });
            self.outbox.push(Lane::Ordered, text.into());
        }
        if !self.unresumed.borrow().is_empty() {
            self.come_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_clients_are_sent_is_of_one_part() {
        for kind in TopicKind::ALL {
            let parts = Part::ALL.into_iter().filter(|part| part.kinds().contains(&kind)).count();
            assert_eq!(parts, usize::from(kind != TopicKind::Revocation), "{kind:?}");
        }
    }
}
