//! Who gets in, what they may do, and what attacks cost.

pub(crate) mod attacks;
pub(crate) mod audit;
pub(crate) mod claims;
pub(crate) mod client_addresses;
pub(crate) mod connection_pressure;
pub(crate) mod forged_tokens;
pub(crate) mod forwarded;
pub(crate) mod invalid_input;
pub(crate) mod isolation;
pub(crate) mod issuer_keys;
pub(crate) mod log_lines;
pub(crate) mod revocation;
pub(crate) mod slowloris;
