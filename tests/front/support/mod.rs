//! What the tests share: servers, clients on both transports, tokens, stores and networks that misbehave.

pub(crate) mod client;
pub(crate) mod entry_points;
pub(crate) mod harness;
pub(crate) mod issuer;
#[path = "../../cassandra/node.rs"]
pub(crate) mod node;
pub(crate) mod scheduler_lag;
pub(crate) mod slow_reader;
pub(crate) mod store;
pub(crate) mod store_proxy;
pub(crate) mod udp_proxy;
pub(crate) mod until;
