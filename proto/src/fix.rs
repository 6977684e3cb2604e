//! A GPS fix: where an agent was, in fixed-point units that hold only possible values.

use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{MAX_NUMBER, UnixMs};

/// Why a value is no fix. Also the label under which the server counts the rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BadFix {
    /// A number is NaN or infinite.
    #[error("a number is not finite")]
    NotFinite,
    /// Counter, time, latitude or longitude is outside its range.
    #[error("a value is out of range")]
    OutOfRange,
    /// Counter, time, latitude or longitude is missing or of another type.
    #[error("a field is missing or of another type")]
    Malformed,
    /// The fix's time is further ahead of the server's clock than allowed.
    #[error("the time lies in the future")]
    ClockAhead,
    /// The fix is older than the server keeps.
    #[error("the fix is too old")]
    TooOld,
    /// A reason that this version does not know. Never sent.
    #[error("unknown reason")]
    #[serde(other)]
    Unknown,
}

impl BadFix {
    /// Every reason that is given, for metrics and tests.
    pub const ALL: [Self; 5] =
        [Self::NotFinite, Self::OutOfRange, Self::Malformed, Self::ClockAhead, Self::TooOld];

    /// The reason's name on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::OutOfRange => "out_of_range",
            Self::Malformed => "malformed",
            Self::ClockAhead => "clock_ahead",
            Self::TooOld => "too_old",
            Self::Unknown => "unknown",
        }
    }
}

/// WGS 84 coordinates in units of 1e-7 degree (11 mm at the equator).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    lat_e7: i32,
    lon_e7: i32,
}

impl Position {
    const UNITS: f64 = 1e7;
    const MAX_LAT: i32 = 900_000_000;
    const MAX_LON: i32 = 1_800_000_000;

    /// From degrees.
    pub fn from_degrees(lat: f64, lon: f64) -> Result<Self, BadFix> {
        if !lat.is_finite() || !lon.is_finite() {
            return Err(BadFix::NotFinite);
        }
        if lat.abs() > 90.0 || lon.abs() > 180.0 {
            return Err(BadFix::OutOfRange);
        }
        Ok(Self { lat_e7: (lat * Self::UNITS).round() as i32, lon_e7: (lon * Self::UNITS).round() as i32 })
    }

    /// From units of 1e-7 degree, as ticks carry them.
    pub fn from_e7(lat_e7: i32, lon_e7: i32) -> Result<Self, BadFix> {
        let inside = |value: i32, max: i32| (-max..=max).contains(&value);
        if !inside(lat_e7, Self::MAX_LAT) || !inside(lon_e7, Self::MAX_LON) {
            return Err(BadFix::OutOfRange);
        }
        Ok(Self { lat_e7, lon_e7 })
    }

    /// Latitude and longitude in units of 1e-7 degree.
    pub const fn e7(self) -> (i32, i32) {
        (self.lat_e7, self.lon_e7)
    }

    /// Latitude in degrees, north positive.
    pub fn lat(self) -> f64 {
        f64::from(self.lat_e7) / Self::UNITS
    }

    /// Longitude in degrees, east positive.
    pub fn lon(self) -> f64 {
        f64::from(self.lon_e7) / Self::UNITS
    }

    /// Whether it is a place that was measured. Receivers without a fix report latitude 0 and longitude 0 without an
    /// accuracy: nobody draws, measures or fits to that.
    pub const fn is_known(self, motion: Motion) -> bool {
        self.lat_e7 != 0 || self.lon_e7 != 0 || motion.accuracy_dm.is_some()
    }
}

/// What a device says about a fix besides place and time. `None` is "not known".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Motion {
    accuracy_dm: Option<u16>,
    speed_cms: Option<u16>,
    heading_cdeg: Option<u16>,
    battery_pct: Option<u8>,
}

impl Motion {
    /// The largest accuracy and speed that fit, as one unit is kept to say "not known".
    const MAX: u16 = u16::MAX - 1;

    /// From metres, metres a second, degrees clockwise from north, percent.
    ///
    /// What cannot be is "not known", as devices write it: -1, NaN, a heading beyond 360 degrees. A heading of 360 degrees is
    /// 0. Accuracy (to 6,553 m) and speed (to 655 m/s) are capped: beyond, the exact value tells nobody anything.
    pub fn from_units(
        accuracy_m: Option<f64>,
        speed_mps: Option<f64>,
        heading_deg: Option<f64>,
        battery_pct: Option<f64>,
    ) -> Self {
        let scaled = |value: Option<f64>, scale: f64, max: f64| {
            let possible = value.filter(|value| value.is_finite() && (0.0..=max).contains(value));
            possible.map(|value| (value * scale).round().min(f64::from(Self::MAX)) as u16)
        };
        Self {
            accuracy_dm: scaled(accuracy_m, 10.0, f64::INFINITY),
            speed_cms: scaled(speed_mps, 100.0, f64::INFINITY),
            heading_cdeg: scaled(heading_deg, 100.0, 360.0).map(|heading| heading % 36_000),
            battery_pct: scaled(battery_pct, 1.0, 100.0).map(|battery| battery as u8),
        }
    }

    /// From the units that ticks carry, as a peer sent them: as [`Motion::from_units`].
    pub(crate) fn from_peer(
        accuracy_dm: Option<u16>,
        speed_cms: Option<u16>,
        heading_cdeg: Option<u16>,
        battery_pct: Option<u8>,
    ) -> Self {
        Self {
            accuracy_dm: accuracy_dm.map(|accuracy| accuracy.min(Self::MAX)),
            speed_cms: speed_cms.map(|speed| speed.min(Self::MAX)),
            heading_cdeg: heading_cdeg.filter(|heading| *heading <= 36_000).map(|heading| heading % 36_000),
            battery_pct: battery_pct.filter(|battery| *battery <= 100),
        }
    }

    /// From the units that ticks carry: decimetres, centimetres a second, 1/100 degree, percent. For what was checked before.
    pub fn from_raw(
        accuracy_dm: Option<u16>,
        speed_cms: Option<u16>,
        heading_cdeg: Option<u16>,
        battery_pct: Option<u8>,
    ) -> Result<Self, BadFix> {
        let above = |value: Option<u16>, max: u16| value.is_some_and(|v| v > max);
        if above(accuracy_dm, Self::MAX)
            || above(speed_cms, Self::MAX)
            || above(heading_cdeg, 35_999)
            || battery_pct.is_some_and(|b| b > 100)
        {
            return Err(BadFix::OutOfRange);
        }
        Ok(Self { accuracy_dm, speed_cms, heading_cdeg, battery_pct })
    }

    /// Radius of uncertainty in decimetres.
    pub const fn accuracy_dm(self) -> Option<u16> {
        self.accuracy_dm
    }

    /// Speed over ground in centimetres a second.
    pub const fn speed_cms(self) -> Option<u16> {
        self.speed_cms
    }

    /// Direction of travel in 1/100 degree clockwise from north.
    pub const fn heading_cdeg(self) -> Option<u16> {
        self.heading_cdeg
    }

    /// Battery in percent.
    pub const fn battery_pct(self) -> Option<u8> {
        self.battery_pct
    }
}

/// One fix of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fix {
    /// Counts the fixes of a device, so that what is missing has a name. Starts at 1, never goes back.
    pub counter: u64,
    /// When the device took it.
    pub time: UnixMs,
    /// Where.
    pub position: Position,
    /// How it moved.
    pub motion: Motion,
}

impl Fix {
    /// Checks what neither position nor motion holds: the counter has begun, and both numbers can travel.
    pub(crate) fn new(
        counter: u64,
        time: UnixMs,
        position: Position,
        motion: Motion,
    ) -> Result<Self, BadFix> {
        if counter == 0 || counter > MAX_NUMBER || time.0 > MAX_NUMBER {
            return Err(BadFix::OutOfRange);
        }
        Ok(Self { counter, time, position, motion })
    }
}

/// Devices write what they do not know in many ways: only a number counts.
fn known<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
    Ok(serde_json::Value::deserialize(d)?.as_f64())
}

/// A fix as JSON carries it, in everyday units. [`Fix::try_from`] checks it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct JsonFix {
    /// See [`Fix::counter`].
    pub counter: u64,
    /// Unix milliseconds.
    pub time: UnixMs,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Metres.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Metres a second.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Degrees clockwise from north.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub heading: Option<f64>,
    /// Percent.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub battery: Option<f64>,
}

impl TryFrom<JsonFix> for Fix {
    type Error = BadFix;
    fn try_from(json: JsonFix) -> Result<Self, BadFix> {
        Self::new(
            json.counter,
            json.time,
            Position::from_degrees(json.lat, json.lon)?,
            Motion::from_units(json.accuracy, json.speed, json.heading, json.battery),
        )
    }
}

impl From<Fix> for JsonFix {
    fn from(fix: Fix) -> Self {
        let tenth = |v: u16| f64::from(v) / 10.0;
        let hundredth = |v: u16| f64::from(v) / 100.0;
        Self {
            counter: fix.counter,
            time: fix.time,
            lat: fix.position.lat(),
            lon: fix.position.lon(),
            accuracy: fix.motion.accuracy_dm.map(tenth),
            speed: fix.motion.speed_cms.map(hundredth),
            heading: fix.motion.heading_cdeg.map(hundredth),
            battery: fix.motion.battery_pct.map(f64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motion(json: &str) -> Motion {
        let text = format!(r#"{{"counter":1,"time":1,"lat":1,"lon":2,{json}}}"#);
        let fix: JsonFix = serde_json::from_str(&text).unwrap();
        Fix::try_from(fix).unwrap().motion
    }

    #[test]
    fn what_a_device_does_not_know_is_not_known() {
        for field in ["accuracy", "speed", "heading", "battery"] {
            for value in ["-1", "-1.0", "null", "\"NaN\"", "true", "[]", "-1e300"] {
                assert_eq!(motion(&format!(r#""{field}":{value}"#)), Motion::default(), "{field} {value}");
            }
        }
        for value in [r#""heading":361"#, r#""heading":65535"#, r#""battery":101"#, r#""battery":255"#] {
            assert_eq!(motion(value), Motion::default(), "{value}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5] {
            let value = Some(value);
            assert_eq!(Motion::from_units(value, value, value, value), Motion::default());
        }
    }

    #[test]
    fn north_is_one_heading() {
        for heading in ["360", "359.999", "0", "-0.0"] {
            assert_eq!(motion(&format!(r#""heading":{heading}"#)).heading_cdeg(), Some(0), "{heading}");
        }
    }

    #[test]
    fn zero_without_accuracy_is_no_place() {
        let known = |lat, lon, accuracy: Option<f64>| {
            let motion = Motion::from_units(accuracy, None, None, None);
            Position::from_degrees(lat, lon).unwrap().is_known(motion)
        };
        assert!(!known(0.0, 0.0, None));
        assert!(!known(-0.0, 0.0, Some(-1.0)));
        assert!(known(0.0, 0.0, Some(0.0)));
        assert!(known(0.0, 1e-7, None));
    }
}
