//! Files as people have them.

use std::{collections::HashSet, fmt::Write, io::Cursor};

use fanfare_client::proto::unescape_id;

use super::*;

type Read = (Vec<(String, Vec<Recorded>)>, Vec<String>, u64);

fn read_csv(bytes: &[u8], zone: Option<&str>) -> anyhow::Result<Read> {
    let zone = zone.map(|name| name.parse::<Zone>().expect("a zone"));
    let mut left_out = LeftOut::default();
    let reader = input::utf8(Cursor::new(bytes.to_vec())).expect("memory");
    let Named(named) = csv::read(reader, "stem", zone.as_ref(), &mut left_out)?;
    let (told, count) = left_out.told();
    Ok((named, told.to_vec(), count))
}

fn read_gpx(bytes: &[u8]) -> anyhow::Result<Read> {
    let mut left_out = LeftOut::default();
    let reader = input::utf8(Cursor::new(bytes.to_vec())).expect("memory");
    let Named(named) = gpx::read(reader, "stem", &mut left_out)?;
    let (told, count) = left_out.told();
    Ok((named, told.to_vec(), count))
}

/// Seconds, latitude, longitude.
type Point = (f64, f64, f64);

/// Names, and the seconds, latitude and longitude of each point.
fn points(named: &[(String, Vec<Recorded>)]) -> Vec<(&str, Vec<Point>)> {
    let point = |point: &Recorded| (point.seconds, point.place.lat(), point.place.lon());
    named.iter().map(|(name, points)| (name.as_str(), points.iter().map(point).collect())).collect()
}

const T: f64 = 1_714_557_600.0; // 2024-05-01 10:00:00 UTC

#[test]
fn tables_in_many_forms() {
    let expected = vec![("a", vec![(T, 31.5, 119.6), (T + 20.0, 31.5, 119.75)])];
    for text in [
        "longitude,latitude,timestamp,name_id\n119.6,31.5,2024-05-01 10:00:00,a\n119.75,31.5,2024-05-01 10:00:20,a\n",
        "\u{feff}longitude,latitude,timestamp,name_id\r\n119.6,31.5,2024-05-01 10:00:00,a\r\n119.75,31.5,2024-05-01 10:00:20,a",
        "Longitude,LATITUDE,Timestamp,Name_ID\n119.6,31.5,2024-05-01 10:00:00,a\n119.75,31.5,2024-05-01 10:00:20,a\n",
        "longitude, latitude ,timestamp, name_id\n 119.6, 31.5, 2024-05-01 10:00:00, a\n119.75,31.5,2024-05-01 10:00:20,a\n",
        "longitude;latitude;timestamp;name_id\n119,6;31,5;2024-05-01 10:00:00;a\n119,75;31,5;2024-05-01 10:00:20;a\n",
        "longitude;latitude;timestamp;name_id\n119.6;31.5;2024-05-01T10:00:00Z;a\n119.75;31.5;2024-05-01T12:00:20+02:00;a\n",
        "lat,lon,time,name\n31.5,119.6,2024-05-01 10:00:00,a\n31.5,119.75,2024-05-01 10:00:20,a\n",
        "\"lat\"\t\"lon\"\t\"time\"\t\"name\"\n31.5\t119.6\t1714557600\ta\n31.5\t119.75\t1714557620000\ta\n",
        "id;name;Latitude (deg);Longitude (deg);Date;Time\n1;a;31,5;119,6;01.05.2024;10:00\n2;\"a\";31.5°;E 119,75;2024/05/01;10:00:20\n",
        "# a logger\n\nlat,lon,time,name\rN31.5,119.6E,2024-05-01 10:00:00,a\r31.5,119.75,2024-05-01 10:00:20 UTC,a\r",
        "lat,lon,time,name\n\n31.5,119.6,2024-05-01 10:00:00,a\nlat,lon,time,name\n31.5,119.75,2024-05-01 10:00:20,a\n",
    ] {
        let (named, told, _) = read_csv(text.as_bytes(), None).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(points(&named), expected, "{text}");
        assert_eq!(told, [""; 0], "{text}");
    }
    let (named, ..) = read_csv(b"lat,lon,time\n1,2,2024-05-01 10:00:00\n", None).expect("reads");
    assert_eq!(named[0].0, "stem");
    let wide: Vec<u8> = "\u{feff}lat\tlon\ttime\tname\n1\t2\t2024-05-01 10:00\tJürgen\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(read_csv(&wide, None).expect("reads").0[0].0, "Jürgen");
    let latin = b"longitude,latitude,timestamp,name_id\n1,2,2024-05-01 10:00:00,J\xfcrgen\n";
    assert_eq!(read_csv(latin, None).expect("reads").0[0].0, "Jürgen");
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let text = "longitude,latitude,timestamp,name_id\n\
        1,2,2024-05-01 10:00:00,a\n\
        xx\n\
        ,,2024-05-01 10:00:10,a\n\
        1,91,2024-05-01 10:00:10,a\n\
        1,2,yesterday,a\n\
        NaN,2,2024-05-01 10:00:10,a\n\
        0,0,2024-05-01 10:00:10,a\n\
        \"1,2,2024-05-01 10:00:10,a\n\
        1,2,05/06/2024 10:00:10,a\n\
        180.0,2,2024-05-01 10:00:20,a\n";
    let (named, told, count) = read_csv(text.as_bytes(), None).expect("reads");
    assert_eq!(points(&named), [("a", vec![(T, 2.0, 1.0), (T + 20.0, 2.0, 180.0)])]);
    assert_eq!(
        told,
        [
            "3:1: 1 columns where 4 are needed",
            "4:2: latitude is missing",
            "5:3: latitude \"91\" is not within 90 degrees",
            "6:5: \"yesterday\" is no time",
            "7:1: longitude \"NaN\" is not within 180 degrees",
            "8:3: latitude 0 and longitude 0 is what a receiver without a fix writes",
            "9:1: 1 columns where 4 are needed",
            "10:5: \"05/06/2024 10:00:10\" is no time",
        ]
    );
    assert_eq!(count, 8);
    let many = format!("lat,lon,time\n1,2,2024-05-01 10:00:00\n{}", "x,y,z\n".repeat(1_000));
    let (_, told, count) = read_csv(many.as_bytes(), None).expect("reads");
    assert_eq!((told.len(), count), (10, 1_000));
    for (text, why) in [
        ("", "it is empty"),
        ("a,b,c\n1,2,3\n", "does not name the columns"),
        (&"x".repeat(200_000), "longer than"),
    ] {
        let error = read_csv(text.as_bytes(), None).expect_err("nothing to read").to_string();
        assert!(error.contains(why), "{error}");
    }
}

/// Local times over the end of summer time: an hour comes twice.
#[test]
fn the_hour_that_comes_twice() {
    let mut text = "longitude,latitude,timestamp,name_id\n".to_owned();
    let minutes = (0..60).step_by(5).chain((2..60).step_by(5));
    for (n, minute) in minutes.enumerate() {
        writeln!(text, "10.{n:02},50,2024-10-27 02:{minute:02}:00,a").expect("a text");
    }
    let error = read_csv(text.as_bytes(), None).expect_err("a jump").to_string();
    assert!(
        error.contains("line 14") && error.contains("53 min") && error.contains("--zone Europe/Berlin"),
        "{error}"
    );
    let (named, _, left_out) = read_csv(text.as_bytes(), Some("Europe/Berlin")).expect("reads");
    let seconds: Vec<f64> = named[0].1.iter().map(|point| point.seconds).collect();
    assert!(seconds.is_sorted(), "{seconds:?}");
    assert_eq!((seconds.len(), seconds[23] - seconds[0], left_out), (24, 117.0 * 60.0, 0));
    // 02:00 in summer is midnight UTC.
    assert!((seconds[0] - 1_729_987_200.0).abs() < 1e-6);
    assert!(read_csv(text.as_bytes(), Some("UTC")).is_ok());
    assert!("Europe/Nowhere".parse::<Zone>().is_err());
    // In any order is no clock that steps back.
    let shuffled = "lat,lon,time\n1,2,2024-05-01 10:30:00\n1,2,2024-05-01 10:10:00\n1,2,2024-05-01 10:20:00\n1,2,2024-05-01 10:00:00\n";
    assert_eq!(read_csv(shuffled.as_bytes(), None).expect("reads").0[0].1.len(), 4);
}

fn gpx_of(namespace: &str, more: &str) -> String {
    let mut text =
        format!(r#"<gpx version="1.0" creator="t" xmlns="{namespace}"><trk><name>a</name><trkseg>"#);
    for n in 0..4 {
        let more = if n == 2 { more } else { "" };
        write!(text, "\n<trkpt lat=\"1.00{n}\" lon=\"2\"><time>2024-05-01T10:0{n}:00Z</time>{more}</trkpt>")
            .expect("a text");
    }
    text + "</trkseg></trk></gpx>"
}

#[test]
fn loggers_write_what_they_like() {
    for namespace in ["http://www.topografix.com/GPX/1/0", "http://www.topografix.com/GPX/1/1", "x"] {
        for more in [
            "<course>90</course><speed>1</speed><magvar>2</magvar><sat>7.0</sat><ele>3,5</ele><src/>",
            "<url>http://x</url><urlname>n</urlname><geoidheight>NaN</geoidheight>",
            r#"<x:time xmlns:x="y">1999-01-01T00:00:00Z</x:time><x:deep><time>1999-01-01T00:00:00Z</time></x:deep>"#,
            "<extensions><a><b><time>no</time></b></a></extensions><!-- <time>no</time> --><?x y?>",
        ] {
            let (named, told, _) =
                read_gpx(gpx_of(namespace, more).as_bytes()).unwrap_or_else(|e| panic!("{more}: {e}"));
            let found = points(&named);
            assert_eq!((found[0].0, found[0].1.len(), told.len()), ("a", 4, 0), "{more} {told:?}");
            assert_eq!(found[0].1[2], (T + 120.0, 1.002, 2.0));
        }
    }
    let text = "<?xml version='1.0'?>\r\n<!DOCTYPE gpx [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>\r\n\
        <g:gpx xmlns:g='http://www.topografix.com/GPX/1/1'><g:wpt lat='1' lon='2'><g:time>2024-05-01T10:00:00Z</g:time></g:wpt>\
        <g:trk><g:link><g:name>no</g:name></g:link><g:name><![CDATA[Night & ]]>d&#97;y &amp; &b;</g:name><g:trkseg>\
        <g:trkpt lon='2' lat='1'><g:time>2024-05-01 12:00:00.5+0200</g:time></g:trkpt></g:trkseg></g:trk>\
        <g:rte><g:rtept lat='3' lon='4'><g:time>2024-05-01T10:00:00</g:time></g:rtept><g:rtept lat='3' lon='4'/></g:rte></g:gpx>";
    let (named, told, _) = read_gpx(text.as_bytes()).expect("reads");
    assert_eq!(
        points(&named),
        [("Night & day & &b;", vec![(T + 0.5, 1.0, 2.0)]), ("stem", vec![(T, 3.0, 4.0)])]
    );
    assert_eq!(told, [""; 0]);
}

#[test]
fn points_that_cannot_be_read_are_named() {
    for (from, to, left_out) in [
        ("10:02:00Z", "25:02:00Z", "4:1: \"2024-05-01T25:02:00Z\" is no time"),
        ("T10:02:00Z", "T24:00:00Z", "4:1: \"2024-05-01T24:00:00Z\" is no time"),
        ("lat=\"1.002\"", "lat=\"91\"", "4:1: latitude \"91\" is not within 90 degrees"),
        ("lat=\"1.002\"", "lat=\"1000\"", "4:1: latitude \"1000\" is not within 90 degrees"),
        ("lat=\"1.002\"", "lat=\"NaN\"", "4:1: latitude \"NaN\" is no number"),
        ("lat=\"1.002\"", "", "4:1: latitude is missing"),
        (
            "lat=\"1.002\" lon=\"2\"",
            "lat=\"0.0\" lon=\"0\"",
            "4:1: latitude 0 and longitude 0 is what a receiver without a fix writes",
        ),
    ] {
        let (named, told, count) = read_gpx(gpx_of("x", "").replace(from, to).as_bytes()).expect("reads");
        assert_eq!((named[0].1.len(), told, count), (3, vec![left_out.to_owned()], 1));
    }
    for (from, to) in [
        ("T10:02:00Z", " 10:02:00Z"),
        ("lat=\"1.002\" lon=\"2\"", "lat=\"1.002\" lon=\"180.0\""),
        ("1.002", "1,002"),
    ] {
        let (named, told, _) = read_gpx(gpx_of("x", "").replace(from, to).as_bytes()).expect("reads");
        assert_eq!((named[0].1.len(), told.len()), (4, 0), "{to}");
    }
    // Without a time it is no point of a track; a file that was cut off is read as far as it goes.
    let (named, ..) =
        read_gpx(gpx_of("x", "").replace("<time>2024-05-01T10:02:00Z</time>", "<time/>").as_bytes())
            .expect("reads");
    assert_eq!(named[0].1.len(), 3);
    let whole = gpx_of("x", "");
    let cut = whole.find("10:03").expect("the last point");
    let (named, ..) = read_gpx(&whole.as_bytes()[..cut]).expect("reads");
    assert_eq!(named[0].1.len(), 3);
    assert!(read_gpx(b"<gpx></gpx>").is_err());
    assert!(read_gpx(b"no file of this kind").is_err());
    let deep = format!("<gpx><trk>{}", "<a>".repeat(100_000));
    assert!(read_gpx(deep.as_bytes()).is_err());
}

/// What others put into a file may be nested as they like.
#[test]
fn a_foreign_element_that_does_not_end_swallows_no_points() {
    for more in [
        "<extensions><a></extensions>",
        "<extensions><a><b></extensions></b>",
        "<extensions></a></extensions></x>",
        "<desc>one<br>two</desc>",
    ] {
        let (named, told, _) =
            read_gpx(gpx_of("x", more).as_bytes()).unwrap_or_else(|e| panic!("{more}: {e}"));
        assert_eq!((points(&named)[0].1.len(), told), (4, vec![]), "{more}");
    }
    // Without an end of its own: the point's is the end of it, and what may be lost is named.
    let (named, told, count) = read_gpx(gpx_of("x", "<extensions><a>").as_bytes()).expect("reads");
    assert_eq!((points(&named)[0].1.len(), count), (4, 1));
    assert!(told[0].starts_with("4:") && told[0].contains("\"extensions\" does not end"), "{told:?}");
    // Between points nothing ends it before the segment does.
    let text = gpx_of("x", "").replacen("</trkpt>", "</trkpt><sponsor>", 1);
    let (named, told, count) = read_gpx(text.as_bytes()).expect("reads");
    assert_eq!((points(&named)[0].1.len(), count), (1, 1));
    assert!(told[0].starts_with("2:") && told[0].contains("\"sponsor\" does not end"), "{told:?}");
    let text = gpx_of("x", "").replace("</name>", "</nam>");
    assert_eq!(points(&read_gpx(text.as_bytes()).expect("reads").0)[0].1.len(), 4);
    // A track that does not end either is one of its file.
    let text = gpx_of("x", "").replace("</trkseg></trk>", "");
    assert_eq!(points(&read_gpx(text.as_bytes()).expect("reads").0)[0].1.len(), 4);
}

fn row(minute: u32, name: &str) -> String {
    format!("1.{minute:03},50,2024-10-27 {:02}:{:02}:00,{name}\n", minute / 60, minute % 60)
}

/// A table of rows of two agents; those of one are at these minutes of the day.
fn table(minutes: &[u32]) -> String {
    let mut text = "longitude,latitude,timestamp,name_id\n".to_owned();
    for minute in 0..10 {
        text += &row(minute, "b");
    }
    for minute in minutes {
        text += &row(*minute, "a");
    }
    text
}

#[test]
fn one_agents_bad_clock_keeps_no_other_from_playing() {
    let fold: Vec<u32> = (120..180).step_by(5).chain((120..240).step_by(5)).collect();
    let (named, told, count) = read_csv(table(&fold).as_bytes(), None).expect("reads");
    assert_eq!(points(&named).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["b"]);
    assert_eq!((told.len(), count), (1, fold.len() as u64));
    assert!(told[0].starts_with("24:") && told[0].contains("\"a\" steps back by 55 min"), "{told:?}");
    let (named, told, _) = read_csv(table(&fold).as_bytes(), Some("Europe/Berlin")).expect("reads");
    assert_eq!((named.len(), told.len()), (2, 0));
}

#[test]
fn a_row_in_the_wrong_place_is_left_out_alone() {
    let mut minutes: Vec<u32> = (60..240).collect();
    minutes.insert(100, 110);
    let (named, told, count) = read_csv(table(&minutes).as_bytes(), None).expect("reads");
    assert_eq!((named[1].1.len(), count), (180, 1));
    assert_eq!(told, ["112:10: its time is not between those of the rows around it"]);
    // A fold beside it is one all the same.
    let mut minutes: Vec<u32> = (60..180).chain(125..240).collect();
    minutes.insert(30, 70);
    let (named, told, _) = read_csv(table(&minutes).as_bytes(), None).expect("reads");
    assert_eq!((named.len(), told.len()), (1, 1));
    assert!(told[0].contains("steps back by 54 min"), "{told:?}");
}

#[test]
fn a_line_that_is_too_long_is_left_out() {
    let long = "x".repeat(100_000);
    let text = format!("lat,lon,time\n1,2,2024-05-01 10:00:00\n{long}\n1,3,2024-05-01 10:01:00\n{long}");
    let (named, told, count) = read_csv(text.as_bytes(), None).expect("reads");
    assert_eq!((named[0].1.len(), count), (2, 2));
    assert_eq!(told, ["3:1: longer than 65536 bytes", "5:1: longer than 65536 bytes"]);
}

#[test]
fn a_file_that_cannot_be_read_keeps_no_other_from_playing() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let good = write("good.csv", "lat,lon,time\n1,2,2024-05-01 10:00:00\n");
    let planned = write("planned.gpx", "<gpx><rte><rtept lat='1' lon='2'/></rte></gpx>");
    let (other, missing) = (write("notes.odt", "x"), dir.path().join("missing.csv"));
    let mut told = Vec::new();
    let files = [&planned, &good, &other, &missing];
    let played = tracks(&files, None, |line| told.push(line.to_owned())).expect("one can be played");
    assert_eq!(played.len(), 1);
    for (file, why) in [
        ("planned.gpx", "no track with times"),
        ("notes.odt", "neither .csv nor .gpx"),
        ("missing.csv", "No such file"),
    ] {
        assert!(told.iter().any(|line| line.contains(file) && line.contains(why)), "{file}: {told:?}");
    }
    let error = tracks(&[&planned, &other], None, |_| ()).expect_err("nothing is left");
    assert!(format!("{error:#}").contains("planned.gpx: no track with times"), "{error:#}");
}

#[test]
fn every_name_has_an_id_of_its_own() {
    let mut taken = HashSet::new();
    let names = ["张三", "李四", "Ольга", "Jürgen", "🚕", "Night shift", "T-r", "T r", "taxi-1", "~~x"];
    for name in names {
        let id = name::agent(name, &mut taken).expect("an id");
        assert_eq!(unescape_id(id.as_str()), name);
    }
    assert_eq!(taken.len(), names.len());
    let id = |name: &str, taken: &mut _| {
        unescape_id(name::agent(name, taken).expect("an id").as_str()).into_owned()
    };
    assert_eq!(id("张三", &mut taken), "张三 2");
    assert_eq!(id(" ", &mut taken), "agent");
    let long = ["x".repeat(500), "x".repeat(501), "马".repeat(200)];
    let ids: HashSet<_> = long.iter().map(|name| id(name, &mut taken)).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().any(|name| name.starts_with("马马马") && name.contains('…')));
    assert!(taken.iter().all(|id| id.as_str().len() <= 120));
}
