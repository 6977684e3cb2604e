//! The live table on a terminal, and its keys.

use std::time::Duration;

use anyhow::Context;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Style, Stylize},
    text::Line,
    widgets::{Row, Table, TableState},
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Watching,
    view::{self, COLUMNS, Sort},
};
use crate::cli::link::Stop;

/// How often the screen is drawn: often enough for the eye, whatever the number of packets.
const DRAW: Duration = Duration::from_millis(250);

/// Rows that a page key moves by.
const PAGE: u16 = 20;

/// What the user has chosen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    sort: Sort,
    filter: String,
    /// Keys go into the filter.
    typing: bool,
    table: TableState,
}

/// What a key means for the loop.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Draw,
    Quit,
}

/// Shows the table until the user has seen enough, or the client has ended.
pub(super) async fn show(watching: &mut Watching, sort: Sort) -> anyhow::Result<()> {
    let mut screen = Screen { sort, ..Screen::default() };
    let mut stop = Stop::new()?;
    let mut terminal = ratatui::try_init().context("terminal")?;
    let mut keys = EventStream::new();
    let mut draw = interval(DRAW);
    draw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let done = loop {
        tokio::select! {
            gathered = watching.gather() => if let Err(error) = gathered {
                break Err(error);
            },
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    if screen.press(key) == Then::Quit {
                        break Ok(());
                    }
                    draw.reset_immediately();
                }
                Some(Ok(Event::Resize(..))) => draw.reset_immediately(),
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error.into()),
                None => break Ok(()),
            },
            _ = draw.tick() => {
                let headline = watching.headline();
                let rows = view::rows(watching.positions.all(), screen.sort, &screen.filter);
                if let Err(error) = terminal.draw(|frame| screen.draw(frame, &headline, rows)) {
                    break Err(error.into());
                }
            }
            () = stop.asked() => break Ok(()),
        }
    };
    ratatui::try_restore().context("terminal")?;
    done
}

impl Screen {
    fn press(&mut self, key: KeyEvent) -> Then {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Then::Quit;
        }
        match key.code {
            KeyCode::Up => self.table.select_previous(),
            KeyCode::Down => self.table.select_next(),
            KeyCode::PageUp => self.table.scroll_up_by(PAGE),
            KeyCode::PageDown => self.table.scroll_down_by(PAGE),
            KeyCode::Home => self.table.select_first(),
            KeyCode::End => self.table.select_last(),
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace if self.typing => {
                self.filter.pop();
            }
            KeyCode::Char(c) if self.typing => self.filter.push(c),
            KeyCode::Char('q') => return Then::Quit,
            KeyCode::Char('s') => self.sort = self.sort.other(),
            KeyCode::Char('/') => self.typing = true,
            _ => {}
        }
        Then::Draw
    }

    fn draw(&mut self, frame: &mut Frame, headline: &str, rows: Vec<view::Row>) {
        let [top, middle, bottom] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
                .areas(frame.area());
        frame.render_widget(Line::from(headline).bold(), top);
        let widths = view::widths(&rows).map(|width| Constraint::Length(width as u16));
        let table = Table::new(rows.into_iter().map(Row::new), widths)
            .header(Row::new(COLUMNS).style(Style::new().dim()))
            .column_spacing(2)
            .row_highlight_style(Style::new().reversed());
        frame.render_stateful_widget(table, middle, &mut self.table);
        frame.render_widget(Line::from(self.footer()).dim(), bottom);
    }

    fn footer(&self) -> String {
        let sort = match self.sort {
            Sort::Name => "name",
            Sort::Age => "age",
        };
        if self.typing || !self.filter.is_empty() {
            let cursor = if self.typing { "_" } else { "" };
            return format!("filter: {}{cursor}  (Enter: keep, Esc: all)  sorted by {sort}", self.filter);
        }
        format!("q quit  s sort (by {sort})  / filter  ↑↓ move")
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::cli::watch::view::tests::agent;

    fn press(screen: &mut Screen, code: KeyCode) -> Then {
        screen.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn draws_a_table_with_a_headline() {
        let mut terminal = Terminal::new(TestBackend::new(70, 5)).expect("a terminal");
        let rows = view::rows(vec![agent("b", 400), agent("a", 400)], Sort::Name, "");
        let mut screen = Screen::default();
        terminal.draw(|frame| screen.draw(frame, "WebTransport  rtt 0.4 ms", rows)).expect("drawn");
        let buffer = terminal.backend().buffer();
        let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        let lines = cells.chunks(70).map(|line| line.concat().trim_end().to_owned());
        let drawn: Vec<String> = lines.collect();
        let expected = [
            "WebTransport  rtt 0.4 ms",
            "AGENT  LAT        LON          AGE    SPEED    HEADING  BATTERY",
            "a      31.500000  -120.250000  0.4 s  8.2 m/s  349° N   -",
            "b      31.500000  -120.250000  0.4 s  8.2 m/s  349° N   -",
            "q quit  s sort (by name)  / filter  ↑↓ move",
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn keys() {
        let mut screen = Screen::default();
        assert_eq!(press(&mut screen, KeyCode::Char('s')), Then::Draw);
        assert_eq!(screen.sort, Sort::Age);
        // In the filter, letters are letters.
        for key in ['/', 'q', 's', 'x'] {
            assert_eq!(press(&mut screen, KeyCode::Char(key)), Then::Draw);
        }
        press(&mut screen, KeyCode::Backspace);
        press(&mut screen, KeyCode::Enter);
        assert_eq!(screen.filter, "qs");
        assert!(screen.footer().starts_with("filter: qs "));
        press(&mut screen, KeyCode::Esc);
        assert_eq!(screen.filter, "");
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Then::Quit);
    }
}
