//! Tables with a row for each point, as spreadsheets and loggers write them: parted by commas, semicolons or tabs, with columns
//! in any order and under the names that are usual.

use std::{collections::HashMap, io::BufRead};

use anyhow::bail;

use super::{
    Gathered, Named, Zone,
    input::text,
    left_out::{LeftOut, Place, piece},
    position::place,
    when::{self, When},
};
use crate::cli::replay::track::Recorded;

/// Longest line, in bytes.
const LINE: usize = 64 * 1024;
/// Longest name, in characters. More is cut.
const NAME: usize = 200;
/// A clock that is set back at the end of summer time steps back by less than this, in seconds.
const STEP: f64 = 3_600.0;

const LONGITUDE: &[&str] = &["longitude", "lon", "lng", "long", "x"];
const LATITUDE: &[&str] = &["latitude", "lat", "y"];
const TIME: &[&str] =
    &["timestamp", "datetime", "date_time", "time", "utc", "gps_time", "recorded_at", "created_at"];
const OF_DAY: &[&str] = &["time", "utc", "gps_time"];
const DATE: &[&str] = &["date", "day"];
const NAMED: &[&str] = &[
    "name_id",
    "name",
    "agent",
    "agent_id",
    "vehicle",
    "vehicle_id",
    "driver",
    "driver_id",
    "device",
    "device_id",
    "taxi_id",
    "user",
    "user_id",
    "id",
];

/// Where the columns are.
#[derive(Debug)]
struct Columns {
    delimiter: char,
    longitude: usize,
    latitude: usize,
    time: usize,
    /// Where the date has a column of its own.
    date: Option<usize>,
    /// Without one all points are of one agent.
    name: Option<usize>,
}

impl Columns {
    fn of(header: &str) -> Option<Self> {
        let delimiter =
            [',', ';', '\t', '|'].into_iter().max_by_key(|delimiter| header.matches(*delimiter).count())?;
        let titles: Vec<String> = cells(header, delimiter).iter().map(|(_, cell)| title(cell)).collect();
        let find =
            |names: &[&str]| names.iter().find_map(|name| titles.iter().position(|title| title == name));
        let date = find(DATE);
        Some(Self {
            delimiter,
            longitude: find(LONGITUDE)?,
            latitude: find(LATITUDE)?,
            time: find(TIME).or(date)?,
            date: date.filter(|_| find(OF_DAY).is_some() && find(OF_DAY) == find(TIME)),
            name: find(NAMED),
        })
    }
}

/// A column's title in one form: `Longitude (deg)` is `longitude`.
fn title(cell: &str) -> String {
    let end = cell.find(['(', '[', '/']).unwrap_or(cell.len());
    let words = cell[..end].trim().to_lowercase();
    words.replace([' ', '-', '.'], "_")
}

/// Reads tracks, each row under its name. `stem` names all where there is no column for it.
pub(super) fn read(
    reader: impl BufRead,
    stem: &str,
    zone: Option<&Zone>,
    left_out: &mut LeftOut,
) -> anyhow::Result<Named> {
    let mut lines = Lines { reader, number: 0, is_returned: false };
    let header = loop {
        match lines.next()? {
            Some((_, line)) if is_blank(&line) => {}
            Some((_, line)) => break line,
            None => bail!("it is empty"),
        }
    };
    let Some(columns) = Columns::of(&header) else {
        bail!(
            "its first line does not name the columns that are needed: longitude, latitude, timestamp (and name_id): {}",
            piece(&header)
        );
    };
    let mut rows = Rows { gathered: Gathered::default(), clocks: HashMap::new(), columns, stem, zone };
    while let Some((number, line)) = lines.next()? {
        // A header again: files were joined.
        if is_blank(&line) || line == header {
            continue;
        }
        if let Err((column, why)) = rows.take(number, &line) {
            left_out.add(Place { line: number, column }, why);
        }
    }
    rows.end()
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// What the clock of an agent showed before.
#[derive(Debug, Default)]
struct Clock {
    last: Option<f64>,
    /// Lines at which it stepped back, and by how many seconds; the first of them, and how many there are.
    back: Option<(u64, f64)>,
    steps: u32,
}

struct Rows<'a> {
    gathered: Gathered,
    clocks: HashMap<String, Clock>,
    columns: Columns,
    stem: &'a str,
    zone: Option<&'a Zone>,
}

/// A column from 1, and what is wrong there.
type Wrong = (u64, String);

impl Rows<'_> {
    fn take(&mut self, number: u64, line: &str) -> Result<(), Wrong> {
        let columns = &self.columns;
        let cells = cells(line, columns.delimiter);
        let cell = |index: usize| cells.get(index).map(|(_, cell)| cell.trim());
        let at = |index: usize| cells.get(index).map_or(line.chars().count() as u64 + 1, |(at, _)| *at);
        let needed = [columns.longitude, columns.latitude, columns.time].into_iter().chain(columns.name);
        let least = needed.max().unwrap_or(0) + 1;
        if cells.len() < least {
            return Err((1, format!("{} columns where {least} are needed", cells.len())));
        }
        let place = match place(cell(columns.latitude), cell(columns.longitude)) {
            Ok(place) => place,
            Err(why) => {
                let column = if why.starts_with("longitude") { columns.longitude } else { columns.latitude };
                return Err((at(column), why));
            }
        };
        let time = cell(columns.time).unwrap_or_default();
        let time = match columns.date {
            Some(date) => format!("{} {time}", cell(date).unwrap_or_default()),
            None => time.to_owned(),
        };
        let Some(when) = when::parse(&time) else {
            return Err((at(columns.time), format!("{} is no time", piece(&time))));
        };
        let name = columns.name.and_then(cell).filter(|name| !name.is_empty()).unwrap_or(self.stem);
        let name: String = name.chars().take(NAME).collect();
        let clock = self.clocks.entry(name.clone()).or_default();
        let seconds = clock.read(when, self.zone, number);
        self.gathered.add(&name, Recorded { seconds, place });
        Ok(())
    }

    /// Refuses what would be played as jumps back and forth.
    fn end(self) -> anyhow::Result<Named> {
        for (name, clock) in &self.clocks {
            if let (Some((line, step)), 1) = (clock.back, clock.steps) {
                bail!(
                    "line {line}: the clock of {} steps back by {:.0} min. If it showed local time at the end of summer time, \
                     say where, as in --zone Europe/Berlin; if the row is in the wrong place only, say --zone UTC",
                    piece(name),
                    step / 60.0,
                );
            }
        }
        Ok(self.gathered.named)
    }
}

impl Clock {
    fn read(&mut self, when: When, zone: Option<&Zone>, line: u64) -> f64 {
        let seconds = zone.map_or_else(|| when.as_utc(), |zone| when.in_zone(zone, self.last));
        let step = self.last.map_or(0.0, |last| last - seconds);
        // A clock that names its zone may step back as it likes: it says what it means. Rows in any order have many steps.
        if zone.is_none() && matches!(when, When::Local(..)) && step > 0.0 {
            self.steps += 1;
            if step <= STEP {
                self.back.get_or_insert((line, step));
            }
        }
        self.last = Some(seconds);
        seconds
    }
}

/// The cells of a line, each with the column that it begins in, from 1. Quotes hold for a line only: what one forgets to close
/// swallows no more.
fn cells(line: &str, delimiter: char) -> Vec<(u64, String)> {
    let mut cells = Vec::new();
    let (mut cell, mut begins, mut is_quoted) = (String::new(), 1, false);
    let mut chars = (1..).zip(line.chars()).peekable();
    while let Some((column, char)) = chars.next() {
        match char {
            '"' if is_quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.trim().is_empty() => {
                cell.clear();
                is_quoted = true;
            }
            _ if char == delimiter && !is_quoted => {
                cells.push((begins, std::mem::take(&mut cell)));
                begins = column + 1;
            }
            _ => cell.push(char),
        }
    }
    cells.push((begins, cell));
    cells
}

/// Lines with their numbers, whether a line feed, a carriage return or both end them.
struct Lines<R> {
    reader: R,
    number: u64,
    /// The last line ended in a carriage return: a line feed after it is part of that.
    is_returned: bool,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> anyhow::Result<Option<(u64, String)>> {
        let mut line = Vec::new();
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                if line.is_empty() {
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
            if line.len() + part.len() > LINE {
                bail!("line {}: longer than {LINE} bytes", self.number + 1);
            }
            line.extend_from_slice(part);
            self.is_returned = end.is_some_and(|end| buffer[end] == b'\r');
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        Ok(Some((self.number, text(&line).into_owned())))
    }
}
