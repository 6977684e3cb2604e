//! Ticks: small values of which only the newest matters, in bincode 2 behind a version byte.
//!
//! Towards the server a packet holds fixes of the sending device. Towards a client it holds the newest position of
//! many agents, each named by an alias that was defined on the ordered lane.
//!
//! This module is the only user of bincode (unmaintained, pinned): `CONFIG` names its configuration once.

use bincode::{Decode, Encode, config};

use crate::{
    fix::{BadFix, Fix, Motion, Position},
    id::{Epoch, UnixMs},
};

/// First byte of every packet.
pub const VERSION: u8 = 1;

/// Largest packet, in bytes: what every browser's datagrams carry.
pub const MAX_PACKET: usize = 1024;

/// Little-endian, variable-length integers. The limit bounds what a forged length can make a decoder reserve.
const CONFIG: config::Configuration<
    config::LittleEndian,
    config::Varint,
    config::Limit<{ 16 * MAX_PACKET }>,
> = config::standard().with_limit::<{ 16 * MAX_PACKET }>();

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// No bytes, or more than [`MAX_PACKET`].
    #[error("a packet has 1 to {MAX_PACKET} bytes")]
    Size,
    /// A version that this code does not know.
    #[error("unknown packet version {0}")]
    Version(u8),
    /// The content does not decode, or something follows it.
    #[error("malformed packet")]
    Malformed,
}

/// Place and motion as they travel. 0 says "not known"; a known value is sent plus one.
#[derive(Encode, Decode)]
struct WirePlace {
    lat_e7: i32,
    lon_e7: i32,
    accuracy_dm: u16,
    speed_cms: u16,
    heading_cdeg: u16,
    battery_pct: u8,
}

impl WirePlace {
    fn new(position: Position, motion: Motion) -> Self {
        let (lat_e7, lon_e7) = position.e7();
        let plus_one = |v: Option<u16>| v.map_or(0, |v| v + 1);
        Self {
            lat_e7,
            lon_e7,
            accuracy_dm: plus_one(motion.accuracy_dm()),
            speed_cms: plus_one(motion.speed_cms()),
            heading_cdeg: plus_one(motion.heading_cdeg()),
            battery_pct: motion.battery_pct().map_or(0, |v| v + 1),
        }
    }

    fn check(&self) -> Result<(Position, Motion), BadFix> {
        let position = Position::from_e7(self.lat_e7, self.lon_e7)?;
        let motion = Motion::from_peer(
            self.accuracy_dm.checked_sub(1),
            self.speed_cms.checked_sub(1),
            self.heading_cdeg.checked_sub(1),
            self.battery_pct.checked_sub(1),
        );
        Ok((position, motion))
    }
}

#[derive(Encode, Decode)]
struct WireFix {
    counter: u64,
    time_ms: u64,
    place: WirePlace,
}

/// A fix of a packet whose values are impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The fix's counter.
    pub counter: u64,
    /// What is wrong with it.
    pub reason: BadFix,
}

/// Packs fixes for the server, into as few packets as hold them.
pub fn pack_fixes(fixes: &[Fix]) -> Vec<Vec<u8>> {
    let entries = fixes.iter().map(|fix| WireFix {
        counter: fix.counter,
        time_ms: fix.time.0,
        place: WirePlace::new(fix.position, fix.motion),
    });
    pack(entries, |out, count| {
        out.push(VERSION);
        append(&count, out);
    })
}

/// Reads a packet of fixes. Impossible fixes are told apart from the good ones.
pub fn unpack_fixes(packet: &[u8]) -> Result<Vec<Result<Fix, Refused>>, BadPacket> {
    let fixes: Vec<WireFix> = decode(packet)?;
    let check = |wire: WireFix| {
        let counter = wire.counter;
        wire.place
            .check()
            .and_then(|(position, motion)| Fix::new(counter, UnixMs(wire.time_ms), position, motion))
            .map_err(|reason| Refused { counter, reason })
    };
    Ok(fixes.into_iter().map(check).collect())
}

/// The newest position of an agent, as a client receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Stands for an agent, within the epoch.
    pub alias: u32,
    /// When the agent's device took the fix. An older tick never replaces a newer one.
    pub time: UnixMs,
    /// Where.
    pub position: Position,
    /// How it moved.
    pub motion: Motion,
}

/// A packet of ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticks {
    /// The view that they belong to.
    pub view: u32,
    /// The life of the aliases.
    pub epoch: Epoch,
    /// The ticks.
    pub ticks: Vec<Tick>,
}

#[derive(Encode, Decode)]
struct WireTick {
    alias: u32,
    /// Milliseconds since the packet's base time.
    after_ms: i64,
    place: WirePlace,
}

#[derive(Encode, Decode)]
struct WireTicks {
    view: u32,
    epoch: u32,
    base_ms: u64,
    ticks: Vec<WireTick>,
}

/// Packs ticks of a view, into as few packets as hold them. Each packet starts with `prefix`, which does not count
/// towards [`MAX_PACKET`]: a transport's own header, so that nobody has to copy.
pub fn pack_ticks(prefix: &[u8], view: u32, epoch: Epoch, base: UnixMs, ticks: &[Tick]) -> Vec<Vec<u8>> {
    let entries = ticks.iter().map(|tick| WireTick {
        alias: tick.alias,
        after_ms: (tick.time.0 as i64).saturating_sub(base.0 as i64),
        place: WirePlace::new(tick.position, tick.motion),
    });
    let mut packets = pack(entries, |out, count| {
        out.push(VERSION);
        append(&view, out);
        append(&epoch.0, out);
        append(&base.0, out);
        append(&count, out);
    });
    if !prefix.is_empty() {
        for packet in &mut packets {
            packet.splice(0..0, prefix.iter().copied());
        }
    }
    packets
}

/// Reads a packet of ticks.
pub fn unpack_ticks(packet: &[u8]) -> Result<Ticks, BadPacket> {
    let wire: WireTicks = decode(packet)?;
    let ticks = wire.ticks.into_iter().map(|tick| {
        let (position, motion) = tick.place.check().map_err(|_| BadPacket::Malformed)?;
        let time = UnixMs(wire.base_ms.saturating_add_signed(tick.after_ms));
        Ok(Tick { alias: tick.alias, time, position, motion })
    });
    Ok(Ticks { view: wire.view, epoch: Epoch(wire.epoch), ticks: ticks.collect::<Result<_, _>>()? })
}

/// Room that a packet's header takes at most: version, three numbers, count.
const MAX_HEADER: usize = 1 + 5 + 5 + 9 + 9;

fn pack<T: Encode>(entries: impl Iterator<Item = T>, header: impl Fn(&mut Vec<u8>, u64)) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut body = Vec::with_capacity(MAX_PACKET);
    let mut count = 0;
    let mut finish = |body: &mut Vec<u8>, count: &mut u64| {
        let mut packet = Vec::with_capacity(MAX_HEADER + body.len() + 1);
        header(&mut packet, *count);
        packet.append(body);
        packets.push(packet);
        *count = 0;
    };
    for entry in entries {
        let before = body.len();
        append(&entry, &mut body);
        count += 1;
        if MAX_HEADER + body.len() > MAX_PACKET {
            let last = body.split_off(before);
            count -= 1;
            finish(&mut body, &mut count);
            body.extend_from_slice(&last);
            count = 1;
        }
    }
    if count > 0 {
        finish(&mut body, &mut count);
    }
    packets
}

fn append<T: Encode>(value: &T, out: &mut Vec<u8>) {
    // Writing numbers to a vector has no way to fail.
    let written = bincode::encode_into_std_write(value, out, CONFIG);
    debug_assert!(written.is_ok());
}

fn decode<T: Decode<()>>(packet: &[u8]) -> Result<T, BadPacket> {
    if packet.len() > MAX_PACKET {
        return Err(BadPacket::Size);
    }
    let (&version, content) = packet.split_first().ok_or(BadPacket::Size)?;
    if version != VERSION {
        return Err(BadPacket::Version(version));
    }
    match bincode::decode_from_slice::<T, _>(content, CONFIG) {
        Ok((value, read)) if read == content.len() => Ok(value),
        _ => Err(BadPacket::Malformed),
    }
}
