//! How the terminal report looks: colours, symbols, width, and when to do without them.

use casa_doctor_checks::finding::Severity;
use owo_colors::Style;

use crate::host::Host;

/// The width that is used when no terminal tells one, in columns.
pub(crate) const DEFAULT_WIDTH: usize = 80;
/// Narrower than this nothing can be laid out, and wider than that prose is tiring to read.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=100;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

impl ColorChoice {
    /// Whether to use colours. The option wins; then NO_COLOR, set to anything but nothing (<https://no-color.org>); then
    /// what stands behind standard output: a terminal, and one that is not `TERM=dumb`.
    pub(crate) fn decide(self, host: &dyn Host, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = host.env("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && terminal && !is_dumb(host)
            }
        }
    }
}

fn is_dumb(host: &dyn Host) -> bool {
    host.env("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the reader's terminal shows more than ASCII: the locale of text is UTF-8 (LC_ALL, else LC_CTYPE, else LANG, the
/// first that is set and not empty, as POSIX orders them), and the terminal is not a dumb one.
pub(crate) fn shows_unicode(host: &dyn Host) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| host.env_text(name));
    let is_utf8 = locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    is_utf8 && !is_dumb(host)
}

/// The width to lay text out in: COLUMNS, else that of the terminal, else [`DEFAULT_WIDTH`], within what can be read.
pub(crate) fn width(host: &dyn Host, terminal: Option<usize>) -> usize {
    let asked = host.env_text("COLUMNS").and_then(|columns| columns.trim().parse().ok()).filter(|columns| *columns > 0);
    asked.or(terminal).unwrap_or(DEFAULT_WIDTH).clamp(*WIDTHS.start(), *WIDTHS.end())
}

/// The colours, each named after what it is for. Nothing is told by colour alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Styles {
    /// Errors.
    pub(crate) error: Style,
    /// Warnings and open questions.
    pub(crate) warning: Style,
    /// Remarks.
    pub(crate) info: Style,
    /// What is well.
    pub(crate) good: Style,
    /// Headings and titles.
    pub(crate) strong: Style,
    /// Commands to be copied.
    pub(crate) command: Style,
    /// Labels and what matters less.
    pub(crate) quiet: Style,
}

impl Styles {
    /// The colours, or none at all.
    pub(crate) fn new(color: bool) -> Self {
        if !color {
            return Self::default();
        }
        Self {
            error: Style::new().red().bold(),
            warning: Style::new().yellow().bold(),
            info: Style::new().blue().bold(),
            good: Style::new().green().bold(),
            strong: Style::new().bold(),
            command: Style::new().cyan(),
            quiet: Style::new().dimmed(),
        }
    }

    /// The colour of a severity.
    pub(crate) const fn severity(&self, severity: Severity) -> Style {
        match severity {
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}

/// The signs that stand beside words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbols {
    /// Beside "error".
    pub(crate) error: &'static str,
    /// Beside "warning".
    pub(crate) warning: &'static str,
    /// Beside "info".
    pub(crate) info: &'static str,
    /// Beside good news.
    pub(crate) good: &'static str,
    /// Beside an open question.
    pub(crate) open: &'static str,
    /// Before an item of a list.
    pub(crate) item: &'static str,
    /// Between an old value and a new one.
    pub(crate) becomes: &'static str,
}

impl Symbols {
    /// The signs, in ASCII alone if need be.
    pub(crate) const fn new(unicode: bool) -> Self {
        let ascii = Self { error: "X", warning: "!", info: "i", good: "OK", open: "?", item: "-", becomes: "->" };
        if unicode { Self { error: "✗", good: "✓", item: "•", becomes: "→", ..ascii } } else { ascii }
    }

    /// The sign of a severity.
    pub(crate) const fn severity(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Error => self.error,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RecordedHost;

    #[test]
    fn the_option_wins_over_no_color_and_that_over_the_terminal() {
        let plain = RecordedHost::new().env("TERM", "xterm-256color");
        let refusing = RecordedHost::new().env("TERM", "xterm-256color").env("NO_COLOR", "1");
        let empty = RecordedHost::new().env("TERM", "xterm-256color").env("NO_COLOR", "");
        let dumb = RecordedHost::new().env("TERM", "dumb");
        assert!(ColorChoice::Always.decide(&refusing, false));
        assert!(!ColorChoice::Never.decide(&plain, true));
        assert!(ColorChoice::Auto.decide(&plain, true));
        assert!(!ColorChoice::Auto.decide(&plain, false));
        assert!(!ColorChoice::Auto.decide(&refusing, true));
        assert!(ColorChoice::Auto.decide(&empty, true), "an empty NO_COLOR asks for nothing");
        assert!(!ColorChoice::Auto.decide(&dumb, true));
    }

    #[test]
    fn unicode_needs_a_utf8_locale_and_a_capable_terminal() {
        assert!(!shows_unicode(&RecordedHost::new()));
        assert!(shows_unicode(&RecordedHost::new().env("LANG", "fr_FR.UTF-8")));
        assert!(shows_unicode(&RecordedHost::new().env("LANG", "C").env("LC_ALL", "C.utf8")));
        assert!(!shows_unicode(&RecordedHost::new().env("LANG", "C.UTF-8").env("LC_ALL", "C")));
        assert!(shows_unicode(&RecordedHost::new().env("LANG", "C.UTF-8").env("LC_ALL", "")));
        assert!(!shows_unicode(&RecordedHost::new().env("LANG", "C.UTF-8").env("TERM", "dumb")));
    }

    #[test]
    fn the_width_is_always_one_that_can_be_read() {
        let host = RecordedHost::new();
        assert_eq!(width(&host, None), 80);
        assert_eq!(width(&host, Some(72)), 72);
        assert_eq!(width(&host, Some(3)), 40);
        assert_eq!(width(&host, Some(400)), 100);
        assert_eq!(width(&RecordedHost::new().env("COLUMNS", "60"), Some(90)), 60);
        assert_eq!(width(&RecordedHost::new().env("COLUMNS", "many"), Some(90)), 90);
        assert_eq!(width(&RecordedHost::new().env("COLUMNS", "0"), None), 80);
    }
}
