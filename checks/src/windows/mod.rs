//! Checks of the family "windows": Linux on Windows (WSL), its display, its graphics card and its shared memory.

mod display;
mod graphics;
mod mesa;
mod native;
mod shared_memory;
mod version;

use crate::check::{Check, Outcome};
use crate::facts::{Connection, DisplayLine, DisplayName, Environment, Facts, Reach, Wsl, X11};
use crate::image::{environment, setting};

pub(crate) use self::display::{END, SWITCHED_OFF};
pub use self::mesa::crashes as mesa_crashes;

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] =
    &[&native::CHECK, &display::CHECK, &graphics::CHECK, &mesa::CHECK, &shared_memory::CHECK, &version::CHECK];

/// Why the X server cannot be reached, when a check of this family tells it: then it needs no second alarm.
pub(crate) fn explains(facts: &Facts) -> Option<&'static str> {
    matches!(display::CHECK.judge(facts), Outcome::Findings(_))
        .then_some("the display of Windows cannot be reached (see wsl-display)")
}

/// WSL, or how a check ends without it.
fn wsl(facts: &Facts) -> Result<&Wsl, Outcome> {
    if facts.session.as_ref().is_some_and(|session| session.inside_container.is_some()) {
        return Err(Outcome::Skipped("this is inside of a container".to_owned()));
    }
    facts.wsl.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about WSL".to_owned()))
}

/// The environment, when it is one of a container.
fn container(facts: &Facts) -> Option<&Environment> {
    environment(facts).filter(|environment| !matches!(setting(environment, "container_type"), Some("vbox")))
}

/// Whether an X server let us in.
fn is_connected(facts: &Facts) -> bool {
    facts.x11.as_ref().is_some_and(|x11| matches!(x11.connection, Connection::Connected(_)))
}

/// Whether the display is that which Windows gives to Linux programs (WSLg).
pub(crate) fn is_display_of_windows(facts: &Facts) -> bool {
    let display = facts.x11.as_ref().and_then(|x11| x11.display.as_ref());
    let is_first = display.is_some_and(|display| display.reach == Reach::Local && display.number == 0);
    is_first && facts.wsl.as_ref().is_some_and(|wsl| wsl.wslg)
}

/// Whether the display is that of an X server of Windows (VcXsrv, X410), which WSL reaches by TCP and has no cookie for.
pub(crate) fn is_server_of_windows(facts: &Facts) -> bool {
    let display = facts.x11.as_ref().and_then(|x11| x11.display.as_ref());
    let is_windows = facts.is_windows();
    let by_network = |display: &DisplayName| {
        matches!(display.reach, Reach::Loopback | Reach::Remote) && display.number < X11::SSH_DISPLAY_OFFSET
    };
    is_windows || facts.wsl.is_some() && display.is_some_and(by_network)
}

/// A line of a start-up file as evidence.
pub(crate) fn shown(line: &DisplayLine) -> String {
    format!("{}:{}: {}", line.path.display(), line.line, line.text)
}

#[cfg(test)]
mod testing {
    //! Made-up machines with WSL.

    use serde_json::{Value, json};

    use super::*;
    use crate::facts::{ConnectFailure, ConnectFailureKind, Gpu, Machine, Session, WslDisplaySocket, WslSharedMemory};
    use crate::image::tests::{answered, facts_with};

    /// WSL 2 as Windows 11 sets it up.
    pub(super) fn healthy() -> Wsl {
        Wsl {
            version: 2,
            distribution: Some("Ubuntu-22.04".into()),
            networking: Some("nat".into()),
            wslg: true,
            wslg_socket: true,
            display_socket: WslDisplaySocket::Present,
            gateway: Some("172.24.0.1".into()),
            nameserver: Some("10.255.255.254".into()),
            dxg: Some(true),
            libraries: ["libd3d12.so", "libd3d12core.so", "libdxcore.so"].map(str::to_owned).into(),
            shared_memory: WslSharedMemory::Directory,
            ..Wsl::default()
        }
    }

    /// Facts without an environment, on whose display windows open.
    pub(super) fn alone(wsl: Wsl) -> Facts {
        let mut facts = Facts { wsl: Some(wsl), gpu: Some(Gpu { dxg: true, ..Gpu::default() }), ..answered() };
        facts.machine = Some(Machine { os: "linux".into(), wsl: Some(2), ..Machine::default() });
        facts.session = Some(Session { display: Some(":0".into()), ..Session::default() });
        facts.x11 = Some(X11 {
            display: Some(DisplayName { text: ":0".into(), ..DisplayName::default() }),
            connection: Connection::Connected(Box::default()),
            ..X11::default()
        });
        facts
    }

    /// Facts with an environment of Singularity.
    pub(super) fn with_environment(configuration: Value, wsl: Wsl) -> Facts {
        let mut merged = json!({"container_type": "singularity"});
        if let (Some(merged), Some(more)) = (merged.as_object_mut(), configuration.as_object()) {
            merged.extend(more.clone());
        }
        Facts { environment: facts_with(merged).environment, ..alone(wsl) }
    }

    /// A display that does not open.
    pub(super) fn failing(mut facts: Facts, host: &str, reach: Reach, kind: ConnectFailureKind) -> Facts {
        let text = format!("{host}:0");
        let failure = ConnectFailure { kind, detail: "no".into(), address: Some(text.clone()), cookie_sent: false };
        facts.x11 = Some(X11 {
            display: Some(DisplayName { text, host: host.into(), reach, ..DisplayName::default() }),
            connection: Connection::Failed(failure),
            ..X11::default()
        });
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::*;
    use super::*;
    use crate::facts::{ConnectFailureKind, ProbeEnd, ProbeId, ProbeRun, Session};
    use crate::finding::Severity;

    #[test]
    fn a_machine_in_good_order_has_no_finding() {
        for facts in [alone(healthy()), with_environment(json!({"mounts": {"/usr/lib/wsl": "/usr/lib/wsl"}}), healthy())] {
            for check in CHECKS {
                assert!(!matches!(check.judge(&facts), Outcome::Findings(_)), "{}", check.id);
            }
        }
    }

    #[test]
    fn another_system_is_skipped_with_the_reason_of_the_probe() {
        let mut facts = alone(healthy());
        let run = ProbeRun { end: ProbeEnd::Skipped, reason: Some("this is not WSL".into()), duration_ms: 0 };
        facts.probes.insert(ProbeId::Wsl, run);
        for check in CHECKS.iter().filter(|check| check.needs.contains(&ProbeId::Wsl)) {
            assert_eq!(check.judge(&facts), Outcome::Skipped("this is not WSL".into()), "{}", check.id);
        }
        assert_eq!(explains(&facts), None);
        let mut facts = alone(healthy());
        facts.session = Some(Session { inside_container: Some("docker".into()), ..Session::default() });
        for check in CHECKS.iter().filter(|check| check.needs.contains(&ProbeId::Wsl)) {
            assert!(matches!(check.judge(&facts), Outcome::Skipped(_)), "{}", check.id);
        }
    }

    #[test]
    fn what_is_told_here_is_not_told_again_by_the_checks_of_x11() {
        let facts = failing(alone(healthy()), "172.24.0.1", Reach::Remote, ConnectFailureKind::ConnectTimeout);
        assert!(explains(&facts).unwrap().contains("wsl-display"));
        let Outcome::Findings(found) = display::CHECK.judge(&facts) else { panic!("no finding") };
        assert_eq!(found[0].severity, Severity::Error);
    }
}
