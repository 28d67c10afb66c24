//! The terminal: a picture that is drawn over itself on a page of its own, which is left as it was found.

use std::io::{self, Write};

/// A page of the terminal, given back when dropped.
pub struct Screen {
    terminal: console::Term,
    colour: bool,
}

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K";
const END_OF_PAGE: &str = "\x1b[J";

/// Whether the owner of the terminal minds colours.
#[must_use]
pub fn is_coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Screen {
    /// Opens the page.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn open() -> io::Result<Screen> {
        let mut screen = Screen {
            terminal: console::Term::stdout(),
            colour: is_coloured(),
        };
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Draws what `lines` makes of the window: its width, its height, whether in colours.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn draw(
        &mut self,
        lines: impl FnOnce(usize, usize, bool) -> Vec<String>,
    ) -> io::Result<()> {
        let (height, width) = self.terminal.size();
        let lines = lines(width.into(), height.into(), self.colour);
        self.write(&frame(&lines))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.terminal.write_all(text.as_bytes())?;
        self.terminal.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Whoever cannot be written to shows nothing either.
        drop(self.write(LEAVE));
    }
}

/// All lines over the ones before, in one piece, so that nothing flickers.
fn frame(lines: &[String]) -> String {
    let mut text = HOME.to_owned();
    for (place, line) in lines.iter().enumerate() {
        if place > 0 {
            text.push_str("\r\n");
        }
        text.push_str(line);
        text.push_str(END_OF_LINE);
    }
    text.push_str(END_OF_PAGE);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_leaves_nothing_of_the_one_before() {
        let text = frame(&["one".to_owned(), "two".to_owned()]);
        assert_eq!(text, "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J");
    }

    #[test]
    fn the_cursor_comes_back_with_the_page() {
        assert!(ENTER.contains("?25l") && LEAVE.contains("?25h"));
        assert!(ENTER.contains("?1049h") && LEAVE.contains("?1049l"));
    }
}
