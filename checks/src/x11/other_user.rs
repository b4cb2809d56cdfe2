//! The display is another user's: su, sudo, or somebody else's desktop.

use super::shell_word;
use super::sight::{Sight, is_under};
use crate::facts::{CookieFile, CookieState, Reach, Session};
use crate::finding::{Finding, FindingKind, Severity};

/// The X server refuses because the display belongs to another user.
pub(super) static KIND: FindingKind = FindingKind {
    id: "x11-other-user",
    code: "CD0109",
    severity: Severity::Error,
    title: "The display belongs to another user",
    why: "The X server lets in who has its cookie, and the cookie is in a file that only the owner of the display can read. \
          After su or sudo, or on somebody else's desktop, programs are refused.",
    cure: "Run the program as the owner of the display. Or let the owner allow this one user: xhost +si:localuser:NAME, in a \
           terminal of his or her session. That is enough; never switch the access control off.",
    example: "Authorization required, but no authorization protocol specified",
    since: "0.1.0",
};

/// Tells whether the refusal comes from being another user; `None` when nothing speaks for it.
pub(super) fn judge(sight: Sight<'_>) -> Option<Finding> {
    let session = sight.session()?;
    let uid = session.uid?;
    let mut signs = Vec::new();
    if let Some(owner) = sight.x11.socket_owner.filter(|owner| *owner != uid && *owner != 0) {
        signs.push(format!("the socket of display {} belongs to the user with id {owner}; this is user {uid}", sight.display()));
    }
    if let Some(file) = sight.cookie_file().filter(|file| is_anothers(file, session, uid)) {
        let owner = file.owner.map_or_else(String::new, |owner| format!(", which belongs to the user with id {owner}"));
        signs.push(format!("the cookies are looked for in {}{owner}", file.path.display()));
    }
    if let Some(user) = &session.sudo_user {
        signs.push(format!("SUDO_USER={user}: the display is probably that of {user}"));
    }
    if signs.is_empty() {
        return None;
    }
    let finding = sight.tell_cookies(sight.tell(signs.into_iter().fold(KIND.found(), Finding::evidence)));
    Some(advise(sight, session, finding))
}

/// Whether the file that programs take their cookie from is another user's and closed to us.
fn is_anothers(file: &CookieFile, session: &Session, uid: u32) -> bool {
    if !matches!(file.state, CookieState::Unreadable { .. }) {
        return false;
    }
    match file.owner {
        Some(owner) => owner != uid,
        // Not even its owner can be seen: it lies in a directory that is closed to us.
        None => !is_under(&file.path, session.home.as_deref()),
    }
}

fn advise(sight: Sight<'_>, session: &Session, finding: Finding) -> Finding {
    let finding = match &session.sudo_user {
        Some(user) => {
            finding.advise(format!("Run the program as {user}, without sudo: nothing in a casa-distro environment needs it."))
        }
        None => finding,
    };
    let Some(user) = session.user.as_deref() else { return finding.advise("Run the program as the owner of the display.") };
    let user = shell_word(user);
    let display = shell_word(sight.display());
    match sight.reach() {
        Reach::Local => finding.advise_command(
            "Let the owner of the display allow this user, in a terminal of the session that the display belongs to.",
            format!("xhost +si:localuser:{user}"),
        ),
        // The server sees a connection of its own ssh, whoever is behind it: only the cookie helps.
        _ => finding.advise_command(
            "Let the owner of the display hand the cookie over, in a terminal of his or her session.",
            format!("xauth extract - {display} | sudo -u {user} xauth merge -"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::CHECK;
    use super::super::testing::{display, facts, only_finding, told};
    use super::*;
    use crate::facts::{ConnectFailure, ConnectFailureKind as Kind, Connection, Facts, X11};

    fn refused(text: &str, reach: Reach, number: u16) -> Facts {
        let kind = if reach == Reach::Local { Kind::AuthorizationRequired } else { Kind::ClosedDuringHandshake };
        let failure = ConnectFailure { kind, detail: "refused".into(), address: Some("somewhere".into()), cookie_sent: false };
        facts(X11 { display: display(text, number, reach), connection: Connection::Failed(failure), ..X11::default() })
    }

    fn file(path: &str, owner: Option<u32>, state: CookieState) -> CookieFile {
        CookieFile { path: path.into(), source: "XAUTHORITY".into(), state, accepted: None, owner }
    }

    fn closed() -> CookieState {
        CookieState::Unreadable { reason: "Permission denied".into() }
    }

    #[test]
    fn the_owner_of_the_socket_tells() {
        let mut facts = refused(":0", Reach::Local, 0);
        for (owner, expected) in [(1001, "x11-other-user"), (1000, "x11-cookie-missing"), (0, "x11-cookie-missing")] {
            facts.x11.as_mut().unwrap().socket_owner = Some(owner);
            assert_eq!(only_finding(&CHECK, &facts).kind.id, expected, "{owner}");
        }
    }

    #[test]
    fn a_cookie_file_of_another_user_tells() {
        for (cookie, expected) in [
            (file("/home/bob/.Xauthority", Some(1001), closed()), "x11-other-user"),
            (file("/run/user/1001/gdm/Xauthority", None, closed()), "x11-other-user"),
            (file("/home/anna/.Xauthority", Some(1000), closed()), "x11-cookie-missing"),
            (file("/home/anna/.Xauthority", None, closed()), "x11-cookie-missing"),
            (file("/home/anna/.Xauthority", None, CookieState::Missing), "x11-cookie-missing"),
        ] {
            let shown = format!("{cookie:?}");
            let mut facts = refused(":0", Reach::Local, 0);
            facts.x11.as_mut().unwrap().cookies = vec![cookie];
            assert_eq!(only_finding(&CHECK, &facts).kind.id, expected, "{shown}");
        }
    }

    #[test]
    fn the_cure_opens_the_display_to_one_user_only() {
        let mut facts = refused(":0", Reach::Local, 0);
        facts.session.as_mut().unwrap().sudo_user = Some("bob".into());
        let words = told(&only_finding(&CHECK, &facts));
        assert!(words.contains("xhost +si:localuser:anna") && words.contains("without sudo"), "{words}");
        // Through ssh the server cannot tell users apart.
        let mut facts = refused("localhost:10.0", Reach::Loopback, 10);
        facts.session.as_mut().unwrap().sudo_user = Some("bob".into());
        let words = told(&only_finding(&CHECK, &facts));
        assert!(
            !words.contains("xhost +") && words.contains("xauth extract - localhost:10.0 | sudo -u anna xauth merge -"),
            "{words}"
        );
    }
}
