//! Reads tracks from files: CSV as in `samples/`, and GPX.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use anyhow::{Context, bail};
use fanfare_client::proto::{Position, UserId};
use geographiclib_rs::Geodesic;
use serde::Deserialize;
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

use super::track::{Recorded, Track};

/// Longest id made of a name, with room for a number after it.
const NAME: usize = 100;

/// Every track of the files, in their order, each with an agent's id of its own.
pub(super) fn tracks(paths: &[impl AsRef<Path>]) -> anyhow::Result<Vec<Track>> {
    let geodesic = Geodesic::wgs84();
    let mut taken = HashSet::new();
    let mut tracks = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let named = file(path).with_context(|| path.display().to_string())?;
        for (name, points) in named {
            tracks.extend(Track::new(agent(&name, &mut taken)?, points, &geodesic));
        }
    }
    if tracks.is_empty() {
        bail!("there is no track in it");
    }
    Ok(tracks)
}

/// Names and what was recorded under them.
type Named = Vec<(String, Vec<Recorded>)>;

fn file(path: &Path) -> anyhow::Result<Named> {
    let reader = BufReader::new(File::open(path)?);
    let kind = path.extension().unwrap_or_default().to_ascii_lowercase();
    match kind.to_str() {
        Some("csv") => csv(reader),
        Some("gpx") => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            gpx(reader, &stem)
        }
        _ => bail!("neither .csv nor .gpx"),
    }
}

#[derive(Deserialize)]
struct Row {
    longitude: f64,
    latitude: f64,
    timestamp: String,
    name_id: String,
}

fn csv(reader: impl Read) -> anyhow::Result<Named> {
    let mut named = Named::new();
    let mut index = HashMap::new();
    let mut rows = csv::Reader::from_reader(reader);
    let mut rows = rows.deserialize::<Row>();
    while let Some(row) = rows.next() {
        // An error of the reader names the line itself.
        let row = row?;
        let line = rows.reader().position().line();
        let recorded = recorded(&row).with_context(|| format!("before line {line}"))?;
        let i = *index.entry(row.name_id.clone()).or_insert_with(|| {
            named.push((row.name_id, Vec::new()));
            named.len() - 1
        });
        if let Some((_, points)) = named.get_mut(i) {
            points.push(recorded);
        }
    }
    Ok(named)
}

fn recorded(row: &Row) -> anyhow::Result<Recorded> {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let time = PrimitiveDateTime::parse(row.timestamp.trim(), format)
        .with_context(|| format!("timestamp {:?}", row.timestamp))?;
    Ok(Recorded {
        // Which zone it is does not matter: only differences are used.
        seconds: time.assume_utc().unix_timestamp() as f64,
        place: Position::from_degrees(row.latitude, row.longitude)?,
    })
}

/// Points without a time cannot be played and are left out.
fn gpx(reader: impl Read, stem: &str) -> anyhow::Result<Named> {
    let read = gpx::read(reader)?;
    let mut named = Named::new();
    for track in read.tracks {
        let mut points = Vec::new();
        for waypoint in track.segments.iter().flat_map(|segment| &segment.points) {
            let Some(time) = waypoint.time else { continue };
            let place = waypoint.point();
            points.push(Recorded {
                seconds: OffsetDateTime::from(time).unix_timestamp_nanos() as f64 / 1e9,
                place: Position::from_degrees(place.y(), place.x())?,
            });
        }
        if !points.is_empty() {
            named.push((track.name.unwrap_or_else(|| stem.to_owned()), points));
        }
    }
    if named.is_empty() {
        bail!("no track with times");
    }
    Ok(named)
}

/// An agent's id from a name. A name that somebody has gets a number.
fn agent(name: &str, taken: &mut HashSet<UserId>) -> anyhow::Result<UserId> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@+|=~:".contains(c);
    let id: String = name.trim().chars().take(NAME).map(|c| if fits(c) { c } else { '-' }).collect();
    let id = if id.is_empty() { "agent".to_owned() } else { id };
    let mut unique = UserId::new(&id)?;
    let mut number = 1_u32;
    while taken.contains(&unique) {
        number += 1;
        unique = UserId::new(&format!("{id}-{number}"))?;
    }
    taken.insert(unique.clone());
    Ok(unique)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are expected")]
mod tests {
    use super::*;

    const CSV: &str = "longitude,latitude,timestamp,name_id\n\
        119.6,31.2,2020-07-18 09:07:17,x\n\
        119.7,31.3,2020-07-18 09:07:27,y\n\
        119.8,31.2,2020-07-18 09:08:17,x\n";

    #[test]
    fn reads_csv() {
        let named = csv(CSV.as_bytes()).expect("reads");
        let counts: Vec<_> = named.iter().map(|(name, p)| (name.as_str(), p.len())).collect();
        assert_eq!(counts, [("x", 2), ("y", 1)]);
        assert_eq!(named[0].1[1].seconds - named[0].1[0].seconds, 60.0);
        assert_eq!(named[1].1[0].place.lat(), 31.3);
    }

    #[test]
    fn says_where_a_csv_is_wrong() {
        for (from, to, told) in [
            ("2020-07-18 09:07:27", "yesterday", "yesterday"),
            ("119.7", "east", "line: 3"),
            ("119.7,31.3", "31.3,119.7", "before line 4"),
        ] {
            let error = csv(CSV.replace(from, to).as_bytes()).expect_err("wrong");
            assert!(format!("{error:#}").contains(told), "{error:#}");
        }
    }

    #[test]
    fn reads_gpx() {
        let text = r#"<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">
            <trk><name>Night shift</name><trkseg>
              <trkpt lat="52.5" lon="13.4"><time>2024-05-01T10:00:00Z</time></trkpt>
              <trkpt lat="52.7" lon="13.4"></trkpt></trkseg><trkseg>
              <trkpt lat="52.6" lon="13.4"><time>2024-05-01T12:00:10.5+02:00</time></trkpt>
            </trkseg></trk>
            <trk><trkseg><trkpt lat="1" lon="2"><time>2024-05-01T10:00:00Z</time></trkpt></trkseg></trk></gpx>"#;
        let named = gpx(text.as_bytes(), "stem").expect("reads");
        let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Night shift", "stem"]);
        let points = &named[0].1;
        assert_eq!(points.len(), 2);
        assert!((points[1].seconds - points[0].seconds - 10.5).abs() < 1e-3);
        assert!(gpx(r#"<gpx version="1.1" creator="x"></gpx>"#.as_bytes(), "s").is_err());
    }

    #[test]
    fn every_agent_has_an_id_of_its_own() {
        let mut taken = HashSet::new();
        let ids = ["Night shift", "Night shift", "", "Tür", &"x".repeat(500)].map(|name| {
            let id = agent(name, &mut taken).expect("an id");
            id.as_str().to_owned()
        });
        assert_eq!(ids[..4], ["Night-shift", "Night-shift-2", "agent", "T-r"]);
        assert_eq!(ids[4].len(), NAME);
    }
}
