//! The probe "engines": which container engines are there, and whether the machine lets them work. No container is started.

pub(crate) mod docker;
mod kernel;
mod programs;
mod settings;
mod setuid;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use casa_doctor_checks::facts::{Daemon, Engine, EngineKind, Engines, Setuid};

use super::Context;
use crate::crash;
use crate::host::Host;

/// How long an engine may take to tell its version or to answer: they are large programs, sometimes on a network's disk.
const PATIENCE: Duration = Duration::from_secs(3);

/// The container types for which Docker and Podman are no candidates: of them it is enough to know that they are there.
const SIF_TYPES: [&str; 3] = ["singularity", "apptainer", "apptainer_pixi"];

/// Looks for engines and asks them all at once. `container_type` tells that of the environment, as far as it is known by now; it is
/// asked when those that are needed in any case are at work.
pub(crate) fn probe(context: &Context, container_type: impl FnOnce() -> Option<String>) -> Engines {
    let host = context.host.as_ref();
    let limit = PATIENCE.min(context.limit.mul_f32(0.75));
    let found = programs::look_up(host);
    let (sif, others): (Vec<_>, Vec<_>) =
        found.programs.iter().partition(|(kind, _)| matches!(kind, EngineKind::Apptainer | EngineKind::Singularity));
    let looks: Vec<Look> = thread::scope(|scope| {
        let start = |found: &(EngineKind, PathBuf), useless_for: Option<String>| {
            let (kind, program) = found.clone();
            scope.spawn(crash::shared(move || look_at(host, kind, &program, useless_for, limit)))
        };
        let mut running: Vec<_> = sif.into_iter().map(|found| start(found, None)).collect();
        if !others.is_empty() {
            let useless_for = container_type().filter(|kind| SIF_TYPES.contains(&kind.as_str()));
            running.extend(others.into_iter().map(|found| start(found, useless_for.clone())));
        }
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut engines = Engines { missing: found.missing, ..Engines::default() };
    let mut folders = Vec::new();
    for look in looks {
        // Another program of an engine that is there already: Apptainer's script "singularity", Podman's script "docker".
        let twin = engines
            .found
            .iter()
            .any(|engine| engine.kind == look.engine.kind && engine.version.is_some() && engine.version == look.engine.version);
        if twin {
            continue;
        }
        folders.extend(look.folder);
        let name = look.engine.kind.program();
        engines.unknown.extend(look.unknown.into_iter().map(|(field, reason)| (format!("{name}.{field}"), reason)));
        engines.found.push(look.engine);
    }
    let of_sif = |engine: &&Engine| matches!(engine.kind, EngineKind::Apptainer | EngineKind::Singularity);
    // casa_distro takes Apptainer before Singularity.
    if let Some(program) = engines.found.iter().filter(of_sif).min_by_key(|engine| engine.kind != EngineKind::Apptainer) {
        match settings::settings(host, &program.path) {
            Ok(settings) => engines.settings = Some(settings),
            Err(reason) => drop(engines.unknown.insert("settings".to_owned(), reason)),
        }
    }
    if cfg!(target_os = "linux") {
        kernel::look(host, &folders, limit, &mut engines);
    } else {
        for field in ["user_namespaces", "dev_fuse"] {
            engines.unknown.insert(field.to_owned(), "only Linux has it".to_owned());
        }
    }
    engines
}

/// What was learnt of one program.
struct Look {
    engine: Engine,
    /// Where it keeps its helpers.
    folder: Option<PathBuf>,
    /// Fields that stay unknown, with the reason.
    unknown: Vec<(&'static str, String)>,
}

/// Looks at an engine. One that is useless for the environment, which is of another container type, is not started, since it is a
/// large program.
fn look_at(host: &dyn Host, kind: EngineKind, program: &Path, useless_for: Option<String>, limit: Duration) -> Look {
    let mut engine = Engine {
        kind,
        path: program.to_owned(),
        version_text: None,
        version: None,
        version_error: None,
        setuid: None,
        daemon: None,
    };
    let started = Instant::now();
    let mut look_unknown = Vec::new();
    let mut folder = None;
    match useless_for {
        Some(container_type) => {
            look_unknown.push(("version", format!("not asked, since the environment's container_type is \"{container_type}\"")));
        }
        None => match programs::version(host, kind, program, limit) {
            Ok(version) => {
                engine.kind = version.kind;
                engine.version_text = Some(version.text);
                engine.version = Some(version.numbers);
            }
            Err(error) => engine.version_error = Some(error),
        },
    }
    match engine.kind {
        EngineKind::Apptainer | EngineKind::Singularity => {
            // One that did not answer is not asked again, so that it can be told in time that it is silent.
            folder = setuid::libexec(host, engine.kind, program, limit.saturating_sub(started.elapsed()));
            match setuid_of(host, engine.kind, program, folder.as_deref()) {
                Ok(state) => engine.setuid = Some(state),
                Err(reason) => look_unknown.push(("setuid", reason)),
            }
        }
        EngineKind::Docker => match docker::daemon(host, limit) {
            Ok(daemon) => engine.daemon = Some(daemon),
            Err(reason) => look_unknown.push(("daemon", reason)),
        },
        EngineKind::Podman if cfg!(target_os = "linux") && host.env_text("CONTAINER_HOST").is_none() => {
            engine.daemon = Some(Daemon::NotNeeded);
        }
        EngineKind::Podman => {
            look_unknown.push(("daemon", "Podman works through another machine here, which is not asked".to_owned()))
        }
    }
    Look { engine, folder, unknown: look_unknown }
}

fn setuid_of(host: &dyn Host, kind: EngineKind, program: &Path, folder: Option<&Path>) -> Result<Setuid, String> {
    let folder = folder.ok_or("its starter is in none of the usual folders, and it did not tell where it is")?;
    setuid::state(host, kind, program, folder)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::{LiveHost, RecordedHost};

    fn probe_of(host: impl Host + 'static) -> Engines {
        probe_for(host, None)
    }

    fn probe_for(host: impl Host + 'static, container_type: Option<&str>) -> Engines {
        probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) }, || container_type.map(str::to_owned))
    }

    #[cfg(unix)]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes an engine")]
    fn an_engine_that_does_not_answer_is_asked_once() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let (program, asked) = (directory.path().join("apptainer"), directory.path().join("asked"));
        std::fs::write(&program, format!("#!/bin/sh\necho \"$1\" >>{}\nsleep 20\n", asked.display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let look = look_at(&LiveHost, EngineKind::Apptainer, &program, None, Duration::from_millis(500));
        assert!(look.engine.version_error.is_some_and(|error| error.contains("did not end within")));
        assert_eq!(std::fs::read_to_string(&asked).unwrap(), "--version\n");
    }

    #[test]
    fn an_engine_that_the_environment_cannot_use_is_not_started() {
        let machine = || {
            RecordedHost::new().command(&["apptainer", "--version"], 0, "apptainer version 1.4.5\n", "").command(
                &["podman", "--version"],
                0,
                "podman version 4.3.1\n",
                "",
            )
        };
        let engines = probe_for(machine(), Some("singularity"));
        assert_eq!(engines.found[0].version.as_deref(), Some("1.4.5"));
        let podman = &engines.found[1];
        assert_eq!((podman.kind, &podman.version, &podman.version_error), (EngineKind::Podman, &None, &None));
        assert!(engines.unknown["podman.version"].contains("not asked"), "{:?}", engines.unknown);
        for wanted in [Some("podman"), Some("vbox"), None] {
            assert_eq!(probe_for(machine(), wanted).found[1].version.as_deref(), Some("4.3.1"), "{wanted:?}");
        }
    }

    #[test]
    fn a_described_machine_with_several_engines() {
        let engines = probe_of(
            RecordedHost::new()
                .command(&["apptainer", "--version"], 0, "apptainer version 1.4.5\n", "")
                .command(&["singularity", "--version"], 0, "singularity-ce version 4.1.0\n", "")
                .command(&["docker", "--version"], 0, "podman version 4.3.1\n", "")
                .command(&["podman", "--version"], 0, "podman version 4.3.1\n", "")
                .file("/usr/bin/apptainer", "")
                .file("/usr/libexec/apptainer/bin/starter", ""),
        );
        let kinds: Vec<_> = engines.found.iter().map(|engine| engine.kind).collect();
        assert_eq!(kinds, [EngineKind::Apptainer, EngineKind::Singularity, EngineKind::Podman]);
        assert_eq!(engines.found[0].setuid, Some(Setuid::Absent));
        assert_eq!(engines.found[1].setuid, None);
        assert!(engines.unknown["singularity.setuid"].contains("starter"));
        assert!(engines.missing.is_empty());
    }

    #[test]
    fn an_engine_that_does_not_tell_its_version_is_still_there() {
        let engines = probe_of(RecordedHost::new().command(&["apptainer", "--version"], 1, "", "FATAL: broken\n"));
        assert_eq!(engines.found.len(), 1);
        assert_eq!(engines.found[0].version, None);
        assert!(engines.found[0].version_error.as_deref().unwrap().contains("FATAL: broken"));
    }

    #[test]
    fn the_real_machine_answers_whatever_it_has() {
        let engines = probe_of(LiveHost);
        assert!(engines.found.len() + engines.missing.len() >= 1);
        for engine in &engines.found {
            assert!(engine.version.is_some() || engine.version_error.is_some(), "{engine:?}");
        }
    }
}
