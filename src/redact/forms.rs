//! The forms in which one value may stand in a text.

/// A value as it stands plainly, inside a JSON text, and inside a URL. The plain form comes first.
pub(super) fn of(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let mut add = |form: String| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    add(json(value, false));
    add(json(value, true));
    add(percent(value, false));
    add(percent(value, true));
    if !value.is_ascii() {
        add(value.to_lowercase());
        add(value.to_uppercase());
    }
    if value.contains(' ') {
        for other in ["_", "-", ".", "", "\\ "] {
            add(value.replace(' ', other));
        }
    }
    if value.contains('\'') {
        add(value.replace('\'', "'\\''"));
    }
    forms
}

/// As in a JSON text, without the quotes; every other character than ASCII as `\u`, as Python writes it, when asked for.
fn json(value: &str, ascii: bool) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !ascii {
        return inner.to_owned();
    }
    let mut units = [0; 2];
    inner.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
        out
    })
}

/// As in a URL; the slash too, when asked for.
fn percent(value: &str, slash: bool) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (byte == b'/' && !slash);
        if plain {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_in_json_and_in_urls() {
        assert_eq!(of("anna"), ["anna"]);
        let forms = of("/home/Zoë \"Z\"");
        for form in ["/home/Zoë \\\"Z\\\"", "/home/Zo\\u00eb \\\"Z\\\"", "/home/Zo%C3%AB%20%22Z%22", "%2Fhome%2FZo%C3%AB%20%22Z%22"]
        {
            assert!(forms.iter().any(|known| known == form), "{form}: {forms:?}");
        }
    }
}
