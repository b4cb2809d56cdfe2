//! Braces and variables in the texts of a configuration.

use casa_doctor_checks::config::python_format::{self, Piece};
use serde_json::Value;

use crate::host::Host;

/// A text after substitution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Substitution {
    /// The text. A variable that is not set leaves nothing in its place.
    pub(crate) text: String,
    /// Names of the variables that are not set (or not UTF-8), in order, each once.
    pub(crate) unset: Vec<String>,
}

/// Puts the values of the merged configuration for `{name}` and those of the host's variables for `$NAME`, `${NAME}` and
/// `${{NAME}}`.
///
/// This is what casa_distro means, not what it does: 3.x dies of `${NAME}` and of any literal brace, and leaves `$NAME` as it
/// stands when the variable is not set (its documentation promises `${NAME}`). Where stock casa_distro reads a text, and
/// every variable is set, the result is the same. As there, the value of a key may itself refer to variables, and the value
/// of a variable is not looked into.
pub(crate) fn substitute(host: &dyn Host, text: &str, merged: &Value) -> Substitution {
    let mut result = Substitution { text: String::with_capacity(text.len()), unset: Vec::new() };
    for piece in python_format::pieces(text, merged) {
        match piece {
            Piece::Text(text) => result.text.push_str(text),
            Piece::Brace(brace) => result.text.push(brace),
            Piece::Key(field) => {
                let value = python_format::look_up(&field, merged).unwrap_or_default();
                result.expand_variables(host, &value);
            }
            Piece::Variable(reference) => result.push_variable(host, reference.name),
        }
    }
    result
}

/// Puts the values of the host's variables, and leaves braces alone: what casa_distro does with `container_gui_options`.
pub(crate) fn expand_variables(host: &dyn Host, text: &str) -> Substitution {
    let mut result = Substitution { text: String::with_capacity(text.len()), unset: Vec::new() };
    result.expand_variables(host, text);
    result
}

impl Substitution {
    fn push_variable(&mut self, host: &dyn Host, name: &str) {
        if let Some(value) = host.env(name).and_then(|value| value.into_string().ok()) {
            self.text.push_str(&value);
        } else if !self.unset.iter().any(|known| known == name) {
            self.unset.push(name.to_owned());
        }
    }

    fn expand_variables(&mut self, host: &dyn Host, text: &str) {
        let mut position = 0;
        for reference in python_format::variable_references(text) {
            if reference.style == python_format::Style::DoubledBraces {
                continue;
            }
            self.text.push_str(&text[position..reference.start]);
            self.push_variable(host, reference.name);
            position = reference.end;
        }
        self.text.push_str(&text[position..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::host::RecordedHost;

    fn host() -> RecordedHost {
        RecordedHost::new().env("HOME", "/home/anna").env("EMPTY", "").env("TRICK", "{name} $HOME")
    }

    fn merged() -> Value {
        json!({"name": "bv", "directory": "/env", "indirect": "$HOME/x"})
    }

    #[test]
    fn keys_and_variables_are_put_in_whatever_way_they_are_written() {
        for (text, expected, unset) in [
            ("plain", "plain", &[][..]),
            ("{name} in {directory}", "bv in /env", &[]),
            ("$HOME/a:${HOME}/b:${{HOME}}/c", "/home/anna/a:/home/anna/b:/home/anna/c", &[]),
            ("$HOME_OLD", "", &["HOME_OLD"]),
            ("${HOME}_OLD", "/home/anna_OLD", &[]),
            ("<$DISPLAY>${DISPLAY}$EMPTY", "<>", &["DISPLAY"]),
            ("$ $5 ${} $é", "$ $5 ${} $é", &[]),
            ("{indirect}", "/home/anna/x", &[]),
            ("$TRICK", "{name} $HOME", &[]),
            ("{\"dir\": \"${HOME}\", \"name\": {\"x\": \"{name}\"}}", "{\"dir\": \"/home/anna\", \"name\": {\"x\": \"bv\"}}", &[]),
            ("{{\"a\": 1}}", "{\"a\": 1}", &[]),
            ("{unknown}", "{unknown}", &[]),
        ] {
            let got = substitute(&host(), text, &merged());
            assert_eq!(
                (got.text.as_str(), got.unset.as_slice()),
                (expected, &unset.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn gui_options_expand_variables_only() {
        let got = expand_variables(&host(), "--env=A=${HOME},B={name},C=$NONE");
        assert_eq!(got, Substitution { text: "--env=A=/home/anna,B={name},C=".into(), unset: vec!["NONE".into()] });
    }

    proptest! {
        #[test]
        fn a_repaired_text_means_the_same_and_stock_reads_it(text in "[${}a-c_\"! :\\[\\].]{0,24}|(\\$\\{HOME\\}|\\{name\\}|\\$HOME|\\{\\{|\\}\\}|[a-z/]){0,6}") {
            let repaired = python_format::repaired(&text, &merged());
            prop_assert_eq!(python_format::stock_reads(&repaired, &merged()), Ok(()), "{}", repaired);
            prop_assert_eq!(substitute(&host(), &repaired, &merged()), substitute(&host(), &text, &merged()), "{}", repaired);
        }
    }
}
