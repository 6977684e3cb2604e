//! Places as files tell them.

use fanfare_client::proto::{Motion, Position};

use super::left_out::piece;

/// A place of what is written for its latitude and longitude, or why it is none.
pub(super) fn place(lat: Option<&str>, lon: Option<&str>) -> Result<Position, String> {
    let (lat, lon) =
        (degrees("latitude", lat, ['N', 'S'], 90.0)?, degrees("longitude", lon, ['E', 'W'], 180.0)?);
    let place = Position::from_degrees(lat, lon).map_err(|error| error.to_string())?;
    if !place.is_known(Motion::default()) {
        return Err("latitude 0 and longitude 0 is what a receiver without a fix writes".into());
    }
    Ok(place)
}

/// A number of degrees, with a point or a comma, perhaps with a sign for degrees and a side of the earth.
fn degrees(what: &str, text: Option<&str>, sides: [char; 2], most: f64) -> Result<f64, String> {
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
    Ok(if is_behind { -degrees } else { degrees })
}
