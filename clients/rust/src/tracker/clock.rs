//! Times of a device whose clock is wrong. Rules without I/O.

use fanfare_proto::UnixMs;

use crate::clock::WRONG_MS;

/// A sample this near to the device's clock, in milliseconds, was given its time by that clock.
const FRESH_MS: u64 = 5_000;

/// The time of a sample by the server's clock, where the device's clock gave it and is wrong. Times of another source, as of a
/// satellite receiver, are nearer to the server's clock and stay; so do those of samples that are recorded late.
pub(super) fn corrected(time: UnixMs, device: UnixMs, server: UnixMs) -> UnixMs {
    if time.0.abs_diff(device.0) > FRESH_MS || device.0.abs_diff(server.0) <= WRONG_MS {
        return time;
    }
    let ahead = server.0 as i64 - device.0 as i64;
    UnixMs(time.0.saturating_add_signed(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_of_a_wrong_clock_are_corrected() {
        let server = 1_790_000_000_000;
        for (time, device, expected) in [
            // Two minutes fast, and slow.
            (server + 119_000, server + 120_000, server - 1_000),
            (server - 121_000, server - 120_000, server - 1_000),
            // The receiver's own time on such a device.
            (server - 1_000, server + 120_000, server - 1_000),
            // Recorded late.
            (server + 60_000, server + 120_000, server + 60_000),
            // A clock that is right.
            (server - 1_000, server + 9_000, server - 1_000),
            (server - 1_000, server, server - 1_000),
        ] {
            assert_eq!(corrected(UnixMs(time), UnixMs(device), UnixMs(server)), UnixMs(expected));
        }
    }
}
