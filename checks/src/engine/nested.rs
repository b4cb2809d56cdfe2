//! Does casa-doctor itself run in a container?

use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "session-nested",
    category: Category::Engine,
    question: "Does casa-doctor run outside of containers?",
    needs: &[ProbeId::Session],
    findings: &[&NESTED],
    run: outside,
};

static NESTED: FindingKind = FindingKind {
    id: "nested-container",
    code: "CD0709",
    severity: Severity::Warning,
    title: "This shell is already inside a container",
    why: "Everything that casa-doctor sees here is what the container shows: its C library, its OpenGL, its files. An engine mostly cannot start another container inside one, and the bv command refuses to.",
    cure: "Leave the container (exit), and run casa-doctor on the machine itself.",
    example: "the \"bv\" command has been called from within a casa-distro container",
    since: "0.1.0",
};

fn outside(facts: &Facts) -> Outcome {
    let Some(session) = &facts.session else { return Outcome::Unknown("nothing was recorded about the session".to_owned()) };
    let Some(container) = &session.inside_container else { return Outcome::Pass };
    let (severity, what) = match container.as_str() {
        "casa-distro" => (Severity::Warning, "a container of casa-distro"),
        "apptainer" => (Severity::Warning, "a container of Apptainer or Singularity"),
        "docker" => (Severity::Info, "a container of Docker"),
        "podman" => (Severity::Info, "a container of Podman"),
        "flatpak" => (Severity::Warning, "a sandbox of Flatpak"),
        other => (Severity::Info, other),
    };
    Outcome::Findings(vec![NESTED.found().severity(severity).evidence(format!("the marks of {what} are here")).advise(
        "Leave the container and run casa-doctor on the machine itself, unless it is the container that you want to look at.",
    )])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Session;
    use crate::image::tests::{answered, findings};

    #[test]
    fn inside_and_outside() {
        let facts = |inside: Option<&str>| Facts {
            session: Some(Session { inside_container: inside.map(str::to_owned), ..Session::default() }),
            ..answered()
        };
        assert_eq!(CHECK.judge(&facts(None)), Outcome::Pass);
        assert_eq!(findings(&CHECK, &facts(Some("casa-distro")))[0].severity, Severity::Warning);
        assert_eq!(findings(&CHECK, &facts(Some("docker")))[0].severity, Severity::Info);
    }
}
