//! Follows the frames of a WebSocket, to know how much of a message has come: the library keeps that to itself.

/// Longest head of a frame: two bytes, eight of length, four of a mask.
const MAX_HEAD: usize = 14;
/// Opcodes from here on are of control frames, which may come within a message.
const CONTROL: u8 = 8;

/// Most frames of one message.
const MAX_FRAMES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Parts {
    head: [u8; MAX_HEAD],
    had: usize,
    /// Bytes of the frame that have not come.
    left: u64,
    /// The frame is one of a message's.
    data: bool,
    last: bool,
    /// Bytes of the message that is not whole.
    message: usize,
    /// Frames of it.
    frames: usize,
}

impl Parts {
    /// Bytes that are no whole message.
    pub(super) fn unfinished(&self) -> usize {
        self.message + self.had
    }

    /// Whether a message comes in more frames than anybody sends it in. An empty one costs its sender six bytes, and as
    /// much here as a large one.
    pub(super) fn is_crumbled(&self) -> bool {
        self.frames > MAX_FRAMES
    }

    /// Follows what has come.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.left > 0 {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= here as u64;
                self.message += if self.data { here } else { 0 };
                bytes = &bytes[here..];
            } else {
                self.head[self.had] = *first;
                self.had += 1;
                bytes = rest;
                let Some((length, head)) = self.length() else { continue };
                self.had = 0;
                self.data = self.head[0] & 0x0f < CONTROL;
                self.last = self.head[0] & 0x80 != 0;
                self.left = length;
                self.message += if self.data { head } else { 0 };
                self.frames += usize::from(self.data);
            }
            if self.left == 0 && self.data && self.last {
                (self.message, self.frames) = (0, 0);
            }
        }
    }

    /// Of the frame and of its head, once that is there.
    fn length(&self) -> Option<(u64, usize)> {
        let [_, second, rest @ ..] = &self.head;
        let extended: usize = match second & 0x7f {
            _ if self.had < 2 => return None,
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let head = 2 + extended + mask;
        let number = rest[..extended].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        let length = if extended == 0 { u64::from(second & 0x7f) } else { number };
        (self.had == head).then_some((length, head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65_536 => {
                frame.push(0xfe);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0xff);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        // Bytes that would mean something else in a head.
        frame.extend(std::iter::repeat_n(0xff, length));
        frame
    }

    #[test]
    fn a_message_is_whole_with_the_end_of_its_last_frame_however_it_comes() {
        const TEXT: u8 = 1;
        const MORE: u8 = 0;
        const LAST: u8 = 0x80;
        const PING: u8 = 0x89;
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for step in [1, 2, 3, 7, 1000, 100_000] {
                let mut parts = Parts::default();
                let mut take = |bytes: &[u8]| {
                    for chunk in bytes.chunks(step) {
                        parts.follow(chunk);
                    }
                    parts.unfinished()
                };
                let whole = frame(TEXT | LAST, length);
                assert_eq!(take(&whole), 0);
                assert_eq!(take(&[whole.clone(), frame(PING, 5)].concat()), 0);
                assert!(take(&frame(TEXT, length)) >= length.max(1));
                assert!(take(&frame(PING, 5)) >= length.max(1), "a ping ends no message");
                assert!(take(&frame(MORE, length)) >= 2 * length.max(1));
                assert_eq!(take(&frame(MORE | LAST, length)), 0);
                let half = whole.len() - 1;
                assert!(take(&whole[..half]) >= half.min(length.max(1)));
                assert_eq!(take(&whole[half..]), 0);
            }
        }
    }
}
