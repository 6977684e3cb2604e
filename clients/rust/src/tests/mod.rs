//! Tests of the client against transports that are queues in this process. Time is paused: it passes only where
//! everybody waits.

mod discards;
mod fake;
mod life;
mod loss;
mod places;
mod requests;
mod resume;
mod server;
