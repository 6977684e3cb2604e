//! How often something may happen, and how many may wait. Numbers and time only: whose they are, [`crowd`](crate::crowd)
//! knows.

mod bucket;
mod lobby;
mod meter;
mod repeats;
mod table;
mod throttled_log;

pub use bucket::Bucket;
pub use lobby::{Lobby, Seat};
pub use meter::{Meter, Rate};
pub use repeats::Repeats;
pub use table::{Rests, Table};
pub use throttled_log::LogLimiter;
