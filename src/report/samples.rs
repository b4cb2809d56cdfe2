//! Made-up checks, findings and documents for the tests of the renderers. Nothing here was seen on a real machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use casa_doctor_checks::check::{Category, Check, Outcome};
use casa_doctor_checks::facts::{
    ConfigFile, Connection, Distribution, Environment, EnvironmentSearch, Facts, Machine, ProbeEnd, ProbeId, ProbeRun, Session,
    X11, XServer,
};
use casa_doctor_checks::finding::{Change, Edit, FindingKind, Safety, Severity};
use serde_json::json;

use super::human::HumanOptions;
use super::{CheckRun, CommandDoc, Document, EditDoc, Examination, ExitStatus, FailOn, LaunchDoc, Source, decide_exit_status};
use crate::recommend::{Basis, Confidence, MeasurementOutcome, OpenGl, Place, Recommendation, Rejected, RendererClass};
use crate::report::MeasurementDoc;

const fn kind(
    id: &'static str,
    code: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    cure: &'static str,
) -> FindingKind {
    FindingKind { id, code, severity, title, why, cure, example: "Error: an example\nin two lines", since: "0.1.0" }
}

const fn check(id: &'static str, category: Category, question: &'static str, findings: &'static [&'static FindingKind]) -> Check {
    Check { id, category, question, needs: &[], findings, run: |_| Outcome::Pass }
}

pub(crate) static COOKIE_MISSING: FindingKind = kind(
    "x11-cookie-missing",
    "CD0102",
    Severity::Error,
    "There is no cookie for this display",
    "Without a cookie the X server lets nobody in, so no window opens.",
    "Log out and in again, so that the desktop writes a new cookie.",
);
pub(crate) static COOKIE_REJECTED: FindingKind = kind(
    "x11-cookie-rejected",
    "CD0103",
    Severity::Error,
    "The X server does not accept this session's cookie",
    "A cookie is the password with which a program may open windows. The X server knows another one than the one in your cookie \
     file, so it turns every program away and no window opens, inside the container or outside.",
    "Let the X server accept you by name, or log out and in again.",
);
pub(crate) static DRIVER_MISMATCH: FindingKind = kind(
    "nvidia-driver-mismatch",
    "CD0301",
    Severity::Error,
    "The NVIDIA driver and its libraries have different versions",
    "The kernel still runs the old driver while the libraries on disk are those of the new one, so every program that draws with \
     the card ends with an error.",
    "Restart the machine.",
);
pub(crate) static UNKNOWN_FLAG: FindingKind = kind(
    "config-unknown-flag",
    "CD0901",
    Severity::Warning,
    "The configuration passes an option that the engine does not know",
    "The container does not start as long as the option is there.",
    "Remove the option from `container_options`.",
);
pub(crate) static ENV_OVERRIDE: FindingKind = kind(
    "gl-env-override",
    "CD0201",
    Severity::Info,
    "A variable bends how 3D is drawn",
    "It was set on purpose once, and is easily forgotten.",
    "Unset it when it is no longer needed.",
);

pub(crate) static CONFIG_FLAGS: Check =
    check("config-flags", Category::Config, "Does the engine know every option?", &[&UNKNOWN_FLAG]);
pub(crate) static IMAGE_FILE: Check = check("image-file", Category::Image, "Is the image there?", &[&UNKNOWN_FLAG]);
pub(crate) static X11_COOKIE: Check =
    check("x11-cookie", Category::X11, "Does the X server accept the cookie?", &[&COOKIE_MISSING, &COOKIE_REJECTED]);
pub(crate) static GL_ENVIRONMENT: Check =
    check("gl-environment", Category::Rendering, "Do variables bend rendering?", &[&ENV_OVERRIDE]);
pub(crate) static GL_HOST: Check = check("gl-host", Category::Rendering, "Does OpenGL work on the machine?", &[&ENV_OVERRIDE]);
pub(crate) static NVIDIA_DRIVER: Check =
    check("nvidia-driver", Category::Rendering, "Do the NVIDIA driver's parts fit together?", &[&DRIVER_MISMATCH]);
pub(crate) static SSH_AGENT: Check = check("ssh-agent", Category::Ssh, "Does the ssh agent answer?", &[&ENV_OVERRIDE]);

/// The looks that the tests start from.
pub(crate) const PLAIN: HumanOptions =
    HumanOptions { color: false, unicode: true, width: 80, verbose: false, quiet: false, fail_on: FailOn::Error };

/// Every made-up check, in the order of a registry.
pub(crate) static CHECKS: [&Check; 7] =
    [&CONFIG_FLAGS, &IMAGE_FILE, &X11_COOKIE, &GL_ENVIRONMENT, &GL_HOST, &NVIDIA_DRIVER, &SSH_AGENT];

const CONFIG: &str = "/data/brainvisa-5.1/conf/casa_distro.json";

fn facts() -> Facts {
    let answered = |duration_ms| ProbeRun { end: ProbeEnd::Answered, reason: None, duration_ms };
    Facts {
        probes: BTreeMap::from([
            (ProbeId::Machine, answered(1)),
            (ProbeId::X11, answered(12)),
            (
                ProbeId::Glx,
                ProbeRun {
                    end: ProbeEnd::TimedOut,
                    reason: Some("the probe \"glx\" did not answer within 4 s".into()),
                    duration_ms: 4000,
                },
            ),
        ]),
        machine: Some(Machine {
            os: "linux".into(),
            kernel: Some("6.1.0-18-amd64".into()),
            arch: "x86_64".into(),
            distribution: Some(Distribution {
                id: "debian".into(),
                version: Some("12".into()),
                name: Some("Debian GNU/Linux 12 (bookworm)".into()),
            }),
            hostname: Some("neuro-ws".into()),
            glibc: Some("2.36".into()),
            memory_bytes: Some(32 << 30),
            ..Machine::default()
        }),
        session: Some(Session {
            user: Some("anna".into()),
            display: Some(":0".into()),
            session_type: Some("x11".into()),
            ..Session::default()
        }),
        environment: Some(EnvironmentSearch {
            named_by: "argument".into(),
            found: Some(Environment {
                directory: "/data/brainvisa-5.1".into(),
                file: ConfigFile {
                    path: CONFIG.into(),
                    value: Some(json!({
                        "name": "brainvisa-5.1", "version": "5.1", "container_type": "apptainer", "image": "brainvisa-5.1.sif"
                    })),
                    ..ConfigFile::default()
                },
                ..Environment::default()
            }),
            ..EnvironmentSearch::default()
        }),
        x11: Some(X11 {
            connection: Connection::Connected(Box::new(XServer {
                vendor: "The X.Org Foundation".into(),
                address: "/tmp/.X11-unix/X0".into(),
                ..XServer::default()
            })),
            ..X11::default()
        }),
        ..Facts::default()
    }
}

fn document(runs: &[CheckRun]) -> Document {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut document = Document::new(&Examination { source: Source::Live, now, facts: &facts(), runs });
    made_up_version(&mut document);
    document.exit_status = decide_exit_status(&document.findings, FailOn::Error);
    document
}

/// So that a release does not change every snapshot.
fn made_up_version(document: &mut Document) {
    document.tool.version = "1.2.3".to_owned();
}

fn run(check: &'static Check, outcome: Outcome) -> CheckRun {
    CheckRun { check, outcome, duration_ms: 3 }
}

fn unknown_flag() -> Outcome {
    let remove = Edit::new(Path::new(CONFIG), "/container_options/0", Change::Remove, &UNKNOWN_FLAG);
    Outcome::Findings(vec![UNKNOWN_FLAG.found().evidence(format!("{CONFIG}:7: \"container_options\" contains \"--softgl\"")).fix(
        "Remove `--softgl` from `container_options`",
        Safety::Safe,
        [remove],
    )])
}

/// A machine on which much is wrong, everything was measured and a launch was tried.
pub(crate) fn sick() -> Document {
    let cookie = COOKIE_REJECTED
        .found()
        .evidence("X server at /tmp/.X11-unix/X0: \"Invalid MIT-MAGIC-COOKIE-1 key\"")
        .evidence("/home/anna/.Xauthority: 1 entry for this display, written for the machine name \"neuro-old\"")
        .advise_command("Let the X server accept you by name, whatever the cookie", "xhost +si:localuser:anna")
        .advise("Log out and in again, so that the desktop writes a new cookie");
    let driver = DRIVER_MISMATCH
        .found()
        .title("The NVIDIA driver is 535.161.07 and its libraries are 550.54.14")
        .evidence("/proc/driver/nvidia/version: 535.161.07")
        .evidence("/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.550.54.14")
        .advise_command(
            "Load the new driver without a restart, once no program uses the card",
            "sudo systemctl isolate multi-user.target && sudo modprobe -r nvidia_drm nvidia_modeset nvidia_uvm nvidia && sudo modprobe nvidia && sudo systemctl isolate graphical.target",
        );
    let mut document = document(&[
        run(&CONFIG_FLAGS, unknown_flag()),
        run(&IMAGE_FILE, Outcome::Pass),
        run(&X11_COOKIE, Outcome::Findings(vec![cookie])),
        run(
            &GL_ENVIRONMENT,
            Outcome::Findings(vec![ENV_OVERRIDE.found().evidence("LIBGL_ALWAYS_SOFTWARE=1 is set in this session")]),
        ),
        run(&GL_HOST, Outcome::TimedOut("the probe \"glx\" did not answer within 4 s".into())),
        run(&NVIDIA_DRIVER, Outcome::Findings(vec![driver])),
        run(&SSH_AGENT, Outcome::Skipped("SSH_AUTH_SOCK is not set, and no key is there to be used".into())),
    ]);
    document.recommendation = Some(recommendation());
    document.measurements = measurements();
    document.plan.edits = vec![
        EditDoc {
            file: CONFIG.into(),
            key: "/container_options/0".into(),
            from: Some(json!("--softgl")),
            to: None,
            because: "config-unknown-flag".into(),
        },
        EditDoc {
            file: CONFIG.into(),
            key: "/casa_doctor/machines".into(),
            from: None,
            to: Some(json!({"neuro-ws": {"local": {"opengl": "software"}}})),
            because: "recommendation".into(),
        },
    ];
    document.plan.commands = vec![CommandDoc {
        argv: vec!["xhost".into(), "+si:localuser:anna".into()],
        safety: Safety::Manual,
        because: "x11-cookie-rejected".into(),
    }];
    document.launch = Some(LaunchDoc {
        engine: "apptainer".into(),
        argv: ["apptainer", "run", "--bind", "/data/my scans:/data", "brainvisa-5.1.sif", "anatomist"].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("SOFTWARE_OPENGL".to_owned(), "1".to_owned())]),
        mode: OpenGl::Software,
        exit_status: Some(0),
    });
    document
}

fn recommendation() -> Recommendation {
    Recommendation {
        opengl: OpenGl::Software,
        basis: Basis::Measured,
        confidence: Confidence::High,
        reasons: vec!["it is the only mode that drew the right picture".into(), "14 frames per second are enough".into()],
        rejected: vec![
            Rejected {
                opengl: OpenGl::Nv,
                reason: "the NVIDIA driver 535.161.07 and its libraries 550.54.14 do not fit together".into(),
            },
            Rejected {
                opengl: OpenGl::Container,
                reason: "the X server wants a GLX vendor \"nvidia\" that the image does not have".into(),
            },
        ],
    }
}

fn measurements() -> Vec<MeasurementDoc> {
    let measurement = |opengl, outcome, renderer: Option<&str>, renderer_class, fps: Option<f64>| MeasurementDoc {
        opengl,
        place: Place::Image,
        outcome,
        renderer: renderer.map(str::to_owned),
        renderer_class,
        gl_version: renderer.map(|_| "4.5 (Compatibility Profile) Mesa 22.3.6".to_owned()),
        pixels_correct: fps.map(|_| true),
        frames_per_second: fps,
        startup_ms: Some(1840),
        stderr: Vec::new(),
        picture: None,
    };
    let software = Some("llvmpipe (LLVM 15.0.6, 256 bits)");
    let mut crashed = measurement(OpenGl::Nv, MeasurementOutcome::Crashed, None, RendererClass::None, None);
    crashed.stderr = vec!["Failed to initialize NVML: Driver/library version mismatch".into()];
    vec![
        crashed,
        measurement(OpenGl::Container, MeasurementOutcome::Failed, None, RendererClass::None, None),
        measurement(OpenGl::Software, MeasurementOutcome::Works, software, RendererClass::Software, Some(14.2)),
    ]
}

/// The smallest PNG picture.
pub(crate) const PICTURE: &str =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A machine on which every mode was tried, and two of them draw.
pub(crate) fn measured() -> Document {
    let mut document = healthy();
    document.measurements = measurements();
    let container = &mut document.measurements[1];
    container.outcome = MeasurementOutcome::Works;
    (container.renderer, container.renderer_class) = (Some("Mesa Intel(R) UHD Graphics 620".into()), RendererClass::Hardware);
    (container.pixels_correct, container.frames_per_second) = (Some(true), Some(41.0));
    for measurement in &mut document.measurements[1..] {
        measurement.picture = Some(PICTURE.into());
    }
    document
}

/// A machine on which one thing should be looked at.
pub(crate) fn warned() -> Document {
    document(&[run(&CONFIG_FLAGS, unknown_flag()), run(&IMAGE_FILE, Outcome::Pass)])
}

/// The same machine, with a baseline that accepts what is wrong with it.
pub(crate) fn accepted() -> Document {
    let mut document = warned();
    for finding in &mut document.findings {
        finding.accepted = true;
    }
    document.exit_status = decide_exit_status(&document.findings, FailOn::Warning);
    document
}

/// A machine on which nothing is wrong.
pub(crate) fn healthy() -> Document {
    let runs: Vec<_> = CHECKS
        .iter()
        .map(|check| {
            let skipped = Outcome::Skipped("SSH_AUTH_SOCK is not set, and no key is there to be used".into());
            run(check, if check.id == SSH_AGENT.id { skipped } else { Outcome::Pass })
        })
        .collect();
    let mut document = document(&runs);
    document.recommendation = Some(Recommendation {
        opengl: OpenGl::Nv,
        basis: Basis::Predicted,
        confidence: Confidence::Medium,
        reasons: vec!["the NVIDIA driver 550.54.14 draws on this display".into()],
        rejected: vec![Rejected { opengl: OpenGl::Software, reason: "it works, and is slower".into() }],
    });
    document
}

/// A machine on which nothing wrong was found, and not everything could be seen.
pub(crate) fn open() -> Document {
    document(&[
        run(&IMAGE_FILE, Outcome::Pass),
        run(&GL_HOST, Outcome::Crashed("the probe \"glx\" was ended by SIGSEGV".into())),
        run(&NVIDIA_DRIVER, Outcome::Unknown("/proc/driver/nvidia/version: permission denied".into())),
    ])
}

/// Nothing at all: a recording that no probe answered.
pub(crate) fn empty() -> Document {
    let mut document =
        Document::new(&Examination { source: Source::Recording, now: SystemTime::UNIX_EPOCH, facts: &Facts::default(), runs: &[] });
    made_up_version(&mut document);
    document.exit_status = ExitStatus::Failed;
    document
}

/// All of them, by name.
pub(crate) fn all() -> [(&'static str, Document); 7] {
    [
        ("measured", measured()),
        ("sick", sick()),
        ("warned", warned()),
        ("accepted", accepted()),
        ("healthy", healthy()),
        ("open", open()),
        ("empty", empty()),
    ]
}

/// Asks xmllint (which the lab's setup installs) whether a text obeys an XML schema of the project.
pub(crate) fn assert_xml_obeys(schema: &str, text: &str, name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("document.xml");
    crate::output::file(&file, text).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(schema);
    let command = crate::host::Command::new("/usr/bin/xmllint", Duration::from_secs(30)).args([
        "--nonet".into(),
        "--noout".into(),
        "--schema".into(),
        schema.into_os_string(),
        file.into_os_string(),
    ]);
    let output = crate::host::Host::run(&crate::host::LiveHost, &command);
    let obeys = output.end == crate::host::CommandEnd::Exited(0);
    assert!(obeys, "{name}: {:?} {}\n{text}", output.end, String::from_utf8_lossy(&output.stderr));
}

/// Compares a generated file with the one in the project. With CASA_DOCTOR_BLESS=1 the file is written instead.
#[expect(clippy::disallowed_methods, reason = "the project's own files are compared, not those of a machine under examination")]
pub(crate) fn compare_with_shipped(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if is_blessing() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, expected).unwrap();
        return;
    }
    assert!(shipped(path) == expected, "{path} is stale: run the tests once with CASA_DOCTOR_BLESS=1 and commit what changes");
}

/// A file of the project; nothing when it is not there.
#[expect(clippy::disallowed_methods, reason = "the project's own files are read, not those of a machine under examination")]
pub(crate) fn shipped(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(file).unwrap_or_default().replace("\r\n", "\n")
}

/// Whether generated files are to be written rather than compared.
#[expect(clippy::disallowed_methods, reason = "a variable of the developer who runs the tests")]
pub(crate) fn is_blessing() -> bool {
    std::env::var_os("CASA_DOCTOR_BLESS").is_some_and(|value| value == "1")
}
