//! Positions: live, stored, and by department.

pub(crate) mod departments;
pub(crate) mod device_clocks;
pub(crate) mod device_fixes;
pub(crate) mod live;
pub(crate) mod window;
