//! Whom this node lists for the others, page by page: a page is what is written to the store at once, so that ten
//! thousand who connect in a second cost a hundred writes, and one who changes costs one small one.

use std::collections::BTreeSet;

use fanfare_proto::{OrgId, UnixMs, UserId};
use serde::{Deserialize, Serialize};

use super::person::{Device, Person, Text};
use crate::id::Tenant;

/// People of a page.
const PAGE: usize = 100;

/// Somebody as a node lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "u")]
    pub(super) user: UserId,
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) devices: Vec<Device>,
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) in_call: bool,
    /// When they were last seen; 0 where it is not known.
    #[serde(rename = "s", default)]
    pub(super) seen: UnixMs,
    #[serde(rename = "t", default, skip_serializing_if = "str::is_empty")]
    text: Box<str>,
    #[serde(rename = "ta", default)]
    text_at: UnixMs,
}

impl Listed {
    pub(super) fn new(user: &UserId, person: &Person) -> Self {
        Self {
            user: user.clone(),
            devices: person.here.clone(),
            in_call: person.calls > 0,
            seen: person.last_seen,
            text: person.text.text.clone(),
            text_at: person.text.at,
        }
    }

    pub(super) fn text(&self) -> Text {
        Text { at: self.text_at, text: self.text.clone() }
    }
}

/// What a page is called among those of a node. No id has a slash, and pages sort by their number.
pub(super) fn key_of(org: &Tenant, page: u16) -> String {
    format!("{org}/{page:05}")
}

/// Whose page it is, and which.
pub(super) fn parse_key(key: &str) -> Option<(Tenant, u16)> {
    let (org, page) = key.split_once('/')?;
    Some((Tenant::stored(OrgId::new(org).ok()?), page.parse().ok()?))
}

/// The pages of one organisation.
#[derive(Debug, Default)]
pub(super) struct Pages {
    people: Vec<Vec<UserId>>,
    /// Those that have room.
    room: BTreeSet<u16>,
    changed: BTreeSet<u16>,
    listed: usize,
}

impl Pages {
    /// Lists somebody on a page with room.
    pub(super) fn add(&mut self, user: &UserId) -> u16 {
        let page = self.room.first().copied().unwrap_or_else(|| {
            self.people.push(Vec::new());
            let page = (self.people.len() - 1) as u16;
            self.room.insert(page);
            page
        });
        let users = &mut self.people[usize::from(page)];
        users.push(user.clone());
        if users.len() == PAGE {
            self.room.remove(&page);
        }
        self.listed += 1;
        self.changed.insert(page);
        page
    }

    /// Lists somebody no longer. What is stored may name them until the page changes for another reason.
    pub(super) fn remove(&mut self, page: u16, user: &UserId) {
        let users = &mut self.people[usize::from(page)];
        let before = users.len();
        users.retain(|other| other != user);
        self.listed -= before - users.len();
        self.room.insert(page);
    }

    pub(super) fn of(&self, page: u16) -> &[UserId] {
        &self.people[usize::from(page)]
    }

    pub(super) fn changed(&mut self, page: u16) {
        self.changed.insert(page);
    }

    pub(super) fn all_changed(&mut self) {
        self.changed.extend((0..).zip(&self.people).map(|(page, _)| page));
    }

    pub(super) fn take_changed(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn nobody(&self) -> bool {
        self.listed == 0
    }

    /// Whether nobody is listed, and all that was has been told.
    pub(super) fn is_empty(&self) -> bool {
        self.nobody() && self.changed.is_empty()
    }
}
