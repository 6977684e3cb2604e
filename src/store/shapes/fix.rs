//! Fixes of agents.

use std::collections::BTreeMap;

use crate::id::Tenant;
use fanfare_proto::{Fix, UnixMs, UserId};
use serde::{Deserialize, Serialize};

/// How long a fix is kept: fixes of a class go together, so a backend keeps them in tables of their own. A backend stores
/// the name, so names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixClass {
    /// For a short time.
    Short,
    /// As usual.
    #[default]
    Standard,
    /// For a long time.
    Long,
}

impl FixClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Short, Self::Standard, Self::Long];

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Standard => "standard",
            Self::Long => "long",
        }
    }

    /// The class with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// A fix of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFix {
    /// The tenant.
    pub org: Tenant,
    /// Who was there.
    pub agent: UserId,
    /// Tells an agent's devices apart.
    pub source: u32,
    /// How long it is kept.
    pub class: FixClass,
    /// The fix.
    pub fix: Fix,
}

impl StoredFix {
    /// Its place in the agent's track.
    pub const fn key(&self) -> FixKey {
        FixKey { time: self.fix.time, source: self.source, counter: self.fix.counter }
    }
}

/// The order of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixKey {
    /// When the fix was taken.
    pub time: UnixMs,
    /// Which device took it.
    pub source: u32,
    /// The device's counter.
    pub counter: u64,
}

impl FixKey {
    /// After every fix.
    pub(crate) const END: Self =
        Self { time: UnixMs(u64::MAX), source: u32::MAX, counter: i64::MAX.cast_unsigned() };

    /// Tables hold counters as signed numbers, so that is the order of a track.
    const fn order(self) -> (UnixMs, u32, i64) {
        (self.time, self.source, self.counter.cast_signed())
    }
}

/// One track of those of several classes: the first `limit` fixes. A fix that two classes hold, as its class was changed
/// before it was sent again, comes once.
pub(in crate::store) fn merged(
    tracks: impl IntoIterator<Item = Vec<StoredFix>>,
    limit: usize,
) -> Vec<StoredFix> {
    let mut fixes: Vec<_> = tracks.into_iter().flatten().collect();
    fixes.sort_by_key(|fix| fix.key().order());
    fixes.dedup_by_key(|fix| fix.key());
    fixes.truncate(limit);
    fixes
}

/// The newest fix of each agent, of those of several classes; by agent.
pub(in crate::store) fn newest(fixes: impl IntoIterator<Item = StoredFix>) -> Vec<StoredFix> {
    let mut newest: BTreeMap<UserId, StoredFix> = BTreeMap::new();
    for fix in fixes {
        if newest.get(&fix.agent).is_none_or(|newest| newest.key() < fix.key()) {
            newest.insert(fix.agent.clone(), fix);
        }
    }
    newest.into_values().collect()
}

/// A place in a window: everything before it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowKey {
    /// The UTC day, since 1970-01-01.
    pub day: u64,
    /// The agent whose fixes come next on that day, and the last one of them that was read; `None`: the day's first agent.
    pub at: Option<(UserId, FixKey)>,
}

/// Part of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The fixes, by day, then by agent, then as in a track.
    pub fixes: Vec<StoredFix>,
    /// Where to go on; `None`: that was all.
    pub next: Option<WindowKey>,
}
