//! Checks of the family "x11": can the X server be reached, who may use it, and does it have what programs need?

mod access;
mod connection;
mod cookie;
mod forwarding;
mod glx;
mod hung;
mod isolation;
mod no_display;
mod other_user;
mod sight;
mod trust;
mod unreachable;
mod xauth;

use crate::check::{Check, Outcome};
use crate::facts::{Connection, Facts, X11, XServer};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] =
    &[&access::CHECK, &connection::CHECK, &glx::CHECK, &isolation::CHECK, &trust::CHECK, &xauth::CHECK];

/// The server that let us in, with everything else that the probe saw; else how a check ends that needs one.
fn server(facts: &Facts) -> Result<(&X11, &XServer), Outcome> {
    let Some(x11) = &facts.x11 else { return Err(Outcome::Unknown("nothing was recorded about the X server".to_owned())) };
    match &x11.connection {
        Connection::Connected(server) => Ok((x11, server)),
        Connection::NoDisplay => Err(Outcome::Skipped("there is no display".to_owned())),
        Connection::Malformed { .. } | Connection::Failed(_) => {
            Err(Outcome::Skipped("the X server cannot be used (see x11-connection)".to_owned()))
        }
    }
}

/// A word that any shell takes as it stands.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod testing {
    //! Made-up machines for the tests of this family.

    use std::collections::BTreeMap;

    use crate::check::{Check, Outcome};
    use crate::facts::*;
    use crate::finding::Finding;

    /// Facts in which the session is that of anna (1000) on a Linux machine, and every probe answered.
    pub(super) fn facts(x11: X11) -> Facts {
        let answered = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 1 };
        Facts {
            probes: ProbeId::ALL.iter().copied().map(|probe| (probe, answered.clone())).collect(),
            machine: Some(Machine { os: "linux".into(), ..Machine::default() }),
            session: Some(Session {
                uid: Some(1000),
                user: Some("anna".into()),
                home: Some("/home/anna".into()),
                display: x11.display.as_ref().map(|display| display.text.clone()),
                graphics_variables: BTreeMap::new(),
                ..Session::default()
            }),
            x11: Some(x11),
            ..Facts::default()
        }
    }

    /// A display, taken apart by hand.
    pub(super) fn display(text: &str, number: u16, reach: Reach) -> Option<DisplayName> {
        let host = text.rsplit_once(':').map(|(host, _)| host.to_owned()).unwrap_or_default();
        Some(DisplayName { text: text.into(), host, number, screen: 0, reach })
    }

    /// A local display whose server let us in.
    pub(super) fn connected(server: XServer) -> X11 {
        X11 {
            display: display(":0", 0, Reach::Local),
            attempts: vec![Attempt { address: server.address.clone(), cookie_from: None, failure: None, after_ms: 1 }],
            connection: Connection::Connected(Box::new(server)),
            ..X11::default()
        }
    }

    /// A healthy Xorg.
    pub(super) fn xorg() -> XServer {
        XServer {
            vendor: "The X.Org Foundation".into(),
            release: 12_101_007,
            address: "@/tmp/.X11-unix/X0".into(),
            cookie_from: Some("/home/anna/.Xauthority".into()),
            open_without_cookie: Some(false),
            extensions: ["BIG-REQUESTS", "GLX", "MIT-SHM", "RANDR", "XC-MISC"].map(str::to_owned).into(),
            access_control: Some(true),
            access_list: vec!["SI:localuser:anna".into()],
            glx: Some(ServerGlx { version: "1.4".into(), ..ServerGlx::default() }),
            screen_pixels: Some((1920, 1080)),
            ..XServer::default()
        }
    }

    /// The one finding of a check.
    pub(super) fn only_finding(check: &Check, facts: &Facts) -> Finding {
        match check.judge(facts) {
            Outcome::Findings(mut findings) if findings.len() == 1 => findings.remove(0),
            other => panic!("{}: not one finding: {other:?}", check.id),
        }
    }

    /// Everything that a finding says to the user.
    pub(super) fn told(finding: &Finding) -> String {
        let mut lines = vec![finding.title.clone().unwrap_or_else(|| finding.kind.title.to_owned())];
        lines.extend(finding.evidence.iter().cloned());
        for advice in &finding.advice {
            lines.push(advice.text.clone());
            lines.extend(advice.command.clone());
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_the_shell_is_quoted_only_when_it_must_be() {
        assert_eq!(shell_word("/run/user/1000/gdm/Xauthority"), "/run/user/1000/gdm/Xauthority");
        assert_eq!(shell_word("/home/anna b/.Xauthority"), "'/home/anna b/.Xauthority'");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }
}
