//! Tables with a row for each point, as spreadsheets and loggers write them: parted by commas, semicolons or tabs, with columns
//! in any order and under the names that are usual.

use std::{collections::HashMap, io::BufRead};

use anyhow::bail;

use super::{
    Named, Zone,
    left_out::{LeftOut, Place, piece},
    lines::{LINE, Line, Lines},
    order::{Judged, judge},
    position::{Axis, place},
    when::{self, When},
};
use crate::cli::replay::track::Recorded;

/// Longest name, in characters. More is cut.
const NAME: usize = 200;

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
    let mut lines = Lines::new(reader);
    let header = loop {
        match lines.next()? {
            Some((_, Line::Text(line))) if is_blank(&line) => {}
            Some((_, Line::Text(line))) => break line,
            Some((number, Line::TooLong)) => bail!("line {number}: longer than {LINE} bytes"),
            None => bail!("it is empty"),
        }
    };
    let Some(columns) = Columns::of(&header) else {
        bail!(
            "its first line does not name the columns that are needed: longitude, latitude, timestamp (and name_id): {}",
            piece(&header)
        );
    };
    let mut rows = Rows { of: Vec::new(), index: HashMap::new(), columns, stem, zone };
    while let Some((number, line)) = lines.next()? {
        let taken = match line {
            // A header again: files were joined.
            Line::Text(line) if is_blank(&line) || line == header => continue,
            Line::Text(line) => rows.take(number, &line),
            Line::TooLong => Err((1, format!("longer than {LINE} bytes"))),
        };
        if let Err((column, why)) = taken {
            left_out.add(Place { line: number, column }, why);
        }
    }
    rows.end(left_out)
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// A point, and where it was read.
struct Row {
    line: u64,
    column: u64,
    point: Recorded,
}

/// What was read of one name.
#[derive(Default)]
struct Track {
    rows: Vec<Row>,
    /// A row names its zone, or the user did: nothing is left to doubt.
    is_zoned: bool,
}

struct Rows<'a> {
    /// Names, in the order of the file.
    of: Vec<(String, Track)>,
    index: HashMap<String, usize>,
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
            Err((Axis::Longitude, why)) => return Err((at(columns.longitude), why)),
            Err((Axis::Latitude, why)) => return Err((at(columns.latitude), why)),
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
        let (name, zone): (String, _) = (name.chars().take(NAME).collect(), self.zone);
        let column = at(columns.time);
        let track = self.track(name);
        let last = track.rows.last().map(|row| row.point.seconds);
        let seconds = zone.map_or_else(|| when.as_utc(), |zone| when.in_zone(zone, last));
        track.is_zoned |= zone.is_some() || matches!(when, When::At(_));
        track.rows.push(Row { line: number, column, point: Recorded { seconds, place } });
        Ok(())
    }

    fn track(&mut self, name: String) -> &mut Track {
        let index = *self.index.entry(name).or_insert_with_key(|name| {
            self.of.push((name.clone(), Track::default()));
            self.of.len() - 1
        });
        &mut self.of[index].1
    }

    /// Leaves out what would be played as jumps back and forth.
    fn end(self, left_out: &mut LeftOut) -> anyhow::Result<Named> {
        let (mut named, mut first) = (Named::default(), None);
        for (name, track) in self.of {
            match track.points(&name, left_out) {
                Ok(points) => named.0.push((name, points)),
                Err(why) => {
                    first.get_or_insert(why);
                }
            }
        }
        match first {
            Some(why) if named.0.is_empty() => bail!(why),
            _ => Ok(named),
        }
    }
}

impl Track {
    /// The points that can be played; or why there are none.
    fn points(self, name: &str, left_out: &mut LeftOut) -> Result<Vec<Recorded>, String> {
        let place = |row: &Row| Place { line: row.line, column: row.column };
        let times: Vec<f64> = self.rows.iter().map(|row| row.point.seconds).collect();
        let Judged { lone, fold } = if self.is_zoned { Judged::default() } else { judge(&times) };
        if let Some((row, step)) = fold.and_then(|(index, step)| Some((self.rows.get(index)?, step))) {
            let why = format!(
                "the clock of {} steps back by {:.0} min. If it showed local time at the end of summer time, say where, as in \
                 --zone Europe/Berlin; otherwise say --zone UTC",
                piece(name),
                step / 60.0,
            );
            left_out.add_all(place(row), &why, self.rows.len() as u64);
            return Err(format!("line {}: {why}", row.line));
        }
        for row in lone.iter().filter_map(|index| self.rows.get(*index)) {
            left_out.add(place(row), "its time is not between those of the rows around it");
        }
        let rows = self.rows.into_iter().enumerate().filter(|(index, _)| lone.binary_search(index).is_err());
        Ok(rows.map(|(_, row)| row.point).collect())
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
