//! What other nodes list, and what this one lists for them.

use std::{collections::BTreeSet, sync::Arc};

use fanfare_proto::{UnixMs, UserId};

use super::{
    super::{
        pages::Listed,
        person::{Elsewhere, Person, last_of},
    },
    Table,
};

/// A page of another node.
#[derive(Debug, Default)]
pub(super) struct Heard {
    version: u64,
    people: Vec<UserId>,
}

impl Table {
    /// What another node lists on one of its pages. Nothing older than what was heard before counts.
    pub(in super::super) fn heard(&self, node: &Arc<str>, page: u16, version: u64, people: Vec<Listed>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let known = state.nodes.entry(node.clone()).or_default().entry(page).or_default();
        if known.version >= version {
            return;
        }
        let mut changed: BTreeSet<UserId> = std::mem::take(&mut known.people).into_iter().collect();
        *known = Heard { version, people: people.iter().map(|listed| listed.user.clone()).collect() };
        for user in &changed {
            if let Some(person) = state.people.get_mut(user) {
                person.elsewhere.retain(|there| there.node != *node || there.page != page);
            }
        }
        for listed in people {
            let text = listed.text();
            let Some(person) = state.person(&listed.user, self.limit) else { continue };
            person.last_seen = person.last_seen.max(listed.seen);
            person.text = std::mem::take(&mut person.text).max(text);
            let Listed { user, devices, in_call, .. } = listed;
            if in_call || !devices.is_empty() {
                person.elsewhere.push(Elsewhere { node: node.clone(), page, devices, in_call });
            }
            changed.insert(user);
        }
        for user in changed {
            // What a device here is by that is told on, what others say of theirs is not.
            if state.people.get_mut(&user).is_some_and(Person::adopt) {
                state.renew(&user, &self.metrics);
            } else {
                state.show(&user, &self.metrics);
            }
        }
    }

    /// A node is gone: what it knew of people was right until `seen`.
    pub(in super::super) fn forget_node(&self, node: &str, seen: UnixMs) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(pages) = state.nodes.remove(node) else { return };
        for user in pages.into_values().flat_map(|page| page.people) {
            let Some(person) = state.people.get_mut(&user) else { continue };
            for there in person.elsewhere.extract_if(.., |there| *there.node == *node) {
                person.last_seen = person.last_seen.max(last_of(&there.devices, seen));
            }
            state.show(&user, &self.metrics);
        }
    }

    /// The pages that have changed since the last call.
    pub(in super::super) fn take_changed_pages(&self) -> Vec<(u16, Vec<Listed>)> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let pages = state.pages.take_changed();
        let listed = |user: &UserId| Some(Listed::new(user, state.people.get(user)?));
        pages
            .into_iter()
            .map(|page| (page, state.pages.of(page).iter().filter_map(listed).collect()))
            .collect()
    }

    /// A page could not be stored.
    pub(in super::super) fn page_failed(&self, page: u16) {
        self.lock().pages.changed(page);
    }

    /// What this node listed is no longer stored.
    pub(in super::super) fn all_pages_lost(&self) {
        self.lock().pages.all_changed();
    }

    /// Whether nobody is listed for the other nodes.
    pub(in super::super) fn lists_nobody(&self) -> bool {
        self.lock().pages.nobody()
    }
}
