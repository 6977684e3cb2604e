//! A recorded track, and where its agent is at any moment of it.

use fanfare_client::proto::{Motion, Position, UserId};
use geographiclib_rs::{Geodesic, InverseGeodesic};

/// Longest time between two points that is played as it was. Longer ones are pauses, of which nobody knows what
/// happened: they are shortened to this.
const PAUSE: f64 = 600.0;

/// Distance in metres below which somebody stands: receivers are no more exact.
const STANDS: f64 = 5.0;

/// A point as it was recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    /// When, in seconds since whenever.
    pub(super) seconds: f64,
    pub(super) place: Position,
}

/// The way of one agent.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) agent: UserId,
    /// Not empty, each later than the one before.
    points: Vec<Point>,
}

/// A point, and how the agent left it.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// Seconds since the first one, pauses shortened.
    at: f64,
    place: Position,
    motion: Motion,
}

impl Track {
    /// A track of points in any order; `None` if there are none.
    pub(super) fn new(agent: UserId, mut recorded: Vec<Recorded>, geodesic: &Geodesic) -> Option<Self> {
        recorded.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        recorded.dedup_by(|b, a| b.seconds <= a.seconds);
        let mut at = 0.0;
        let mut points = Vec::with_capacity(recorded.len());
        for (i, here) in recorded.iter().enumerate() {
            let next = recorded.get(i + 1);
            points.push(Point {
                at,
                place: here.place,
                motion: next.map_or_else(Motion::default, |next| motion(here, next, geodesic)),
            });
            at += next.map_or(0.0, |next| (next.seconds - here.seconds).min(PAUSE));
        }
        (!points.is_empty()).then_some(Self { agent, points })
    }

    /// How many seconds it takes.
    pub(super) fn length(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.at)
    }

    /// Where the agent is after so many seconds, and how it moves. At the end it stays.
    pub(super) fn at(&self, seconds: f64) -> Option<(Position, Motion)> {
        let after = self.points.partition_point(|point| point.at <= seconds);
        let here = self.points.get(after.saturating_sub(1))?;
        let Some(next) = self.points.get(after) else {
            return Some((here.place, here.motion));
        };
        let part = ((seconds - here.at) / (next.at - here.at)).clamp(0.0, 1.0);
        Some((between(here.place, next.place, part)?, here.motion))
    }
}

/// Speed as it was recorded, however fast the track is played, and heading.
fn motion(here: &Recorded, next: &Recorded, geodesic: &Geodesic) -> Motion {
    let (metres, heading, _, _): (f64, f64, f64, f64) =
        geodesic.inverse(here.place.lat(), here.place.lon(), next.place.lat(), next.place.lon());
    let seconds = next.seconds - here.seconds;
    if seconds > PAUSE {
        return Motion::default();
    }
    let moved = metres >= STANDS;
    let speed = if moved { metres / seconds } else { 0.0 };
    let heading = moved.then(|| heading.rem_euclid(360.0));
    // Not known is better than nonsense.
    Motion::from_units(None, Some(speed), heading, None)
}

/// A place on the straight line, the short way round the earth.
fn between(a: Position, b: Position, part: f64) -> Option<Position> {
    let lat = a.lat() + (b.lat() - a.lat()) * part;
    let east = (b.lon() - a.lon() + 180.0).rem_euclid(360.0) - 180.0;
    let lon = (a.lon() + east * part + 180.0).rem_euclid(360.0) - 180.0;
    Position::from_degrees(lat, lon).ok()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact values are expected")]
mod tests {
    use super::*;

    fn track(points: &[(f64, f64, f64)]) -> Option<Track> {
        let recorded = points.iter().map(|&(seconds, lat, lon)| Recorded {
            seconds,
            place: Position::from_degrees(lat, lon).expect("a place"),
        });
        let agent = UserId::new("a").expect("an id");
        Track::new(agent, recorded.collect(), &Geodesic::wgs84())
    }

    fn lat_lon(track: &Track, seconds: f64) -> (f64, f64) {
        let (place, _) = track.at(seconds).expect("a place");
        (place.lat(), place.lon())
    }

    #[test]
    fn goes_straight_from_point_to_point() {
        let track = track(&[(200.0, 1.0, 12.0), (100.0, 1.0, 10.0), (100.0, 5.0, 5.0)]).expect("points");
        assert!((track.length() - 100.0).abs() < 1e-9);
        assert_eq!(lat_lon(&track, 0.0), (1.0, 10.0));
        assert_eq!(lat_lon(&track, 50.0), (1.0, 11.0));
        assert_eq!(lat_lon(&track, 1000.0), (1.0, 12.0));
    }

    #[test]
    fn speed_and_heading_come_from_the_way() {
        // A degree of longitude at the equator is 111.3 km.
        let points = [(0.0, 0.0, 0.0), (100.0, 0.0, 0.01), (160.0, 0.0, 0.01), (1000.0, 0.0, 1.0)];
        let track = track(&points).expect("points");
        let motion = |seconds| {
            let (_, motion) = track.at(seconds).expect("a place");
            (motion.speed_cms(), motion.heading_cdeg())
        };
        assert_eq!(motion(1.0), (Some(1113), Some(9000)));
        assert_eq!(motion(100.0), (Some(0), None));
        // In a pause nobody knows.
        assert_eq!(motion(170.0), (None, None));
    }

    #[test]
    fn pauses_are_shortened() {
        let track = track(&[(0.0, 0.0, 0.0), (50_000.0, 0.0, 1.0), (50_100.0, 0.0, 2.0)]).expect("points");
        assert!((track.length() - PAUSE - 100.0).abs() < 1e-9);
        assert_eq!(lat_lon(&track, PAUSE), (0.0, 1.0));
    }

    #[test]
    fn takes_the_short_way_round() {
        let track = track(&[(0.0, 0.0, 179.0), (10.0, 0.0, -179.0)]).expect("points");
        assert_eq!(lat_lon(&track, 5.0).1.abs(), 180.0);
        assert!((lat_lon(&track, 7.5).1 + 179.5).abs() < 1e-6);
    }

    #[test]
    fn no_points_no_track() {
        assert!(track(&[]).is_none());
        let one = track(&[(5.0, 1.0, 2.0)]).expect("a point");
        assert_eq!(lat_lon(&one, 3.0), (1.0, 2.0));
    }
}
