//! Conversations, small and large.

pub(crate) mod conversations;
pub(crate) mod large_groups;
