//! The server replaced, its database away, and many clients at once.

pub(crate) mod database_outage;
pub(crate) mod herd;
pub(crate) mod rolling;
