//! Tick packets in both directions: properties, hostile bytes, pinned bytes.

use fanfare_proto::{
    BadFix, Epoch, Fix, JsonFix, UnixMs,
    fix::{Motion, Position},
    tick::{self, BadPacket, MAX_PACKET, Refused, Tick, Ticks},
};
use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize};

use crate::{any, file};

fn unpack_all(packets: &[Vec<u8>]) -> Vec<Fix> {
    packets.iter().flat_map(|packet| tick::unpack_fixes(packet).unwrap()).map(Result::unwrap).collect()
}

proptest! {
    #[test]
    fn fixes(fixes in vec(any::fix(), 0..200)) {
        let packets = tick::pack_fixes(&fixes);
        prop_assert!(packets.iter().all(|packet| packet.len() <= MAX_PACKET));
        prop_assert_eq!(unpack_all(&packets), fixes);
    }

    #[test]
    fn ticks(
        ticks in vec(any::tick(), 0..200),
        view in any::<u32>(),
        epoch in any::<u32>(),
        base in 0..=fanfare_proto::id::MAX_NUMBER,
        prefix in vec(any::<u8>(), 0..3),
    ) {
        let packets = tick::pack_ticks(&prefix, view, Epoch(epoch), UnixMs(base), &ticks);
        let mut read = Vec::new();
        for packet in &packets {
            let content = packet.strip_prefix(prefix.as_slice()).unwrap();
            prop_assert!(content.len() <= MAX_PACKET);
            let part = tick::unpack_ticks(content).unwrap();
            prop_assert_eq!((part.view, part.epoch), (view, Epoch(epoch)));
            prop_assert!(!part.ticks.is_empty());
            read.extend(part.ticks);
        }
        prop_assert_eq!(read, ticks);
    }

    /// No time makes packing panic, not even one that no clock shows.
    #[test]
    fn ticks_of_any_time(tick in any::tick(), time in any::<u64>(), base in any::<u64>()) {
        let tick = Tick { time: UnixMs(time), ..tick };
        let packets = tick::pack_ticks(&[], 0, Epoch(0), UnixMs(base), &[tick]);
        prop_assert!(tick::unpack_ticks(&packets[0]).is_ok());
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..=MAX_PACKET + 1), versioned in any::<bool>()) {
        let mut bytes = bytes;
        if versioned && let Some(first) = bytes.first_mut() {
            *first = tick::VERSION;
        }
        let _ = tick::unpack_fixes(&bytes);
        let _ = tick::unpack_ticks(&bytes);
    }

    /// A changed packet is refused or read as something else that can be packed again.
    #[test]
    fn damaged_fixes(fixes in vec(any::fix(), 1..20), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut packet = tick::pack_fixes(&fixes).remove(0);
        let place = place.index(packet.len());
        packet[place] = byte;
        if let Ok(read) = tick::unpack_fixes(&packet) {
            let good: Vec<Fix> = read.into_iter().filter_map(Result::ok).collect();
            prop_assert_eq!(unpack_all(&tick::pack_fixes(&good)), good);
        }
    }

    /// A packet is whole or nothing.
    #[test]
    fn cut_packet(ticks in vec(any::tick(), 1..20), place in any::<prop::sample::Index>()) {
        let packet = tick::pack_ticks(&[], 1, Epoch(1), UnixMs(0), &ticks).remove(0);
        prop_assert!(tick::unpack_ticks(&packet[..place.index(packet.len())]).is_err());
    }
}

#[test]
fn nothing_packs_into_no_packet() {
    assert!(tick::pack_fixes(&[]).is_empty());
    assert!(tick::pack_ticks(&[0], 1, Epoch(1), UnixMs(1), &[]).is_empty());
}

/// `vectors/ticks.json`.
#[derive(Deserialize)]
struct Vectors {
    fixes: Vec<FixVector>,
    ticks: Vec<TickVector>,
    bad_fixes: Vec<BadVector>,
    bad_ticks: Vec<BadVector>,
    /// Readable, but not what a writer writes.
    also_fixes: Vec<FixVector>,
}

#[derive(Deserialize)]
struct FixVector {
    name: String,
    hex: String,
    fixes: Vec<Outcome>,
}

/// A fix, or the refusal that stands in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Refused { counter: u64, refused: BadFix },
    Fix(RawFix),
}

#[derive(Deserialize, Clone, Copy)]
struct RawFix {
    counter: u64,
    time: UnixMs,
    #[serde(flatten)]
    place: RawPlace,
    /// The same fix in everyday units.
    json: Option<JsonFix>,
}

/// In the units of the packet; absent is "not known".
#[derive(Serialize, Deserialize, Clone, Copy)]
struct RawPlace {
    lat_e7: i32,
    lon_e7: i32,
    accuracy_dm: Option<u16>,
    speed_cms: Option<u16>,
    heading_cdeg: Option<u16>,
    battery_pct: Option<u8>,
}

impl RawPlace {
    fn check(self) -> (Position, Motion) {
        let motion = Motion::from_raw(self.accuracy_dm, self.speed_cms, self.heading_cdeg, self.battery_pct);
        (Position::from_e7(self.lat_e7, self.lon_e7).unwrap(), motion.unwrap())
    }
}

#[derive(Deserialize)]
struct TickVector {
    name: String,
    hex: String,
    view: u32,
    epoch: Epoch,
    base: UnixMs,
    ticks: Vec<RawTick>,
}

#[derive(Deserialize)]
struct RawTick {
    alias: u32,
    time: UnixMs,
    #[serde(flatten)]
    place: RawPlace,
}

#[derive(Deserialize)]
struct BadVector {
    name: String,
    hex: String,
    error: String,
}

fn expected(outcome: &Outcome) -> Result<Fix, Refused> {
    match outcome {
        Outcome::Refused { counter, refused } => Err(Refused { counter: *counter, reason: *refused }),
        Outcome::Fix(raw) => {
            let (position, motion) = raw.place.check();
            let fix = Fix { counter: raw.counter, time: raw.time, position, motion };
            if let Some(json) = raw.json {
                assert_eq!(JsonFix::from(fix), json);
                assert_eq!(Fix::try_from(json), Ok(fix));
            }
            Ok(fix)
        }
    }
}

#[test]
fn pinned_fixes() {
    let vectors: Vectors = file::read("ticks.json");
    for vector in vectors.fixes {
        let fixes: Vec<_> = vector.fixes.iter().map(expected).collect();
        let packet = file::bytes(&vector.hex);
        assert_eq!(tick::unpack_fixes(&packet), Ok(fixes.clone()), "{}", vector.name);
        let fixes: Vec<Fix> = fixes.into_iter().map(Result::unwrap).collect();
        assert_eq!(tick::pack_fixes(&fixes), [packet], "{}", vector.name);
    }
    for vector in vectors.also_fixes {
        let fixes: Vec<_> = vector.fixes.iter().map(expected).collect();
        let read = tick::unpack_fixes(&file::bytes(&vector.hex));
        assert_eq!(read, Ok(fixes), "{}", vector.name);
    }
}

#[test]
fn pinned_ticks() {
    let vectors: Vectors = file::read("ticks.json");
    for vector in vectors.ticks {
        let tick = |raw: &RawTick| {
            let (position, motion) = raw.place.check();
            Tick { alias: raw.alias, time: raw.time, position, motion }
        };
        let ticks: Vec<Tick> = vector.ticks.iter().map(tick).collect();
        let packet = file::bytes(&vector.hex);
        let packed = tick::pack_ticks(&[], vector.view, vector.epoch, vector.base, &ticks);
        assert_eq!(packed, std::slice::from_ref(&packet), "{}", vector.name);
        let read = Ticks { view: vector.view, epoch: vector.epoch, ticks };
        assert_eq!(tick::unpack_ticks(&packet), Ok(read), "{}", vector.name);
    }
}

#[test]
fn pinned_bad_packets() {
    let error = |error: BadPacket| match error {
        BadPacket::Size => "size",
        BadPacket::Version(_) => "version",
        BadPacket::Malformed => "malformed",
    };
    let vectors: Vectors = file::read("ticks.json");
    for vector in vectors.bad_fixes {
        let read = tick::unpack_fixes(&file::bytes(&vector.hex)).unwrap_err();
        assert_eq!(error(read), vector.error, "{}", vector.name);
    }
    for vector in vectors.bad_ticks {
        let read = tick::unpack_ticks(&file::bytes(&vector.hex)).unwrap_err();
        assert_eq!(error(read), vector.error, "{}", vector.name);
    }
}
