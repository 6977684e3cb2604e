//! What is shown: agents as rows of text, and the line above them.

use std::time::Duration;

use clap::ValueEnum;
use fanfare_client::{AgentPosition, State, Stats, proto::unescape_id};
use indicatif::HumanCount;

use crate::cli::link;

/// Titles of the columns.
pub(super) const COLUMNS: [&str; 7] = ["AGENT", "LAT", "LON", "AGE", "SPEED", "HEADING", "BATTERY"];

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Sort {
    /// By name
    #[default]
    Name,
    /// The newest first
    Age,
}

impl Sort {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Name => Self::Age,
            Self::Age => Self::Name,
        }
    }
}

/// A row, with a text for each column.
pub(super) type Row = [String; COLUMNS.len()];

/// The rows of those whose name contains `filter`.
pub(super) fn rows(mut agents: Vec<AgentPosition>, sort: Sort, filter: &str) -> Vec<Row> {
    let filter = filter.to_lowercase();
    agents.retain(|agent| name(agent).to_lowercase().contains(&filter));
    match sort {
        Sort::Name => agents.sort_by(|a, b| a.agent_id.cmp(&b.agent_id)),
        Sort::Age => agents.sort_by(|a, b| a.age.cmp(&b.age).then_with(|| a.agent_id.cmp(&b.agent_id))),
    }
    agents.iter().map(row).collect()
}

fn row(agent: &AgentPosition) -> Row {
    let motion = agent.motion;
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let is_known = agent.position.is_known(motion);
    [
        name(agent),
        known(is_known.then(|| format!("{:.6}", agent.position.lat()))),
        known(is_known.then(|| format!("{:.6}", agent.position.lon()))),
        age(agent.age),
        known(motion.speed_cms().map(|v| format!("{:.1} m/s", f64::from(v) / 100.0))),
        known(motion.heading_cdeg().map(heading)),
        known(motion.battery_pct().map(|v| format!("{v} %"))),
    ]
}

/// The agent's name in its own script, without what a terminal would act on or what changes the order of what is shown.
fn name(agent: &AgentPosition) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    unescape_id(agent.agent_id.as_str()).replace(acts, "\u{fffd}")
}

fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", age.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn heading(cdeg: u16) -> String {
    const POINTS: [&str; 8] = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
    let degrees = f64::from(cdeg) / 100.0;
    let point = (degrees / 45.0).round() as usize % POINTS.len();
    format!("{degrees:.0}° {}", POINTS.get(point).copied().unwrap_or_default())
}

/// The line above the rows.
pub(super) fn headline(state: &State, stats: &Stats, loss: Option<f64>, agents: usize) -> String {
    let connection = match state {
        State::Open(transport) => link::name(*transport).to_owned(),
        State::Backoff { cause, .. } => format!("no connection ({cause})"),
        State::Closed(reason) => format!("ended ({reason})"),
        _ => "connecting".to_owned(),
    };
    let rtt = stats.rtt.filter(|_| state.is_open());
    let rtt = rtt.map_or_else(|| "-".into(), |rtt| format!("{:.1} ms", rtt.as_secs_f64() * 1e3));
    let loss = loss.map_or_else(|| "-".into(), |loss| format!("{:.1} %", loss * 100.0));
    format!(
        "{connection}  rtt {rtt}  packets {}  estimated loss {loss}  agents {}  reconnects {}",
        HumanCount(stats.packets_received),
        HumanCount(agents as u64),
        stats.sessions.saturating_sub(1),
    )
}

/// Columns padded to the same width, for where there is no terminal.
pub(super) fn plain(rows: &[Row]) -> String {
    let titles = COLUMNS.map(str::to_owned);
    let lines = || std::iter::once(&titles).chain(rows);
    let widths = widths(rows);
    let line = |row: &Row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines().map(line).collect::<Vec<_>>().join("\n")
}

/// How wide each column must be.
pub(super) fn widths(rows: &[Row]) -> [usize; COLUMNS.len()] {
    let mut widths = COLUMNS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

#[cfg(test)]
pub(super) mod tests {
    use fanfare_client::proto::{Motion, Position, UnixMs, UserId};

    use super::*;

    pub(crate) fn agent(name: &str, age_ms: u64) -> AgentPosition {
        AgentPosition {
            agent_id: UserId::new(name).expect("an id"),
            time: UnixMs(0),
            position: Position::from_degrees(31.5, -120.25).expect("a place"),
            motion: Motion::from_units(None, Some(8.25), Some(349.0), None),
            age: Duration::from_millis(age_ms),
        }
    }

    #[test]
    fn a_plain_table() {
        let rows = rows(vec![agent("b", 12_000), agent("ann", 400)], Sort::Name, "");
        let table = "\
            AGENT  LAT        LON          AGE    SPEED    HEADING  BATTERY\n\
            ann    31.500000  -120.250000  0.4 s  8.2 m/s  349° N   -\n\
            b      31.500000  -120.250000  12 s   8.2 m/s  349° N   -";
        assert_eq!(plain(&rows), table);
    }

    #[test]
    fn sorted_and_filtered() {
        let agents = || vec![agent("Bob", 1), agent("ann", 500), agent("bea", 2)];
        let names = |sort, filter| rows(agents(), sort, filter).into_iter().map(|[name, ..]| name);
        assert!(names(Sort::Name, "").eq(["Bob", "ann", "bea"]));
        assert!(names(Sort::Age, "B").eq(["Bob", "bea"]));
    }

    #[test]
    fn ages_are_short() {
        let told =
            [9_999, 60_000, 7_199_000, 7_200_000, 900_000_000].map(|ms| age(Duration::from_millis(ms)));
        assert_eq!(told, ["10.0 s", "60 s", "119 min", "2 h", "10 d"]);
    }
}
