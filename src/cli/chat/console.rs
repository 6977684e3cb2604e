//! Where lines come from and go to: a terminal with an input line at the bottom, or plain streams.

use std::io::{self, BufRead, IsTerminal, Write};

use crossterm::{
    cursor::MoveToColumn,
    event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    queue,
    style::Print,
    terminal::{self, Clear, ClearType},
};
use futures::StreamExt;
use tokio::sync::mpsc;
use tui_input::{Input, backend::crossterm::EventHandler};

/// Lines read ahead from a pipe.
const AHEAD: usize = 16;

/// Where lines come from and go to.
pub(super) enum Console {
    Plain(mpsc::Receiver<io::Result<String>>),
    Terminal(Box<Terminal>),
}

/// A terminal in raw mode; set back when dropped.
pub(super) struct Terminal {
    keys: EventStream,
    input: Input,
    prompt: String,
}

impl Console {
    pub(super) fn new(prompt: String) -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Ok(Self::Plain(lines()));
        }
        terminal::enable_raw_mode()?;
        let mut terminal = Terminal { keys: EventStream::new(), input: Input::default(), prompt };
        terminal.draw(None)?;
        Ok(Self::Terminal(Box::new(terminal)))
    }

    /// The next line; `None` at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        match self {
            Self::Plain(lines) => lines.recv().await.transpose(),
            Self::Terminal(terminal) => terminal.next().await,
        }
    }

    /// Prints a line, above the one that is being typed.
    pub(super) fn print(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Plain(_) => crate::cli::say(line),
            Self::Terminal(terminal) => terminal.draw(Some(line)),
        }
    }
}

/// Reads standard input on a thread of its own: nobody waits for it when the program ends.
fn lines() -> mpsc::Receiver<io::Result<String>> {
    let (sender, lines) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            // An error means that nobody listens any more.
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

impl Terminal {
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let Some(event) = self.keys.next().await.transpose()? else {
                return Ok(None);
            };
            match event {
                Event::Key(key) if key.kind == KeyEventKind::Release => continue,
                Event::Key(key) if self.is_end(&key) => return Ok(None),
                Event::Key(KeyEvent { code: KeyCode::Enter, .. }) => {
                    let line = self.input.value_and_reset();
                    self.draw(None)?;
                    return Ok(Some(line));
                }
                event => {
                    self.input.handle_event(&event);
                }
            }
            self.draw(None)?;
        }
    }

    /// Ctrl-C, and Ctrl-D where nothing is typed.
    fn is_end(&self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let nothing = self.input.value().is_empty();
        control && (key.code == KeyCode::Char('c') || nothing && key.code == KeyCode::Char('d'))
    }

    /// Draws the input line anew, below `line` if there is one.
    fn draw(&mut self, line: Option<&str>) -> io::Result<()> {
        let mut out = io::stdout();
        queue!(out, MoveToColumn(0), Clear(ClearType::CurrentLine))?;
        if let Some(line) = line {
            queue!(out, Print(line), Print("\r\n"))?;
        }
        let (width, _) = terminal::size()?;
        // The last column stays empty: there the cursor would wrap.
        let room = usize::from(width).saturating_sub(self.prompt.len() + 1).max(1);
        let scroll = self.input.visual_scroll(room);
        let shown: String = visible(self.input.value(), scroll, room);
        let cursor = self.prompt.len() + self.input.visual_cursor().saturating_sub(scroll);
        queue!(out, Print(&self.prompt), Print(shown), MoveToColumn(cursor as u16))?;
        out.flush()
    }
}

/// The part of a line that fits into `room` columns from column `scroll` on.
fn visible(line: &str, scroll: usize, room: usize) -> String {
    let mut column = 0;
    let mut shown = String::new();
    for c in line.chars() {
        let width = ratatui::text::Span::raw(c.to_string()).width();
        if column >= scroll && column + width <= scroll + room {
            shown.push(c);
        }
        column += width;
    }
    shown
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = queue!(io::stdout(), MoveToColumn(0), Clear(ClearType::CurrentLine));
        let _ = io::stdout().flush();
        // There is nobody left to tell.
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn long_lines_scroll() {
        assert_eq!(visible("hello", 0, 10), "hello");
        assert_eq!(visible("hello", 2, 2), "ll");
        // Wide characters take two columns.
        assert_eq!(visible("你好吗", 2, 3), "好");
    }
}
