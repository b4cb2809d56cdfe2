//! Laying text out for a terminal: wrapped prose, labels, tables, and commands that stay whole.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle, presets};
use owo_colors::{OwoColorize as _, Style};

use super::style::{Styles, Symbols};
use super::text::{ascii, harmless, wrap};

/// Columns by which tables are indented.
const INDENT: usize = 2;

/// A table without lines but one below its headings.
fn table_style(unicode: bool) -> TableStyle {
    presets::NOTHING.header_separator(LineStyle::none().fill(if unicode { '─' } else { '-' }))
}

/// A page being written.
pub(crate) struct Page {
    out: String,
    unicode: bool,
    width: usize,
    pub(crate) styles: Styles,
    pub(crate) symbols: Symbols,
}

impl Page {
    /// An empty page: with colours or without, with signs outside ASCII or without, of that many columns.
    pub(crate) fn new(color: bool, unicode: bool, width: usize) -> Self {
        Self { out: String::new(), unicode, width, styles: Styles::new(color), symbols: Symbols::new(unicode) }
    }

    /// What was written.
    pub(crate) fn into_text(self) -> String {
        self.out
    }

    /// Text as this terminal can show it.
    fn fit(&self, text: &str) -> String {
        let text = harmless(text);
        if self.unicode { text } else { ascii(&text) }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// An empty line, unless the page ends with one or is empty.
    pub(crate) fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Wrapped prose in one style.
    pub(crate) fn prose(&mut self, first_indent: &str, indent: &str, text: &str, style: Style) {
        let text = self.fit(text);
        for line in wrap(&text, self.width, first_indent, indent) {
            let (blank, rest) = line.split_at(line.len() - line.trim_start().len());
            self.line(&format!("{blank}{}", rest.style(style)));
        }
    }

    /// Wrapped prose whose first words have a style of their own.
    pub(crate) fn headline(&mut self, head: &str, text: &str, head_style: Style, style: Style) {
        let text = self.fit(text);
        for (index, line) in wrap(&text, self.width, head, "  ").into_iter().enumerate() {
            match line.strip_prefix(head).filter(|_| index == 0) {
                Some(rest) => self.line(&format!("{}{}", head.style(head_style), rest.style(style))),
                None => self.line(&format!("  {}", line.trim_start().style(style))),
            }
        }
    }

    /// Wrapped prose after a label; its further lines stand `hang` columns to the right of the first one's text.
    pub(crate) fn labelled(&mut self, label: &str, text: &str, hang: usize) {
        const COLUMN: usize = 10;
        let head = format!("    {label:<width$}", width = COLUMN - 4);
        let text = self.fit(text);
        for (index, line) in wrap(&text, self.width, &head, &" ".repeat(COLUMN + hang)).into_iter().enumerate() {
            match line.strip_prefix(&head).filter(|_| index == 0) {
                Some(rest) => self.line(&format!("{}{rest}", head.style(self.styles.quiet))),
                None => self.line(&line),
            }
        }
    }

    /// A command, whole, on a line of its own. It is never changed but for control characters, which no shell needs: a
    /// command that was made fit for the eye would do something else when it is copied.
    pub(crate) fn command(&mut self, indent: &str, command: &str) {
        for line in harmless(command).lines() {
            let line = format!("{indent}{}", line.style(self.styles.command));
            self.line(&line);
        }
    }

    /// A table, indented and not wider than the page.
    pub(crate) fn table<const N: usize>(&mut self, headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        let width = u16::try_from(self.width.saturating_sub(INDENT)).unwrap_or(u16::MAX);
        let mut table = Table::new();
        table.load_style(table_style(self.unicode));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width).set_header(headings);
        table.add_rows(rows.into_iter().map(|row| row.map(|cell| self.fit(&cell))));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            self.line(format!("{:INDENT$}{line}", "").trim_end());
        }
    }

    /// A heading, after an empty line.
    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.prose("", "", text, self.styles.strong);
    }
}
