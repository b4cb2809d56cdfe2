//! JSON pointers (RFC 6901): how an edit names a key or a list element.

/// More steps than any configuration has: a pointer that is longer is a mistake, and would be walked recursively.
const MOST_STEPS: usize = 64;

/// Takes a pointer apart; `None` when it is not one.
pub(super) fn steps(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let steps: Option<Vec<_>> = pointer.strip_prefix('/')?.split('/').map(unescape).collect();
    steps.filter(|steps| steps.len() <= MOST_STEPS)
}

/// Puts steps together to a pointer.
pub(crate) fn json_pointer<S: AsRef<str>>(steps: impl IntoIterator<Item = S>) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        pointer.push_str(&step.as_ref().replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

/// The list index that a step means; `None` for `01`, `-` and anything else that is none.
pub(super) fn index(step: &str) -> Option<usize> {
    let canonical = step == "0" || !step.starts_with('0');
    (canonical && step.bytes().all(|byte| byte.is_ascii_digit())).then(|| step.parse().ok()).flatten()
}

fn unescape(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut unescaped = parts.next()?.to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix('0') {
            unescaped.push('~');
            unescaped.push_str(rest);
        } else {
            unescaped.push('/');
            unescaped.push_str(part.strip_prefix('1')?);
        }
    }
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_made() {
        assert_eq!(steps("/mounts/~1host~0x/0"), Some(vec!["mounts".into(), "/host~x".into(), "0".into()]));
        assert_eq!(steps("/~01"), Some(vec!["~1".into()]));
        assert_eq!(steps("/"), Some(vec![String::new()]));
        assert_eq!(steps(""), Some(vec![]));
        assert_eq!(json_pointer(["mounts", "/host~x"]), "/mounts/~1host~0x");
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert_eq!(steps("mounts"), None);
        assert_eq!(steps("/~2"), None);
        assert_eq!(steps("/~"), None);
        assert_eq!(steps(&"/a".repeat(1000)), None);
    }

    #[test]
    fn only_canonical_indices_are_indices() {
        assert_eq!((index("0"), index("12")), (Some(0), Some(12)));
        assert_eq!((index("01"), index("-"), index("+1"), index("")), (None, None, None, None));
        assert_eq!(index("99999999999999999999999"), None);
    }
}
