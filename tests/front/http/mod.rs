//! The HTTP side: access, public addresses, the map's tiles.

pub(crate) mod access;
pub(crate) mod public_address;
pub(crate) mod tiles;
