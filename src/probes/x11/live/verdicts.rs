//! From a real display to what the user is told: the probe and the checks together.

use std::collections::BTreeSet;
use std::os::unix::net::UnixListener;

use casa_doctor_checks::check::Outcome;
use casa_doctor_checks::facts::{Facts, Machine, ProbeEnd, ProbeId, ProbeRun, Session};
use casa_doctor_checks::finding::Finding;
use casa_doctor_checks::registry::checks;

use super::*;

/// What the family's checks find on this display, in time.
fn findings(laboratory: Laboratory) -> Vec<Finding> {
    let identity = LiveHost.identity();
    let session = Session { uid: identity.uid, user: identity.user, home: Some(laboratory.home.clone()), ..Session::default() };
    let (x11, _held, took) = laboratory.probe();
    assert!(took < LIMIT + GRACE, "it took {took:?}: {x11:?}");
    let answered = ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms: 0 };
    let facts = Facts {
        probes: ProbeId::ALL.iter().copied().map(|probe| (probe, answered.clone())).collect(),
        machine: Some(Machine { os: "linux".into(), ..Machine::default() }),
        session: Some(session),
        x11: Some(x11),
        ..Facts::default()
    };
    let outcomes = checks().filter(|check| check.id.starts_with("x11-")).map(|check| check.judge(&facts));
    outcomes.flat_map(|outcome| if let Outcome::Findings(findings) = outcome { findings } else { Vec::new() }).collect()
}

#[test]
fn nine_broken_displays_have_nine_findings() {
    let nobody = tempfile::tempdir().unwrap();
    let wrong = tempfile::tempdir().unwrap();
    std::fs::write(wrong.path().join(".Xauthority"), entry(0xffff, b"", b"", 9)).unwrap();
    let xvfb = Server::xvfb(196, &[]);
    let untrusted = nobody.path().join("untrusted");
    std::fs::copy(xvfb.authority(), &untrusted).unwrap();
    let file = untrusted.to_str().unwrap();
    assert!(xvfb.client("xauth", &["-f", file, "generate", ":196", ".", "untrusted", "timeout", "60"]).status.success());
    let stopped = Server::xvfb(197, &[]);
    stopped.signal(rustix::process::Signal::STOP);
    let stale = Path::new("/tmp/.X11-unix/X198");
    let _ = std::fs::remove_file(stale);
    drop(UnixListener::bind(stale).unwrap());
    let silent = nobody.path().join("org.xquartz:0");
    let _listener = UnixListener::bind(&silent).unwrap();

    let cases = [
        ("x11-no-display", Laboratory::new("", nobody.path())),
        ("x11-unreachable", Laboratory::new(":199", nobody.path())),
        ("x11-unreachable", Laboratory::new(":198", nobody.path())),
        ("x11-unreachable", Laboratory::new("localhost:9", nobody.path())),
        ("x11-forwarding-dead", Laboratory::new("localhost:199", nobody.path())),
        ("x11-cookie-missing", Laboratory::new(":196", nobody.path())),
        ("x11-cookie-rejected", Laboratory::new(":196", wrong.path())),
        ("x11-untrusted-cookie", xvfb.laboratory().env("XAUTHORITY", &untrusted)),
        ("x11-server-hung", stopped.laboratory()),
        ("x11-server-hung", Laboratory::new(silent.to_str().unwrap(), nobody.path())),
    ];
    let mut told = BTreeSet::new();
    for (expected, laboratory) in cases {
        let display = laboratory.env["DISPLAY"].clone();
        let found = findings(laboratory);
        let ids: Vec<_> = found.iter().map(|finding| finding.kind.id).collect();
        assert_eq!(ids, [expected], "{display:?}: {found:?}");
        for finding in found {
            println!("{}\n  {}", finding.title.as_deref().unwrap_or(finding.kind.title), finding.evidence.join("\n  "));
            assert!(told.insert(format!("{:?} {:?}", finding.evidence, finding.advice)), "two are told alike");
        }
    }
    std::fs::remove_file(stale).unwrap();
    assert!(findings(xvfb.laboratory()).is_empty(), "a healthy server has no finding");
}
