//! A connection from its first moment to its end, and its resume.

pub(crate) mod auto_subscriptions;
pub(crate) mod cancel_safety;
pub(crate) mod clock_steps;
pub(crate) mod closing;
pub(crate) mod compression;
pub(crate) mod drain;
pub(crate) mod lanes;
pub(crate) mod limits;
pub(crate) mod resume;
pub(crate) mod resume_large;
pub(crate) mod rights_change;
pub(crate) mod token;
pub(crate) mod transport;
