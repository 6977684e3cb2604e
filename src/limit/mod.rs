//! How often something may happen, and how many may wait. Numbers and time only: whose they are, [`crowd`](crate::crowd)
//! knows.

mod bucket;
mod lobby;
mod log_limiter;
mod meter;
mod table;

pub use bucket::Bucket;
pub use lobby::{Lobby, Seat};
pub use log_limiter::LogLimiter;
pub use meter::{Meter, Rate};
pub use table::{Rests, Table};
