//! One person: the devices here and at other nodes, made into what others see.

use std::sync::Arc;

use fanfare_proto::{
    UnixMs, UserId,
    presence::{Availability, Presence, Status},
};
use serde::{Deserialize, Serialize};

use crate::time::Elapsed;

/// A device, or a connection that named none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Device {
    /// Tells a user's devices apart.
    #[serde(rename = "k")]
    pub(super) key: u32,
    /// What it says of itself.
    #[serde(rename = "a")]
    pub(super) availability: Availability,
    /// Its newest connection began then. Of a device that two nodes know, the one that has it since later is right.
    #[serde(rename = "b")]
    pub(super) since: UnixMs,
    /// Its last connection ended then, and it may be back within the grace.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<UnixMs>,
    /// The same on this node's monotonic clock, by which the grace is counted.
    #[serde(skip)]
    pub(super) left_at: Option<Elapsed>,
    /// Connections that are open here.
    #[serde(skip)]
    pub(super) connections: u32,
    /// It has said nothing since it came: it is what it was when it had come then, 0 where that is not known. `None`: it is
    /// what it says.
    #[serde(skip)]
    pub(super) was_since: Option<UnixMs>,
}

impl Device {
    /// What it is when it comes back. Who said goodbye is there again.
    fn back(&self) -> Availability {
        match self.availability {
            Availability::Offline => Availability::default(),
            other => other,
        }
    }
}

/// What another node says of somebody.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// Which node.
    pub(super) node: Arc<str>,
    /// On which of its pages.
    pub(super) page: u16,
    pub(super) devices: Vec<Device>,
    pub(super) in_call: bool,
}

/// What somebody shows beside the name, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text {
    /// The later one holds, on every node alike.
    pub(super) at: UnixMs,
    pub(super) text: Box<str>,
}

/// What others were told last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) status: Status,
    pub(super) text_at: UnixMs,
    pub(super) last_seen: UnixMs,
}

/// Somebody who is or was there.
#[derive(Debug, Default)]
pub(super) struct Person {
    /// Devices of this node.
    pub(super) here: Vec<Device>,
    pub(super) elsewhere: Vec<Elsewhere>,
    /// Calls that this node knows of.
    pub(super) calls: u32,
    pub(super) text: Text,
    /// When a device that wanted to be seen went away; 0: never.
    pub(super) last_seen: UnixMs,
    /// `last_seen` is not in the store yet.
    pub(super) unsaved: bool,
    /// Where this node lists them for the others.
    pub(super) page: Option<u16>,
    pub(super) shown: Shown,
    /// Of what was shown last; 0: nothing yet.
    pub(super) version: u64,
}

impl Person {
    /// The highest that any device is, with calls above all; but nothing without a device that wants to be seen.
    pub(super) fn status(&self) -> Status {
        let newest = self.devices().filter(|device| self.is_newest(device));
        let best = newest.map(|device| Status::from(device.availability)).max().unwrap_or_default();
        let in_call = self.calls > 0 || self.elsewhere.iter().any(|there| there.in_call);
        if in_call && best > Status::Offline { Status::InCall } else { best }
    }

    /// A connection of a device begins. It is what it was where it was last, here or elsewhere.
    pub(super) fn arrive(&mut self, key: u32, now: UnixMs) {
        let last = self.devices().filter(|device| device.key == key).max_by_key(|device| device.since);
        let availability = last.map(Device::back).unwrap_or_default();
        let was_since = last.map_or(UnixMs(0), |last| last.since);
        // Also by a clock that is behind.
        let since = now.max(was_since.plus(1));
        let was_since = Some(was_since);
        let new = Device { key, availability, since, left: None, left_at: None, connections: 1, was_since };
        match self.here.iter_mut().find(|device| device.key == key) {
            Some(device) => *device = Device { connections: device.connections + 1, ..new },
            None => self.here.push(new),
        }
    }

    /// What a device was is also heard after it has come back. Answers whether one is something else by that. Of two nodes
    /// only the one that has it later takes over what the other says, so they cannot go on for ever.
    pub(super) fn adopt(&mut self) -> bool {
        let mut changed = false;
        for device in &mut self.here {
            let Some(known) = device.was_since else { continue };
            let there = self.elsewhere.iter().flat_map(|there| &there.devices);
            let before = there.filter(|there| there.key == device.key && there.since < device.since);
            let Some(last) = before.max_by_key(|there| there.since).filter(|last| last.since >= known) else {
                continue;
            };
            device.was_since = Some(last.since);
            changed |= std::mem::replace(&mut device.availability, last.back()) != device.availability;
        }
        changed
    }

    /// What others are to be shown.
    pub(super) fn showing(&self) -> Shown {
        let status = self.status();
        let last_seen = if status == Status::Offline { self.last_seen } else { UnixMs(0) };
        Shown { status, text_at: self.text.at, last_seen }
    }

    /// What others were shown.
    pub(super) fn presence(&self, user: &UserId) -> Presence {
        let last_seen = self.shown.last_seen;
        Presence {
            user_id: user.clone(),
            status: self.shown.status,
            text: self.text.text.to_string(),
            last_seen: (last_seen > UnixMs(0)).then_some(last_seen),
            version: self.version,
        }
    }

    fn devices(&self) -> impl Iterator<Item = &Device> {
        self.here.iter().chain(self.elsewhere.iter().flat_map(|there| &there.devices))
    }

    fn is_newest(&self, device: &Device) -> bool {
        !self.devices().any(|other| other.key == device.key && other.since > device.since)
    }
}

/// Somebody whom no server has seen, or who is of another organisation.
pub(super) fn stranger(user: &UserId) -> Presence {
    Presence {
        user_id: user.clone(),
        status: Status::Offline,
        text: String::new(),
        last_seen: None,
        version: 0,
    }
}

/// When the last of a dead node's devices was there. Those that were connected were until the node was last heard.
pub(super) fn last_of(devices: &[Device], seen: UnixMs) -> UnixMs {
    let visible = devices.iter().filter(|device| device.availability != Availability::Offline);
    visible.map(|device| device.left.unwrap_or(seen)).max().unwrap_or_default()
}

/// Bytes of a presence as JSON, at most. A text is no longer than it may be in JSON.
pub(super) fn json_size(presence: &Presence) -> usize {
    let text = if presence.text.is_empty() { 0 } else { fanfare_proto::presence::MAX_STATUS_TEXT };
    128 + presence.user_id.as_str().len() + text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(key: u32, availability: Availability, since: u64) -> Device {
        Device {
            key,
            availability,
            since: UnixMs(since),
            left: None,
            left_at: None,
            connections: 1,
            was_since: None,
        }
    }

    fn of(devices: &[Device]) -> Person {
        Person { here: devices.to_vec(), ..Person::default() }
    }

    #[test]
    fn the_highest_device_counts() {
        use Availability::{Away, Busy, Offline, Online};
        let cases: [(&[Availability], Status); 6] = [
            (&[], Status::Offline),
            (&[Offline], Status::Offline),
            (&[Offline, Away], Status::Away),
            (&[Away, Online], Status::Online),
            (&[Online, Busy, Away], Status::Busy),
            (&[Away, Away], Status::Away),
        ];
        for (said, expected) in cases {
            let devices: Vec<Device> = (0..).zip(said).map(|(key, a)| device(key, *a, 1)).collect();
            assert_eq!(of(&devices).status(), expected, "{said:?}");
        }
    }

    #[test]
    fn a_call_is_above_all_but_needs_somebody_who_is_there() {
        let mut person = of(&[device(1, Availability::Busy, 1)]);
        person.calls = 1;
        assert_eq!(person.status(), Status::InCall);
        person.here[0].availability = Availability::Offline;
        assert_eq!(person.status(), Status::Offline);
        person.here.clear();
        assert_eq!(person.status(), Status::Offline);
    }

    /// A device that has moved to another node: what the old node still says of it does not count.
    #[test]
    fn of_one_device_on_two_nodes_the_later_counts() {
        let mut person = of(&[device(1, Availability::Busy, 10)]);
        let there = vec![device(1, Availability::Away, 20)];
        person.elsewhere.push(Elsewhere { node: "b".into(), page: 0, devices: there, in_call: false });
        assert_eq!(person.status(), Status::Away);
        person.elsewhere[0].devices[0].since = UnixMs(5);
        assert_eq!(person.status(), Status::Busy);
    }
}
