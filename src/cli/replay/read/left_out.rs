//! What could not be read of a file.

use std::fmt::Display;

/// Problems that are told one by one. Beyond, they are counted.
const TOLD: usize = 10;
/// Longest piece of a file that is repeated.
const PIECE: usize = 40;

/// A place in a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// What was left out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    told: Vec<String>,
    problems: u64,
    /// Points that are left out.
    count: u64,
    /// Points without a time, which planned routes are made of.
    pub(super) timeless: u64,
}

impl LeftOut {
    /// A point, or what else stands there, is left out.
    pub(super) fn add(&mut self, place: Place, why: impl Display) {
        self.add_all(place, why, 1);
    }

    /// So many are, from there on.
    pub(super) fn add_all(&mut self, place: Place, why: impl Display, count: u64) {
        self.count += count;
        self.problems += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("{}:{}: {why}", place.line, place.column));
        }
    }

    #[cfg(test)]
    pub(super) fn told(&self) -> (&[String], u64) {
        (&self.told, self.count)
    }

    pub(super) fn tell(&self, file: &str, tell: &mut impl FnMut(&str)) {
        for told in &self.told {
            tell(&format!("{file}:{told}"));
        }
        let more = self.problems - self.told.len() as u64;
        if more > 0 {
            tell(&format!("{file}: and {more} more"));
        }
        if self.count > 0 {
            tell(&format!("{file}: {} left out", self.count));
        }
        if self.timeless > 0 {
            tell(&format!("{file}: {} points without a time left out", self.timeless));
        }
    }
}

/// A piece of a file as a message shows it: short, and without anything that a terminal would act on.
pub(super) fn piece(text: &str) -> String {
    let mut piece: String = text.chars().take(PIECE).collect();
    if piece.len() < text.len() {
        piece.push('…');
    }
    format!("{piece:?}")
}
