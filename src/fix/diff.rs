//! What a change looks like.

use std::path::Path;

use similar::TextDiff;

/// The unified diff of a file's old and new text, with three lines of context; empty when they are equal.
pub(crate) fn unified(path: &Path, old: &str, new: &str) -> String {
    let name = path.display().to_string();
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&name, &name).missing_newline_hint(true).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_newline_at_the_end_is_told_on_both_sides() {
        let diff = unified(Path::new("/e/conf/casa_distro.json"), "{\n  \"a\": 1\n}", "{\n  \"a\": 2\n}\n");
        insta::assert_snapshot!(diff, @r#"
        --- /e/conf/casa_distro.json
        +++ /e/conf/casa_distro.json
        @@ -1,3 +1,3 @@
         {
        -  "a": 1
        -}
        \ No newline at end of file
        +  "a": 2
        +}
        "#);
    }

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified(Path::new("/x"), "{}", "{}"), "");
    }

    #[test]
    fn carriage_returns_stay_in_the_diff() {
        assert!(unified(Path::new("/x"), "{\r\n\"a\": 1\r\n}\r\n", "{\r\n\"a\": 2\r\n}\r\n").contains("+\"a\": 2\r\n"));
    }
}
