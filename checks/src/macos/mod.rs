//! Checks of the family "macos": can programs in a container open windows on XQuartz?
//!
//! A container on a Mac runs in a virtual machine of Linux, whichever the engine, and reaches XQuartz over TCP only. What becomes
//! of a preference is decided by the script `startx` of XQuartz, whose rules are followed here.

mod display;
mod network;
mod preferences;
mod server;

use crate::check::{Check, Outcome};
use crate::facts::{Connection, Environment, Facts, Reach, Xquartz, XquartzSetting};
use crate::finding::Severity;
use crate::image::{environment, setting};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[&display::CHECK, &network::CHECK, &preferences::CHECK, &server::CHECK];

/// The preference domain of XQuartz 2.8 and later.
const DOMAIN: &str = "org.xquartz.X11";
/// That of 2.7 and earlier, which most instructions still name.
#[cfg(test)]
const OLD_DOMAIN: &str = "org.macosforge.xquartz.X11";

/// Why the X server cannot be reached, when a check of this family tells it: then it needs no second alarm.
pub(crate) fn explains(facts: &Facts) -> Option<&'static str> {
    let finds = |check: &Check| matches!(check.judge(facts), Outcome::Findings(_));
    if is_forwarded(facts) {
        return None;
    }
    match () {
        () if finds(&server::CHECK) => Some("XQuartz is missing or does not run (see xquartz-server)"),
        () if is_tcp(facts) && finds(&network::CHECK) => Some("XQuartz cannot be reached over the network (see xquartz-network)"),
        () if display::is_overridden(facts) => Some("DISPLAY is not the one that macOS sets (see xquartz-display)"),
        () => None,
    }
}

/// XQuartz, or how a check ends that has no use for it.
fn xquartz(facts: &Facts) -> Result<&Xquartz, Outcome> {
    if container(facts).is_none() && environment(facts).is_some() {
        return Err(Outcome::Skipped("the virtual machine of this environment has a display of its own".to_owned()));
    }
    facts.xquartz.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about XQuartz".to_owned()))
}

/// The same, when it is installed.
fn installed(facts: &Facts) -> Result<&Xquartz, Outcome> {
    let xquartz = xquartz(facts)?;
    if xquartz.app.is_none() {
        return Err(Outcome::Skipped("XQuartz is not installed".to_owned()));
    }
    Ok(xquartz)
}

/// The environment, when it is one whose container needs the display of the Mac.
fn container(facts: &Facts) -> Option<&Environment> {
    environment(facts).filter(|environment| !matches!(setting(environment, "container_type"), Some("vbox")))
}

/// Whether containers come in to XQuartz as programs of this Mac, which `xhost +localhost` allows: there is one, or DISPLAY names XQuartz
/// as they do.
pub(crate) fn lets_containers_in(facts: &Facts) -> bool {
    let is_mac = facts.is_mac();
    is_mac && (container(facts).is_some() || is_tcp(facts) && !is_forwarded(facts))
}

/// An error when a container waits for it, else worth knowing.
fn severity(facts: &Facts) -> Severity {
    if container(facts).is_some() { Severity::Error } else { Severity::Info }
}

/// Whether an X server let us in.
fn is_connected(facts: &Facts) -> bool {
    facts.x11.as_ref().is_some_and(|x11| matches!(x11.connection, Connection::Connected(_)))
}

/// Whether DISPLAY names a TCP port.
fn is_tcp(facts: &Facts) -> bool {
    let display = facts.x11.as_ref().and_then(|x11| x11.display.as_ref());
    display.is_some_and(|display| matches!(display.reach, Reach::Loopback | Reach::Remote))
}

/// Whether DISPLAY is one that ssh made for somebody who came by it (sshd_config, X11DisplayOffset): its server is on the computer
/// where that person sits, and XQuartz of this Mac has no part in it.
fn is_forwarded(facts: &Facts) -> bool {
    let display = facts.x11.as_ref().and_then(|x11| x11.display.as_ref());
    facts.session.as_ref().is_some_and(|session| session.ssh)
        && display.is_some_and(|display| matches!(display.reach, Reach::Loopback | Reach::Remote) && display.number >= 10)
}

/// The number of the display of XQuartz: that of the server that runs, else the first.
fn number(xquartz: &Xquartz) -> u16 {
    xquartz.arguments.as_ref().and_then(|arguments| arguments.number).unwrap_or(0)
}

/// How this X server is opened from a terminal. MacPorts calls it by another name.
fn open_command(xquartz: &Xquartz) -> String {
    format!("open -a {}", application(xquartz))
}

/// The name of the application.
fn application(xquartz: &Xquartz) -> &'static str {
    let is_x11 = xquartz.app.as_ref().and_then(|app| app.file_name()).is_some_and(|name| name == "X11.app");
    if is_x11 { "X11" } else { "XQuartz" }
}

/// A call of xhost that reaches XQuartz itself. What DISPLAY names in place of it need not let xhost in.
fn xhost(facts: &Facts, xquartz: &Xquartz, entry: &str) -> String {
    let display = facts.x11.as_ref().and_then(|x11| x11.display.as_ref());
    let leads_there = display.is_some_and(|display| matches!(display.reach, Reach::Local | Reach::Launchd));
    let prefix = if leads_there { String::new() } else { format!("DISPLAY=:{} ", number(xquartz)) };
    format!("{prefix}xhost {entry}")
}

/// The domain that the installed XQuartz reads.
fn domain(xquartz: &Xquartz) -> &str {
    xquartz.domain.as_deref().unwrap_or(DOMAIN)
}

/// A preference in the domain that counts.
fn preference<'a>(xquartz: &'a Xquartz, key: &str) -> Option<&'a XquartzSetting> {
    xquartz.settings.iter().find(|setting| setting.domain == domain(xquartz) && setting.key == key)
}

/// A preference that stands where the installed version does not look.
fn elsewhere<'a>(xquartz: &'a Xquartz, key: &str) -> Option<&'a XquartzSetting> {
    xquartz.settings.iter().find(|setting| setting.domain != domain(xquartz) && setting.key == key)
}

/// What `startx` makes of a preference: it compares the text with 1 or with 0, and takes its own default where there is none.
/// `None` when the preferences could not be read.
fn is_on(xquartz: &Xquartz, key: &str) -> Option<bool> {
    if xquartz.unknown.contains_key(&format!("settings.{}", domain(xquartz))) {
        return None;
    }
    let text = preference(xquartz, key).map(|setting| setting.value.as_str());
    Some(match key {
        "nolisten_tcp" => text.is_none_or(|text| text == "1"),
        "no_auth" => text.is_some_and(|text| text != "0"),
        _ => text == Some("1"),
    })
}

/// A preference as evidence.
fn told(setting: &XquartzSetting) -> String {
    let kind = setting.kind.as_deref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    format!("{}: {} {} is {}{kind}", setting.source, setting.domain, setting.key, setting.value)
}

#[cfg(test)]
mod testing {
    //! Made-up Macs.

    use serde_json::json;

    use super::*;
    use crate::facts::{ConnectFailure, ConnectFailureKind, DisplayName, Machine, Session, X11, XquartzArguments, XquartzTcp};
    use crate::image::tests::{answered, facts_with};

    pub(super) const SOCKET: &str = "/private/tmp/com.apple.launchd.gUv6Xr3pTQ/org.xquartz:0";

    pub(super) fn preference(domain: &str, key: &str, value: &str, kind: &str) -> XquartzSetting {
        XquartzSetting {
            domain: domain.into(),
            key: key.into(),
            value: value.into(),
            kind: Some(kind.into()),
            source: "defaults".into(),
        }
    }

    pub(super) fn started(tcp: bool) -> Option<XquartzArguments> {
        Some(XquartzArguments { number: Some(0), tcp: Some(tcp), iglx: Some(false), authority: true, source: "ps".into() })
    }

    /// XQuartz as it has to be for containers.
    pub(super) fn ready() -> Xquartz {
        Xquartz {
            app: Some("/Applications/Utilities/XQuartz.app".into()),
            version: Some("2.8.5".into()),
            domain: Some(DOMAIN.into()),
            settings: vec![preference(DOMAIN, "nolisten_tcp", "0", "boolean")],
            running: Some(true),
            arguments: started(true),
            launchd_display: Some(SOCKET.into()),
            tcp: XquartzTcp::LetsIn,
            ..Xquartz::default()
        }
    }

    /// XQuartz as its installer leaves it, running.
    pub(super) fn fresh() -> Xquartz {
        Xquartz { settings: Vec::new(), arguments: started(false), tcp: XquartzTcp::Closed, ..ready() }
    }

    /// A Mac without an environment, on whose display windows open.
    pub(super) fn alone(xquartz: Xquartz) -> Facts {
        let mut facts = Facts { xquartz: Some(xquartz), ..answered() };
        facts.machine = Some(Machine { os: "macos".into(), ..Machine::default() });
        show(&mut facts, SOCKET, Reach::Launchd);
        facts
    }

    /// A Mac with an environment.
    pub(super) fn with_environment(container_type: &str, xquartz: Xquartz) -> Facts {
        let environment = facts_with(json!({"container_type": container_type, "gui_env": {"DISPLAY": "$DISPLAY"}})).environment;
        Facts { environment, ..alone(xquartz) }
    }

    /// Sets DISPLAY to one that answers.
    pub(super) fn show(facts: &mut Facts, text: &str, reach: Reach) {
        facts.session = Some(Session { display: Some(text.into()), ..Session::default() });
        facts.x11 = Some(X11 {
            display: Some(DisplayName { text: text.into(), reach, ..DisplayName::default() }),
            connection: Connection::Connected(Box::default()),
            ..X11::default()
        });
    }

    /// Makes the display fail.
    pub(super) fn fail(facts: &mut Facts, kind: ConnectFailureKind) {
        let failure = ConnectFailure { kind, detail: "no".into(), address: None, cookie_sent: false };
        facts.x11.as_mut().unwrap().connection = Connection::Failed(failure);
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::facts::{ConnectFailureKind, XquartzTcp};

    #[test]
    fn a_mac_in_good_order_has_no_finding() {
        for facts in [alone(ready()), with_environment("vbox", fresh())] {
            for check in CHECKS {
                let outcome = check.judge(&facts);
                assert!(!matches!(outcome, Outcome::Findings(_)), "{}: {outcome:?}", check.id);
            }
        }
        let mut docker = with_environment("docker", ready());
        show(&mut docker, "192.168.1.7:0", Reach::Remote);
        for check in CHECKS {
            assert_eq!(check.judge(&docker), Outcome::Pass, "{}", check.id);
        }
    }

    #[test]
    fn a_mac_with_xquartz_and_no_environment_is_not_alarmed() {
        for check in CHECKS {
            if let Outcome::Findings(findings) = check.judge(&alone(fresh())) {
                assert!(findings.iter().all(|finding| finding.severity == Severity::Info), "{}: {findings:?}", check.id);
            }
        }
    }

    #[test]
    fn preferences_mean_what_startx_makes_of_them() {
        let mut xquartz = fresh();
        assert_eq!(
            ["nolisten_tcp", "no_auth", "enable_iglx"].map(|key| is_on(&xquartz, key)),
            [Some(true), Some(false), Some(false)],
            "the defaults of startx are not those of the application"
        );
        for (key, value, on) in [
            ("nolisten_tcp", "1", true),
            ("nolisten_tcp", "0", false),
            ("nolisten_tcp", "true", false),
            ("no_auth", "0", false),
            ("no_auth", "false", true),
            ("enable_iglx", "1", true),
            ("enable_iglx", "true", false),
        ] {
            xquartz.settings = vec![preference(DOMAIN, key, value, "string")];
            assert_eq!(is_on(&xquartz, key), Some(on), "{key} {value}");
        }
        xquartz.unknown.insert(format!("settings.{DOMAIN}"), "no answer".into());
        assert_eq!(is_on(&xquartz, "nolisten_tcp"), None);
    }

    fn preference(domain: &str, key: &str, value: &str, kind: &str) -> XquartzSetting {
        testing::preference(domain, key, value, kind)
    }

    #[test]
    fn what_is_told_here_is_not_told_again_by_the_checks_of_x11() {
        let mut facts = alone(Xquartz { app: None, running: Some(false), ..Xquartz::default() });
        fail(&mut facts, ConnectFailureKind::SocketMissing);
        assert!(explains(&facts).unwrap().contains("xquartz-server"));
        let mut facts = alone(Xquartz { tcp: XquartzTcp::Closed, ..fresh() });
        show(&mut facts, "localhost:0", Reach::Loopback);
        fail(&mut facts, ConnectFailureKind::Refused);
        assert!(explains(&facts).unwrap().contains("xquartz-network"));
        let mut facts = alone(fresh());
        fail(&mut facts, ConnectFailureKind::AuthorizationRequired);
        assert_eq!(explains(&facts), None);
        assert_eq!(explains(&Facts::default()), None);
    }
}
