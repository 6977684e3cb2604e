//! Which news of presence holds. No I/O.

use std::collections::HashMap;

use fanfare_proto::{
    UserId,
    event::Subscription,
    presence::{Presence, PresenceChanged, PresenceSnapshot},
};

use crate::Event;

/// Most users whose versions are kept. Of those beyond, everything is told as it comes.
const MAX_VERSIONS: usize = 100_000;

/// The view that is watched, and the newest version told of each user.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    view: Option<u32>,
    versions: HashMap<UserId, u64>,
    /// Nothing of this view has been told yet.
    fresh: bool,
}

impl Watched {
    /// The server granted the channel: versions count from anew, also where the view has the same number.
    pub(crate) fn begin(&mut self, subscription: &Subscription) {
        *self = Self { view: Some(subscription.view), versions: HashMap::new(), fresh: true };
    }

    /// Nobody is watched any more: the application is told so where it did not ask for it.
    pub(crate) fn end(&mut self) -> Option<Event> {
        let view = std::mem::take(self).view?;
        let part = PresenceSnapshot { view, users: Vec::new(), more: false };
        Some(Event::PresenceSnapshot { anew: true, part })
    }

    /// A part of who is there. `None` of another view: it was on its way when that was replaced.
    pub(crate) fn snapshot(&mut self, mut part: PresenceSnapshot) -> Option<Event> {
        self.is_current(part.view).then(|| {
            part.users.retain(|user| self.is_newest(user));
            Event::PresenceSnapshot { anew: std::mem::take(&mut self.fresh), part }
        })
    }

    /// Who has changed. `None` where that is nobody.
    pub(crate) fn changed(&mut self, mut changed: PresenceChanged) -> Option<Event> {
        if !self.is_current(changed.view) {
            return None;
        }
        changed.users.retain(|user| self.is_newest(user));
        (!changed.users.is_empty()).then_some(Event::PresenceChanged(changed))
    }

    /// Whether this is the view that is watched.
    pub(crate) fn is_current(&self, view: u32) -> bool {
        self.view == Some(view)
    }

    /// Whether nothing newer was told, and keeps that this is.
    fn is_newest(&mut self, user: &Presence) -> bool {
        if let Some(told) = self.versions.get_mut(&user.user_id) {
            let newest = *told <= user.version;
            *told = (*told).max(user.version);
            return newest;
        }
        if self.versions.len() < MAX_VERSIONS {
            self.versions.insert(user.user_id.clone(), user.version);
        }
        true
    }
}
