//! The simple commands of a shell script, as far as they can be told without running it.
//!
//! This is no shell: it knows quotes, comments, separators, substitutions, redirections and here-documents, which is enough
//! to see which programs a start-up file calls with which words. What follows a condition is listed as well.

/// A word of a command, without its quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text; variables stand in it as written.
    pub(super) text: String,
    /// Whether the shell would replace something in it that is not written there.
    pub(super) expands: bool,
}

/// A simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// The line of its first word, from 1.
    pub(super) line: u32,
    /// Its words; the first is the program, without variables set for it and words such as `if` before it.
    pub(super) words: Vec<Word>,
    /// Whether its standard error goes elsewhere.
    pub(super) stderr_elsewhere: bool,
}

/// Words that may stand before a command.
const BEFORE_COMMAND: [&str; 13] =
    ["if", "then", "elif", "else", "do", "while", "until", "!", "{", "time", "exec", "command", "builtin"];

/// Where the scanner is: in a command, or in double quotes of one.
#[derive(Debug, Default)]
struct Level {
    command: Simple,
    word: Option<Word>,
    in_quotes: bool,
    /// What the next word is, when it is no word of the command.
    redirects: Option<Redirect>,
    /// What ends the level.
    end: Option<char>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redirect {
    Error,
    Other,
    HereDocument,
}

/// The simple commands of a script, in the order in which they end.
pub(super) fn commands(script: &str) -> Vec<Simple> {
    let mut scanner = Scanner { found: Vec::new(), levels: vec![Level::default()], line: 1, documents: Vec::new() };
    let mut rest = script.chars().peekable();
    while let Some(character) = rest.next() {
        scanner.take(character, &mut rest);
    }
    while !scanner.levels.is_empty() {
        scanner.end_command();
        scanner.levels.pop();
    }
    scanner.found
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

struct Scanner {
    found: Vec<Simple>,
    levels: Vec<Level>,
    line: u32,
    /// Ends of the here-documents that begin on the next line.
    documents: Vec<String>,
}

impl Scanner {
    fn take(&mut self, character: char, rest: &mut Rest<'_>) {
        let in_quotes = self.levels.last().is_some_and(|level| level.in_quotes);
        match character {
            '\n' => {
                self.line = self.line.saturating_add(1);
                if in_quotes {
                    self.add('\n', false);
                } else {
                    self.end_command();
                    self.skip_documents(rest);
                }
            }
            '\\' => match rest.next() {
                Some('\n') => self.line = self.line.saturating_add(1),
                Some(escaped) => self.add(escaped, false),
                None => {}
            },
            '\'' if !in_quotes => {
                self.begin_word();
                for literal in rest.by_ref().take_while(|literal| *literal != '\'') {
                    self.line = self.line.saturating_add(u32::from(literal == '\n'));
                    self.add(literal, false);
                }
            }
            '"' => {
                self.begin_word();
                if let Some(level) = self.levels.last_mut() {
                    level.in_quotes = !level.in_quotes;
                }
            }
            '$' if rest.peek() == Some(&'(') => {
                rest.next();
                self.add('$', true);
                self.levels.push(Level { end: Some(')'), ..Level::default() });
            }
            '$' if rest.peek() == Some(&'{') => self.take_braces(rest),
            '`' => {
                if self.levels.last().is_some_and(|level| level.end == Some('`')) {
                    self.leave();
                } else {
                    self.add('`', true);
                    self.levels.push(Level { end: Some('`'), ..Level::default() });
                }
            }
            _ if in_quotes => self.add(character, character == '$'),
            '(' => {
                self.end_command();
                self.levels.push(Level { end: Some(')'), ..Level::default() });
            }
            ')' => {
                if self.levels.last().is_some_and(|level| level.end == Some(')')) {
                    self.leave();
                } else {
                    // The end of a pattern of `case`.
                    self.end_command();
                }
            }
            '&' if rest.peek() == Some(&'>') => self.redirect(Redirect::Error),
            ';' | '&' | '|' => self.end_command(),
            '<' | '>' => self.take_redirection(character, rest),
            ' ' | '\t' | '\r' => self.end_word(),
            '#' if self.levels.last().is_some_and(|level| level.word.is_none()) => {
                while rest.next_if(|comment| *comment != '\n').is_some() {}
            }
            _ => self.add(character, matches!(character, '$' | '*' | '?' | '[')),
        }
    }

    /// `${…}` as a part of the word.
    fn take_braces(&mut self, rest: &mut Rest<'_>) {
        self.add('$', true);
        for part in rest.by_ref() {
            self.line = self.line.saturating_add(u32::from(part == '\n'));
            self.add(part, true);
            if part == '}' {
                break;
            }
        }
    }

    fn take_redirection(&mut self, character: char, rest: &mut Rest<'_>) {
        let descriptor = self.levels.last_mut().and_then(|level| {
            let digits = level.word.as_ref().is_some_and(|word| word.text.chars().all(|c| c.is_ascii_digit()));
            if digits { level.word.take() } else { None }
        });
        self.end_word();
        let doubled = rest.next_if_eq(&character).is_some();
        let to_descriptor = rest.next_if_eq(&'&').is_some();
        let is_error = descriptor.is_some_and(|word| word.text == "2");
        let both = character == '>' && to_descriptor && !rest.peek().is_some_and(|next| next.is_ascii_digit() || *next == '-');
        if character == '<' && doubled {
            let here_string = rest.next_if_eq(&'<').is_some();
            // `<<-` takes its end indented, too.
            rest.next_if_eq(&'-');
            self.redirect(if here_string { Redirect::Other } else { Redirect::HereDocument });
        } else {
            self.redirect(if is_error || both { Redirect::Error } else { Redirect::Other });
        }
    }

    fn redirect(&mut self, redirect: Redirect) {
        self.end_word();
        if let Some(level) = self.levels.last_mut() {
            level.command.stderr_elsewhere |= redirect == Redirect::Error;
            // `&>` meets the `>` again, which must not forget what it is.
            level.redirects = Some(redirect);
        }
    }

    fn begin_word(&mut self) {
        let line = self.line;
        if let Some(level) = self.levels.last_mut() {
            if level.command.words.is_empty() && level.word.is_none() {
                level.command.line = line;
            }
            level.word.get_or_insert_default();
        }
    }

    fn add(&mut self, character: char, expands: bool) {
        self.begin_word();
        if let Some(word) = self.levels.last_mut().and_then(|level| level.word.as_mut()) {
            word.text.push(character);
            word.expands |= expands;
        }
    }

    fn end_word(&mut self) {
        let Some(level) = self.levels.last_mut() else { return };
        let Some(word) = level.word.take() else { return };
        match level.redirects.take() {
            Some(Redirect::HereDocument) => self.documents.push(word.text),
            Some(_) => {}
            None => {
                let begins = level.command.words.is_empty();
                let variable = begins && is_assignment(&word.text);
                if !(variable || begins && BEFORE_COMMAND.contains(&word.text.as_str())) {
                    level.command.words.push(word);
                }
            }
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if let Some(level) = self.levels.last_mut() {
            level.redirects = None;
            let command = std::mem::take(&mut level.command);
            if !command.words.is_empty() {
                self.found.push(command);
            }
        }
    }

    /// Ends a substitution or a subshell.
    fn leave(&mut self) {
        self.end_command();
        self.levels.pop();
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
    }

    fn skip_documents(&mut self, rest: &mut Rest<'_>) {
        for end in std::mem::take(&mut self.documents) {
            while rest.peek().is_some() {
                let line: String = rest.by_ref().take_while(|character| *character != '\n').collect();
                self.line = self.line.saturating_add(1);
                if line.trim() == end {
                    break;
                }
            }
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(script: &str) -> Vec<(u32, String, bool)> {
        let text = |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("|");
        commands(script).iter().map(|command| (command.line, text(&command.words), command.stderr_elsewhere)).collect()
    }

    fn programs(script: &str) -> Vec<String> {
        commands(script).into_iter().map(|command| command.words[0].text.clone()).collect()
    }

    #[test]
    fn substitutions_are_commands_of_their_own() {
        for script in ["eval $(keychain -q a)", "eval \"$(keychain -q a)\"", "eval `keychain -q a`", "X=1 eval \"`keychain -q a`\""]
        {
            assert_eq!(told(script)[0], (1, "keychain|-q|a".to_owned(), false), "{script}");
            assert_eq!(programs(script).last().unwrap(), "eval", "{script}");
        }
    }

    #[test]
    fn what_is_not_called_is_not_told_as_a_program() {
        for script in [
            "# keychain a",
            "true # keychain a",
            "command -v keychain",
            "[ -x /usr/bin/keychain ]",
            "echo 'eval $(keychain a)'",
            "cat <<END\nkeychain a\nEND\n",
            "alias k=keychain",
            "x=keychain",
        ] {
            assert!(!programs(script).iter().any(|program| program == "keychain"), "{script}: {:?}", programs(script));
        }
        assert_eq!(programs("cat <<-'END'\nkeychain a\n\tEND\nls"), ["cat", "ls"]);
    }

    #[test]
    fn conditions_lines_and_redirections() {
        let script = "if command -v keychain >/dev/null 2>&1\nthen\n  keychain \\\n   -q id_a 2>/dev/null && ls; fi";
        assert_eq!(
            told(script),
            [
                (1, "-v|keychain".to_owned(), true),
                (3, "keychain|-q|id_a".to_owned(), true),
                (4, "ls".to_owned(), false),
                (4, "fi".to_owned(), false)
            ]
        );
        assert!(told("keychain a &>/dev/null")[0].2);
        assert_eq!(told("keychain a &> /dev/null")[0].1, "keychain|a");
        assert!(told("keychain a >& /dev/null")[0].2);
        assert!(!told("keychain a >/dev/null")[0].2);
        assert_eq!(told("case $- in\n*i*) keychain a ;;\n*) return;;\nesac")[2].1, "keychain|a");
    }

    #[test]
    fn words_know_whether_the_shell_would_change_them() {
        let words = commands("keychain $KEY 'a$b' \"${X}y\" *.pem id_rsa").remove(0).words;
        assert_eq!(words.iter().map(|word| word.expands).collect::<Vec<_>>(), [false, true, false, true, true, false]);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(script in "[ \\n$(){}`'\"\\\\;&|<>#a-z0-9=-]{0,200}") {
            let lines = u32::try_from(script.lines().count()).unwrap() + 1;
            for command in commands(&script) {
                prop_assert!(!command.words.is_empty());
                prop_assert!((1..=lines).contains(&command.line), "{command:?}");
            }
        }
    }
}
