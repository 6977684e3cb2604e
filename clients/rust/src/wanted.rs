//! What is followed, to ask for it again: after a reconnect, and where the server has ended it. No I/O.

use std::collections::BTreeMap;

use fanfare_proto::command::{Channel, Subscribe};

/// The last granted wish of each channel. By channel, so that none is lost or begun anew with another.
#[derive(Debug, Default)]
pub(crate) struct Wanted(BTreeMap<Channel, Subscribe>);

impl Wanted {
    /// The server granted these. One that was followed before is followed so from now on.
    pub(crate) fn add(&mut self, granted: Subscribe) {
        let Subscribe { channels, department_id, users } = granted;
        for channel in channels {
            let (department_id, users) = match channel {
                Channel::Locations => (department_id.clone(), None),
                Channel::Presence => (None, users.clone()),
            };
            self.0.insert(channel, Subscribe { channels: vec![channel], department_id, users });
        }
    }

    /// These are followed no longer.
    pub(crate) fn remove(&mut self, channels: &[Channel]) {
        self.0.retain(|channel, _| !channels.contains(channel));
    }

    /// Which channels are followed.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        self.0.keys().copied().collect()
    }

    /// What to ask for to follow a channel as before.
    pub(crate) fn get(&self, channel: Channel) -> Option<&Subscribe> {
        self.0.get(&channel)
    }
}
