//! GPX 1.0 and 1.1, as loggers write it: a track's points are its `trkpt` (a route's its `rtept`) with a place and a time,
//! whatever else stands around and in them.

use std::io::{self, BufRead, Read};

use anyhow::bail;
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    Named,
    input::text,
    left_out::{LeftOut, Place, piece},
    position::place,
    when,
};
use crate::cli::replay::track::Recorded;

/// Longest name and time, in characters. More is cut.
const NAME: usize = 200;
const TIME: usize = 64;

/// Where the reader is. What stands in an element that means nothing to us is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    File,
    Gpx,
    Track,
    Segment,
    Point,
    Name,
    Time,
}

impl Element {
    /// The element of this name in this one, if it means anything.
    fn child(self, name: &[u8]) -> Option<Self> {
        match (self, name) {
            (Self::File, b"gpx") => Some(Self::Gpx),
            (Self::Gpx, b"trk" | b"rte") => Some(Self::Track),
            (Self::Track, b"name") => Some(Self::Name),
            (Self::Track, b"trkseg") => Some(Self::Segment),
            (Self::Track, b"rtept") | (Self::Segment, b"trkpt") => Some(Self::Point),
            (Self::Point, b"time") => Some(Self::Time),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Reading {
    named: Named,
    name: String,
    points: Vec<Recorded>,
    /// Latitude and longitude as they are written, and where.
    point: Option<(Option<String>, Option<String>, Place)>,
    time: String,
}

/// Reads tracks and routes. `stem` names those without a name. Points without a time cannot be played.
pub(super) fn read(reader: impl BufRead, stem: &str, left_out: &mut LeftOut) -> anyhow::Result<Named> {
    let mut reader = Reader::from_reader(Counted { reader, place: Place { line: 1, column: 1 } });
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    config.expand_empty_elements = true;
    let mut reading = Reading::default();
    let mut open = Open::default();
    // Of the elements of GPX: those of others have another one.
    let mut prefix: Option<Vec<u8>> = None;
    let mut buffer = Vec::new();
    let mut is_after_text = false;
    loop {
        let mut place = reader.get_ref().place;
        // The parser has taken the sign that ended the text.
        place.column -= u64::from(is_after_text && place.column > 1);
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => {
                if let quick_xml::Error::Io(error) = &error {
                    bail!("{error}");
                }
                let place = reader.get_ref().place;
                left_out.add(place, format_args!("what follows cannot be read: {error}"));
                break;
            }
        };
        is_after_text = matches!(event, Event::Text(_));
        let here = open.here();
        match event {
            Event::Start(start) => {
                let (name, of) = (start.local_name(), start.name().prefix().map(|p| p.as_ref().to_vec()));
                let child = here.and_then(|here| here.child(name.as_ref()));
                if child == Some(Element::Gpx) {
                    prefix.clone_from(&of);
                }
                let name = start.name().as_ref().to_vec();
                match child.filter(|_| of == prefix) {
                    Some(child) => {
                        reading.begin(child, &start, place);
                        open.elements.push((child, name));
                    }
                    None => open.passed.push((name, place)),
                }
            }
            Event::End(end) => {
                for element in open.close(end.name().as_ref(), left_out) {
                    reading.end(element, stem, left_out);
                }
            }
            Event::Text(part) => reading.text(here, &text(&part)),
            Event::CData(part) => reading.text(here, &text(&part)),
            Event::GeneralRef(reference) => reading.text(here, &referred(&reference)),
            Event::Eof => break,
            _ => {}
        }
    }
    open.end(left_out);
    // A file that was cut off: what was read of it counts.
    if open.elements.iter().any(|(element, _)| *element == Element::Track) {
        reading.end(Element::Track, stem, left_out);
    }
    if reading.named.0.is_empty() {
        bail!("no track with times");
    }
    Ok(reading.named)
}

/// Elements that have begun and not ended, each in the one before.
#[derive(Default)]
struct Open {
    /// Those of GPX, by their names as written.
    elements: Vec<(Element, Vec<u8>)>,
    /// What is passed over, in the last of them, and where it began.
    passed: Vec<(Vec<u8>, Place)>,
}

impl Open {
    /// The element of GPX that the reader is in; `None` in what is passed over.
    fn here(&self) -> Option<Element> {
        self.passed.is_empty().then(|| self.elements.last().map_or(Element::File, |(element, _)| *element))
    }

    /// An element of this name ends, and with it what began in it and did not end. Answers those of GPX, the inner ones first.
    /// An end of what never began is none.
    fn close(&mut self, name: &[u8], left_out: &mut LeftOut) -> Vec<Element> {
        if let Some(at) = self.passed.iter().rposition(|(passed, _)| passed == name) {
            self.passed.truncate(at);
            return Vec::new();
        }
        // In a name and a time nothing else can end.
        let of_leaf = || match self.elements[..] {
            [.., (Element::Name | Element::Time, _)] if self.passed.is_empty() => {
                Some(self.elements.len() - 1)
            }
            _ => None,
        };
        let at = self.elements.iter().rposition(|(_, open)| open == name).or_else(of_leaf);
        let Some(at) = at else { return Vec::new() };
        self.end(left_out);
        self.elements.drain(at..).rev().map(|(element, _)| element).collect()
    }

    /// What is passed over ends although it never said so: something that counts may have stood behind it.
    fn end(&mut self, left_out: &mut LeftOut) {
        if let Some((name, place)) = self.passed.drain(..).next() {
            left_out.add(
                place,
                format_args!("{} does not end: what follows in it is left out", piece(&text(&name))),
            );
        }
    }
}

/// What a reference stands for. Only those of XML itself: what a file defines is not expanded.
fn referred(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(char)) = reference.resolve_char_ref() {
        return char.to_string();
    }
    let name = text(reference);
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => text.to_owned(),
        None => format!("&{name};"),
    }
}

impl Reading {
    fn begin(&mut self, element: Element, start: &BytesStart<'_>, place: Place) {
        match element {
            Element::Track => {
                self.name.clear();
                self.points.clear();
            }
            Element::Name => self.name.clear(),
            Element::Point => {
                let value = |name: &[u8]| {
                    let mut attributes = start.attributes();
                    attributes.with_checks(false);
                    let mut readable = attributes.filter_map(Result::ok);
                    let found = readable.find(|attribute| attribute.key.local_name().as_ref() == name)?;
                    Some(text(&found.value).trim().to_owned())
                };
                self.point = Some((value(b"lat"), value(b"lon"), place));
                self.time.clear();
            }
            Element::Time => self.time.clear(),
            Element::File | Element::Gpx | Element::Segment => {}
        }
    }

    fn text(&mut self, element: Option<Element>, text: &str) {
        let (into, longest) = match element {
            Some(Element::Name) => (&mut self.name, NAME),
            Some(Element::Time) => (&mut self.time, TIME),
            _ => return,
        };
        let room = longest.saturating_sub(into.chars().count());
        into.extend(text.chars().take(room));
    }

    fn end(&mut self, element: Element, stem: &str, left_out: &mut LeftOut) {
        match element {
            Element::Point => {
                let Some((lat, lon, at)) = self.point.take() else { return };
                if self.time.trim().is_empty() {
                    left_out.timeless += 1;
                    return;
                }
                let Some(time) = when::parse(&self.time) else {
                    return left_out.add(at, format_args!("{} is no time", piece(&self.time)));
                };
                match place(lat.as_deref(), lon.as_deref()) {
                    // Without a zone it is UTC, as GPX says.
                    Ok(place) => self.points.push(Recorded { seconds: time.as_utc(), place }),
                    Err((_, why)) => left_out.add(at, why),
                }
            }
            Element::Track => {
                let points = std::mem::take(&mut self.points);
                if !points.is_empty() {
                    let name = if self.name.trim().is_empty() { stem } else { self.name.trim() };
                    self.named.0.push((name.to_owned(), points));
                }
            }
            _ => {}
        }
    }
}

/// A reader that knows where it is.
struct Counted<R> {
    reader: R,
    place: Place,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        // The parser uses the buffer.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(buffer) = self.reader.fill_buf() {
            for byte in buffer.iter().take(amount) {
                match byte {
                    b'\n' => self.place = Place { line: self.place.line + 1, column: 1 },
                    // A character is counted with its first byte.
                    0x80..0xc0 => {}
                    _ => self.place.column += 1,
                }
            }
        }
        self.reader.consume(amount);
    }
}
