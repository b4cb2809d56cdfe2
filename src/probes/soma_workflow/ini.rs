//! Configuration files as Python's `configparser` reads them, which is stricter than other readers of such files.

use casa_doctor_checks::facts::SomaError;

/// An option and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name in lower case, as `configparser` compares it.
    pub(super) name: String,
    /// Its value; the lines of a longer one are joined.
    pub(super) value: String,
    /// Line, from 1.
    pub(super) line: u32,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Its name, with its case.
    pub(super) name: String,
    /// Line, from 1.
    pub(super) line: u32,
    /// Its options.
    pub(super) entries: Vec<Entry>,
}

impl Section {
    /// An option of it, or of the section `DEFAULT`.
    pub(super) fn get<'a>(&'a self, defaults: Option<&'a Self>, name: &str) -> Option<&'a Entry> {
        let of = |section: &'a Self| section.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
        of(self).or_else(|| of(defaults?))
    }
}

/// The sections of a file, `DEFAULT` included. What was read before an error is not given: Python gives up as a whole.
///
/// # Errors
///
/// What `configparser` refuses.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, SomaError> {
    let mut sections: Vec<Section> = Vec::new();
    // The indentation of the option whose value may go on.
    let mut open: Option<usize> = None;
    for (number, line) in (1_u32..).zip(text.lines()) {
        let error = |message: String| SomaError { line: Some(number), message };
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let indentation = line.chars().take_while(|character| character.is_whitespace()).count();
        if open.is_some_and(|option| indentation > option) {
            if let Some(entry) = sections.last_mut().and_then(|section| section.entries.last_mut()) {
                entry.value.push('\n');
                entry.value.push_str(content);
            }
            continue;
        }
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map(|(name, _)| name)
            && !name.is_empty()
        {
            if name != "DEFAULT" && sections.iter().any(|section| section.name == name) {
                return Err(error(format!("the section \"{name}\" stands in the file twice")));
            }
            sections.push(Section { name: name.to_owned(), line: number, entries: Vec::new() });
            open = None;
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return Err(error("something stands before the first section in brackets".to_owned()));
        };
        let Some((name, value)) = content.split_once(['=', ':']) else {
            return Err(error("a line is neither a section in brackets, nor a setting with \"=\", nor indented".to_owned()));
        };
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return Err(error("the name of a setting is missing".to_owned()));
        }
        if section.entries.iter().any(|entry| entry.name == name) {
            return Err(error(format!("the setting \"{}\" stands in its section twice", name.to_uppercase())));
        }
        section.entries.push(Entry { name, value: value.trim().to_owned(), line: number });
        open = Some(indentation);
    }
    Ok(sections)
}

/// Whether `configparser` refuses to give out a value: it takes `%` for a reference, and `%%` for the sign itself.
pub(super) fn has_bad_percent(value: &str) -> bool {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('%') {
        match after.strip_prefix('%') {
            Some(after) => rest = after,
            None if after.starts_with('(') => rest = after,
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> (u32, String) {
        let error = parse(text).unwrap_err();
        (error.line.unwrap(), error.message)
    }

    #[test]
    fn a_real_file_with_comments_and_a_value_of_two_lines() {
        let text =
            "# mine\n[alambic]\nCluster_Address = alambic.example.org\n; no\nCONTAINER_COMMAND: ['/x/bv',\n    'x']\n\n[b]\n";
        let sections = parse(text).unwrap();
        assert_eq!(sections.len(), 2);
        let entry = sections[0].get(None, "CONTAINER_COMMAND").unwrap();
        assert_eq!((entry.value.as_str(), entry.line), ("['/x/bv',\n'x']", 5));
        assert_eq!(sections[0].get(None, "CLUSTER_ADDRESS").unwrap().value, "alambic.example.org");
        assert_eq!(sections[1].get(Some(&sections[0]), "CLUSTER_ADDRESS").unwrap().line, 3);
    }

    #[test]
    fn what_python_refuses() {
        assert_eq!(error("A = 1\n[x]").0, 1);
        assert_eq!(error("[x]\nhello").0, 2);
        assert!(error("[x]\nA=1\na=2").1.contains("\"A\""));
        assert!(error("[x]\n[y]\n[x]").1.contains("\"x\""));
        assert_eq!(error("[x]\n= 1").0, 2);
    }

    #[test]
    fn percent_signs() {
        for (value, bad) in [("100%", true), ("%h", true), ("100%%", false), ("%(home)s", false), ("", false), ("%%%", true)] {
            assert_eq!(has_bad_percent(value), bad, "{value}");
        }
    }

    /// What Python itself says of the same texts; nothing is tried where there is no Python.
    #[test]
    fn python_agrees() {
        let texts = [
            "[a]\nx=1\n y=2\n",
            "[a]\n x=1\ny=2\n",
            "x",
            "[a\n",
            "[a]\nx\n",
            "[a]\n[a]\n",
            "[a]\nx=1\nX=2\n",
            "[]\n",
            "[a]\n=1\n",
            "[a]\nx: [1,\n 2]\n# c\n 3\n",
            "[DEFAULT]\nx=1\n[DEFAULT]\ny=1\n",
            "[a] b\nx=1\n",
            "[a]\n  [b]\nx=1\n",
            "[a]\nx=1\n\n  2\n",
        ];
        const SCRIPT: &str = "import configparser, json, sys\nc = configparser.ConfigParser(interpolation=None)\ntry:\n c.read_string(sys.argv[1])\n d = [[s, [[k, v] for k, v in c._sections[s].items()]] for s in c.sections()]\n print(json.dumps(d))\nexcept configparser.Error as e:\n print('null')";
        for text in texts {
            #[expect(clippy::disallowed_methods, reason = "a test starts real programs")]
            let output = std::process::Command::new("python3").args(["-c", SCRIPT, text]).output();
            let Ok(output) = output else { return };
            let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let ours = parse(text).ok().map(|sections| {
                let squeeze = |value: &str| value.split('\n').filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
                let entries = |section: &Section| {
                    section.entries.iter().map(|entry| serde_json::json!([entry.name, squeeze(&entry.value)])).collect::<Vec<_>>()
                };
                let named = sections.iter().filter(|section| section.name != "DEFAULT");
                named.map(|section| serde_json::json!([section.name, entries(section)])).collect::<Vec<_>>()
            });
            // An empty line within a value is a part of it for Python, and means nothing here.
            let theirs: serde_json::Value = serde_json::from_str(&told.to_string().replace("\\n\\n", "\\n")).unwrap();
            assert_eq!(serde_json::to_value(ours).unwrap(), theirs, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\]=:#; \\na-z%()]{0,100}") {
            let _ = parse(&text);
            has_bad_percent(&text);
        }
    }
}
