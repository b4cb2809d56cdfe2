//! Where in a file a finding is, for formats that mark lines: read back from its evidence, which begins with the place.

use super::document::FindingDoc;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The file, with its whole path.
    pub(super) file: &'a str,
    /// Line, from 1.
    pub(super) line: u32,
    /// Column, from 1.
    pub(super) column: Option<u32>,
}

impl<'a> Place<'a> {
    /// The file as seen from a directory above it; `None` when it is not below that directory.
    pub(super) fn below(&self, root: Option<&str>) -> Option<&'a str> {
        let inside = self.file.strip_prefix(root?.trim_end_matches('/'))?.strip_prefix('/')?;
        (!inside.is_empty()).then_some(inside)
    }
}

/// The first place that the evidence names; `None` when the finding is about the machine and not about a file.
pub(super) fn of(finding: &FindingDoc) -> Option<Place<'_>> {
    finding.evidence.iter().find_map(|evidence| in_text(evidence))
}

/// `/path/file:7: …` and `/path/file:7:12: …`.
fn in_text(text: &str) -> Option<Place<'_>> {
    let absolute = text.starts_with('/') || text.get(1..3).is_some_and(|start| start == ":\\" || start == ":/");
    if !absolute {
        return None;
    }
    text.match_indices(':').find_map(|(at, _)| {
        let (line, rest) = number(&text[at + 1..])?;
        let rest = rest.strip_prefix(':')?;
        let column = number(rest).filter(|(_, after)| after.starts_with(':')).map(|(column, _)| column);
        Some(Place { file: &text[..at], line, column })
    })
}

/// A number from 1 at the start of a text, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|number| *number > 0).map(|number| (number, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_with_a_file_and_a_line_is_a_place() {
        let place = |text| in_text(text).map(|place| (place.file, place.line, place.column));
        assert_eq!(place("/e/conf/casa_distro.json:7: \"mounts\" is a list"), Some(("/e/conf/casa_distro.json", 7, None)));
        assert_eq!(place("/e/my conf/x.json:3:12: trailing comma"), Some(("/e/my conf/x.json", 3, Some(12))));
        assert_eq!(place("C:\\Users\\a\\.wslconfig:4: memory=1"), Some(("C:\\Users\\a\\.wslconfig", 4, None)));
        for none in
            ["DISPLAY=:0 is set", "X server at /tmp/.X11-unix/X0: refused", "/a/b: no line", "/a:0: x", "/a:7", "localhost:10: x"]
        {
            assert_eq!(place(none), None, "{none}");
        }
    }

    #[test]
    fn a_file_is_seen_from_the_directory_of_the_job() {
        let place = Place { file: "/builds/repository/e/x.json", line: 1, column: None };
        assert_eq!(place.below(Some("/builds/repository")), Some("e/x.json"));
        assert_eq!(place.below(Some("/builds/repository/")), Some("e/x.json"));
        for other in [None, Some("/builds/repo"), Some("/other"), Some("/builds/repository/e/x.json")] {
            assert_eq!(place.below(other), None, "{other:?}");
        }
        assert_eq!(place.below(Some("/")), Some("builds/repository/e/x.json"));
    }
}
