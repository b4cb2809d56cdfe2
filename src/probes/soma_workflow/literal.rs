//! The lists of texts that soma-workflow lets Python evaluate.

/// What a value would be to Python's `eval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// A list or tuple of texts.
    List(Vec<String>),
    /// Certainly something else, in words.
    Wrong(&'static str),
    /// An expression that only Python could work out.
    Unclear,
}

/// Reads a value without evaluating anything.
pub(super) fn list(value: &str) -> Literal {
    let value = value.trim();
    let (inner, end) = match value.chars().next() {
        None => return Literal::Wrong("it is empty"),
        Some('[') => (&value[1..], ']'),
        Some('(') => (&value[1..], ')'),
        Some('\'' | '"') => return Literal::Wrong("it is a text, of which every letter would become a word of the command"),
        Some('/' | '~' | '$') => return Literal::Wrong("it is a plain path, which Python cannot evaluate"),
        Some(first) if first.is_ascii_digit() => return Literal::Wrong("it is a number"),
        Some(_) if value.chars().all(|c| c.is_ascii_alphanumeric() || " /._-".contains(c)) && value.contains([' ', '/']) => {
            return Literal::Wrong("it is a plain command, which Python cannot evaluate");
        }
        Some(_) => return Literal::Unclear,
    };
    let mut items = Vec::new();
    let mut rest = inner.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return if !after.trim().is_empty() {
                Literal::Unclear
            } else if items.is_empty() {
                Literal::Wrong("the list is empty")
            } else {
                Literal::List(items)
            };
        }
        let quote = match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => quote,
            Some('/' | '~') => return Literal::Wrong("an item of the list has no quotes"),
            None => return Literal::Wrong("its end is missing: there is no closing bracket"),
            Some(_) => return Literal::Unclear,
        };
        if rest[1..].starts_with([quote; 2].iter().collect::<String>().as_str()) {
            return Literal::Unclear;
        }
        let Some((text, after)) = quoted(&rest[1..], quote) else {
            return Literal::Wrong("its end is missing: there is no closing quote");
        };
        let Some(text) = text else { return Literal::Unclear };
        items.push(text);
        rest = after.trim_start();
        match rest.chars().next() {
            Some(',') => rest = rest[1..].trim_start(),
            Some(next) if next == end => {}
            None => return Literal::Wrong("its end is missing: there is no closing bracket"),
            Some(_) => return Literal::Unclear,
        }
    }
}

/// A text up to its closing quote and what follows it. The text is `None` when an escape in it is not a plain one.
fn quoted(source: &str, quote: char) -> Option<(Option<String>, &str)> {
    let mut text = Some(String::new());
    let mut characters = source.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((text, &source[index + character.len_utf8()..])),
            '\n' => return None,
            '\\' => match characters.next()?.1 {
                escaped @ ('\\' | '\'' | '"') => text.iter_mut().for_each(|text| text.push(escaped)),
                _ => text = None,
            },
            _ => text.iter_mut().for_each(|text| text.push(character)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(value: &str) -> Vec<String> {
        match list(value) {
            Literal::List(items) => items,
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn lists_of_texts() {
        assert_eq!(items("['/home/johndoe/brainvisa/bin/bv']"), ["/home/johndoe/brainvisa/bin/bv"]);
        assert_eq!(items("[ \"a b\", 'c\\'d' ,\n'e',]"), ["a b", "c'd", "e"]);
        assert_eq!(items("('bv', )"), ["bv"]);
    }

    #[test]
    fn what_is_certainly_wrong_and_what_only_python_knows() {
        for wrong in ["", "/x/bv", "'/x/bv'", "bv python", "['/x/bv'", "['/x/bv]", "[/x/bv]", "[]", "12", "$HOME/bv"] {
            assert!(matches!(list(wrong), Literal::Wrong(_)), "{wrong}: {:?}", list(wrong));
        }
        for unclear in ["[os.path.join('a', 'b')]", "['a'] + ['b']", "['''a''']", "['a\\x41']", "['a' 'b']", "list('ab')"] {
            assert_eq!(list(unclear), Literal::Unclear, "{unclear}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(value in "[\\[\\]()'\"\\\\,/a-zé\n ]{0,40}") {
            let _ = list(&value);
        }
    }
}
