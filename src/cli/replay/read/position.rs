//! Places as files tell them.

use fanfare_client::proto::{Motion, Position};

use super::left_out::piece;

/// Which of the two numbers of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Latitude,
    Longitude,
}

impl Axis {
    /// Its name, the two sides of zero, and its largest number of degrees.
    const fn facts(self) -> (&'static str, [char; 2], f64) {
        match self {
            Self::Latitude => ("latitude", ['N', 'S'], 90.0),
            Self::Longitude => ("longitude", ['E', 'W'], 180.0),
        }
    }
}

/// A place of what is written for its latitude and longitude, or why it is none, and which of the two it is.
pub(super) fn place(lat: Option<&str>, lon: Option<&str>) -> Result<Position, (Axis, String)> {
    let degrees = |axis, text| degrees(axis, text).map_err(|why| (axis, why));
    let (lat, lon) = (degrees(Axis::Latitude, lat)?, degrees(Axis::Longitude, lon)?);
    let both = |why| (Axis::Latitude, why);
    let place = Position::from_degrees(lat, lon).map_err(|error| both(error.to_string()))?;
    if !place.is_known(Motion::default()) {
        return Err(both("latitude 0 and longitude 0 is what a receiver without a fix writes".into()));
    }
    Ok(place)
}

/// A number of degrees, with a point or a comma, perhaps with a sign for degrees and a side of the earth.
fn degrees(axis: Axis, text: Option<&str>) -> Result<f64, String> {
    let (what, sides, most) = axis.facts();
    let text =
        text.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| format!("{what} is missing"))?;
    let number =
        text.trim_end_matches(|c: char| c == '°' || c == ' ' || sides.contains(&c.to_ascii_uppercase()));
    let is_behind = text.chars().any(|c| c.to_ascii_uppercase() == sides[1]);
    let number = number.trim_start_matches(|c: char| c == ' ' || sides.contains(&c.to_ascii_uppercase()));
    let number = number.replace('\u{2212}', "-").replace(',', ".");
    let degrees: f64 = number.parse().map_err(|_| format!("{what} {} is no number", piece(text)))?;
    if !(-most..=most).contains(&degrees) {
        return Err(format!("{what} {} is not within {most} degrees", piece(text)));
    }
    // `-3.5 W` says it twice.
    Ok(if is_behind { -degrees.abs() } else { degrees })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_of_the_earth_and_a_sign_say_the_same() {
        for (text, expected) in
            [("3.5W", -3.5), ("-3.5W", -3.5), ("W -3,5°", -3.5), ("-3.5", -3.5), ("3.5 e", 3.5), ("0W", 0.0)]
        {
            let place = place(Some("1"), Some(text)).expect(text);
            assert!((place.lon() - expected).abs() < 1e-9, "{text}: {}", place.lon());
        }
        assert_eq!(place(Some("-1S"), Some("2")).map(Position::lat), Ok(-1.0));
    }
}
