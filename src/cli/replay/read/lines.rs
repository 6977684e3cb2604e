//! The lines of a table.

use std::io::{self, BufRead};

use super::input::text;

/// Longest line, in bytes.
pub(super) const LINE: usize = 64 * 1024;

/// Lines with their numbers, whether a line feed, a carriage return or both end them.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    /// The last line ended in a carriage return: a line feed after it is part of that.
    is_returned: bool,
}

/// A line, or that it is longer than any line of a table.
pub(super) enum Line {
    Text(String),
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, number: 0, is_returned: false }
    }

    /// The next line and its number. What cannot be read of the file is an error.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        let (mut line, mut is_too_long) = (Vec::new(), false);
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                if line.is_empty() && !is_too_long {
                    return Ok(None);
                }
                break;
            }
            if std::mem::take(&mut self.is_returned) && buffer.starts_with(b"\n") {
                self.reader.consume(1);
                continue;
            }
            let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, used) = end.map_or((buffer, buffer.len()), |end| (&buffer[..end], end + 1));
            is_too_long |= line.len() + part.len() > LINE;
            if is_too_long {
                line.clear();
            } else {
                line.extend_from_slice(part);
            }
            self.is_returned = end.is_some_and(|end| buffer[end] == b'\r');
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        let line = if is_too_long { Line::TooLong } else { Line::Text(text(&line).into_owned()) };
        Ok(Some((self.number, line)))
    }
}
