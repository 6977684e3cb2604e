//! Times as files tell them.

use jiff::{
    Timestamp, civil,
    tz::{AmbiguousOffset, Offset, TimeZone},
};

/// A time zone by its name.
#[derive(Debug, Clone)]
pub(in crate::cli::replay) struct Zone(TimeZone);

impl std::str::FromStr for Zone {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let zone = TimeZone::get(name);
        zone.map(Self)
            .map_err(|_| format!("no time zone is named {name:?}: one is, for example, Europe/Berlin"))
    }
}

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    /// Seconds since 1970 (UTC).
    At(f64),
    /// What a clock showed, wherever it was, and the part of the second.
    Local(civil::DateTime, f64),
}

impl When {
    /// As seconds since 1970, where a clock that names no zone shows UTC.
    pub(super) fn as_utc(self) -> f64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Local(time, part) => seconds_at(Offset::UTC, time).unwrap_or_default() + part,
        }
    }

    /// As seconds since 1970, of a clock in a zone. At the end of summer time it shows an hour twice: the first one that is
    /// not before `last`, the row before, is meant.
    pub(super) fn in_zone(self, zone: &Zone, last: Option<f64>) -> f64 {
        let Self::Local(time, part) = self else { return self.as_utc() };
        let (first, second) = match zone.0.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => (offset, offset),
            AmbiguousOffset::Gap { before, .. } => (before, before),
            AmbiguousOffset::Fold { before, after } => (before, after),
        };
        let [first, second] =
            [first, second].map(|offset| seconds_at(offset, time).unwrap_or_default() + part);
        if last.is_some_and(|last| first < last && second >= last) { second } else { first }
    }
}

fn seconds_at(offset: Offset, time: civil::DateTime) -> Option<f64> {
    let time: Timestamp = offset.to_timestamp(time).ok()?;
    Some(time.as_second() as f64)
}

/// Reads a time: a date with the year first (or last, where points part it), a time of day, and a zone if there is one; or
/// seconds or milliseconds since 1970.
pub(super) fn parse(text: &str) -> Option<When> {
    let text = text.trim();
    if let Some(seconds) = since_1970(text) {
        return Some(When::At(seconds));
    }
    let end_of_date = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, rest) = text.split_at_checked(end_of_date)?;
    let date = date_of(date)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    let zone_at = rest.find(|c: char| !(c.is_ascii_digit() || ":.,".contains(c))).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(zone_at)?;
    let (time, part) = time_of(clock)?;
    let time = date.to_datetime(time);
    match offset_of(zone.trim()).ok()? {
        Some(offset) => Some(When::At(seconds_at(offset, time)? + part)),
        None => Some(When::Local(time, part)),
    }
}

/// Of this century, more or less: a smaller number is something else.
fn since_1970(text: &str) -> Option<f64> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let number: f64 = Some(text).filter(|text| text.chars().all(is_number))?.parse().ok()?;
    match number {
        6e8..5e9 => Some(number),
        6e11..5e12 => Some(number / 1e3),
        _ => None,
    }
}

fn date_of(text: &str) -> Option<civil::Date> {
    let separator = text.chars().find(|c| !c.is_ascii_digit());
    let Some(separator) = separator else {
        // 20240501
        let number: i32 = Some(text).filter(|text| text.len() == 8)?.parse().ok()?;
        return civil::Date::new((number / 10_000) as i16, (number / 100 % 100) as i8, (number % 100) as i8)
            .ok();
    };
    let mut parts = text.split(separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || second.len() > 2 {
        return None;
    }
    let (year, month, day) = match (separator, first.len(), third.len()) {
        ('-' | '/' | '.', 4, 1..=2) => (first, second, third),
        // With other signs nobody knows which is the month.
        ('.', 1..=2, 4) => (third, second, first),
        _ => return None,
    };
    civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// A time of day and the part of its second. Without one it is midnight.
fn time_of(text: &str) -> Option<(civil::Time, f64)> {
    if text.is_empty() {
        return Some((civil::Time::midnight(), 0.0));
    }
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if !part.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let part = if part.is_empty() { 0.0 } else { format!("0.{part}").parse().ok()? };
    let mut parts = whole.split(':');
    let two =
        |text: &str| -> Option<i8> { Some(text).filter(|text| (1..=2).contains(&text.len()))?.parse().ok() };
    let (hour, minute) = (two(parts.next()?)?, two(parts.next()?)?);
    let second = parts.next().map_or(Some(0), two)?;
    if parts.next().is_some() {
        return None;
    }
    // A leap second is the one before it.
    civil::Time::new(hour, minute, second.min(59), 0).ok().filter(|_| second <= 60).map(|time| (time, part))
}

/// What is written for a zone is none.
struct NoOffset;

/// An offset; `None` where there is nothing.
fn offset_of(text: &str) -> Result<Option<Offset>, NoOffset> {
    if text.is_empty() {
        return Ok(None);
    }
    if ["z", "utc", "gmt"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Ok(Some(Offset::UTC));
    }
    let sign = match text.chars().next() {
        Some('+') => 1,
        Some('-' | '\u{2212}') => -1,
        _ => return Err(NoOffset),
    };
    let digits: String = text.chars().skip(1).filter(|c| *c != ':').collect();
    if !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(NoOffset);
    }
    let number: i32 = digits.parse().map_err(|_| NoOffset)?;
    let (hours, minutes) = match digits.len() {
        1 | 2 => (number, 0),
        4 if number % 100 < 60 => (number / 100, number % 100),
        _ => return Err(NoOffset),
    };
    let seconds = sign * (hours * 3600 + minutes * 60);
    Offset::from_seconds(seconds).map(Some).map_err(|_| NoOffset)
}
