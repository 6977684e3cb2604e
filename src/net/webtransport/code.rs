//! Codes of HTTP/3 and WebTransport that are sent on streams and connections.

use quinn::VarInt;

pub(super) const DATAGRAM_ERROR: VarInt = VarInt::from_u32(0x33);
pub(super) const NO_ERROR: VarInt = VarInt::from_u32(0x100);
pub(super) const STREAM_CREATION_ERROR: VarInt = VarInt::from_u32(0x103);
pub(super) const CLOSED_CRITICAL_STREAM: VarInt = VarInt::from_u32(0x104);
pub(super) const FRAME_UNEXPECTED: VarInt = VarInt::from_u32(0x105);
pub(super) const FRAME_ERROR: VarInt = VarInt::from_u32(0x106);
pub(super) const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);
pub(super) const ID_ERROR: VarInt = VarInt::from_u32(0x108);
pub(super) const SETTINGS_ERROR: VarInt = VarInt::from_u32(0x109);
pub(super) const REQUEST_REJECTED: VarInt = VarInt::from_u32(0x10b);
pub(super) const REQUEST_INCOMPLETE: VarInt = VarInt::from_u32(0x10d);
pub(super) const MESSAGE_ERROR: VarInt = VarInt::from_u32(0x10e);
pub(super) const QPACK_ENCODER_STREAM_ERROR: VarInt = VarInt::from_u32(0x201);
pub(super) const QPACK_DECODER_STREAM_ERROR: VarInt = VarInt::from_u32(0x202);
/// A session stream that is not wanted (`WEBTRANSPORT_BUFFERED_STREAM_REJECTED`).
pub(super) const STREAM_REJECTED: VarInt = VarInt::from_u32(0x3994_bd84);
