//! How long things are kept.

use fanfare_proto::OrgId;
use serde::Deserialize;

use super::{Invalid, require, within};
use crate::store::FixClass;

/// See [`Config::retention`](super::Config::retention).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days that conversations are kept.
    pub conversation_days: u32,
    /// Days that notices are kept.
    pub notice_days: u32,
    /// Days that fixes are kept. Older ones are refused.
    pub fix_days: u32,
    /// Days that it is known of somebody when they were last there.
    pub presence_days: u32,
    /// The same as `fix_days` for those of the organisations in `short_fix_organisations`.
    pub short_fix_days: u32,
    /// The same for those of the organisations in `long_fix_organisations`.
    pub long_fix_days: u32,
    /// Days that a revocation stands at most. More than any token lasts.
    pub revocation_days: u32,
    /// Organisations whose agents' fixes are kept for a short time.
    pub short_fix_organisations: Vec<OrgId>,
    /// Organisations whose agents' fixes are kept for a long time.
    pub long_fix_organisations: Vec<OrgId>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            conversation_days: 365,
            notice_days: 7,
            fix_days: 30,
            presence_days: 90,
            short_fix_days: 7,
            long_fix_days: 365,
            revocation_days: 366,
            short_fix_organisations: Vec::new(),
            long_fix_organisations: Vec::new(),
        }
    }
}

impl Retention {
    /// What class the fixes of an organisation's agents are of.
    pub fn fix_class(&self, org: &OrgId) -> FixClass {
        if self.short_fix_organisations.contains(org) {
            FixClass::Short
        } else if self.long_fix_organisations.contains(org) {
            FixClass::Long
        } else {
            FixClass::Standard
        }
    }

    /// Days that fixes of a class are kept.
    pub const fn days_of(&self, class: FixClass) -> u32 {
        match class {
            FixClass::Short => self.short_fix_days,
            FixClass::Standard => self.fix_days,
            FixClass::Long => self.long_fix_days,
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        // Nothing is kept for no time: all that there is would be deleted at the next start. And what expires after
        // January 2038 is beyond the databases' times to live.
        for (key, days) in [
            ("retention.conversation_days", self.conversation_days),
            ("retention.notice_days", self.notice_days),
            ("retention.fix_days", self.fix_days),
            ("retention.short_fix_days", self.short_fix_days),
            ("retention.long_fix_days", self.long_fix_days),
            ("retention.presence_days", self.presence_days),
            ("retention.revocation_days", self.revocation_days),
        ] {
            within(days, 1..=3_650, key)?;
        }
        require(
            !self.long_fix_organisations.iter().any(|org| self.short_fix_organisations.contains(org)),
            "retention.long_fix_organisations",
            "others than retention.short_fix_organisations",
        )
    }
}
