//! Does the container get the graphics card that Windows lends?

use serde_json::{Value, json};

use super::{container, wsl};
use crate::check::{Category, Check, Outcome};
use crate::facts::{Environment, Facts, ProbeId, Wsl};
use crate::finding::{Change, Edit, Finding, FindingKind, Safety, Severity};
use crate::image::setting;

pub(super) static CHECK: Check = Check {
    id: "wsl-graphics",
    category: Category::Windows,
    question: "Does the container get the graphics card that Windows lends to WSL?",
    needs: &[ProbeId::Environment, ProbeId::Wsl],
    findings: &[&UNBOUND, &LINUX_DRIVER],
    run,
};

static UNBOUND: FindingKind = FindingKind {
    id: "wsl-gl-unbound",
    code: "CD0601",
    severity: Severity::Warning,
    title: "The container does not get the graphics libraries of Windows, so the processor draws",
    why: "In WSL the card is reached through /dev/dxg and libraries that Windows puts into /usr/lib/wsl. No engine hands them in by itself \
          (--nv brings the libraries for computing only), and Mesa in the container then draws with the processor: right, and slow.",
    cure: "Mount /usr/lib/wsl into the container, and its libraries into a folder where programs find them. The image needs Mesa 21 or later.",
    example: "OpenGL renderer string: llvmpipe (LLVM 15.0.7, 256 bits)",
    since: "0.1.0",
};

static LINUX_DRIVER: FindingKind = FindingKind {
    id: "wsl-linux-nvidia-driver",
    code: "CD0605",
    severity: Severity::Warning,
    title: "An NVIDIA driver for Linux is installed in WSL, where it hides that of Windows",
    why: "In WSL the driver of Windows does the work, and hands its libraries in. The libraries of a driver for Linux are found before them and \
          have no card to talk to: CUDA and nvidia-smi fail.",
    cure: "Remove the packages of the driver for Linux. CUDA's own packages without a driver (cuda-toolkit) may stay.",
    example: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
    since: "0.1.0",
};

/// Where Windows puts its libraries.
const FOLDER: &str = "/usr/lib/wsl";
/// Those that Mesa's driver d3d12 loads.
const LIBRARIES: [&str; 3] = ["libd3d12.so", "libd3d12core.so", "libdxcore.so"];
/// A folder of every image in which Apptainer and Singularity let programs look for libraries.
const FOUND_BY_PROGRAMS: &str = "/.singularity.d/libs";
/// The first Mesa with the driver d3d12.
const FIRST_MESA: u32 = 21;

fn run(facts: &Facts) -> Outcome {
    let wsl = match wsl(facts) {
        Ok(wsl) => wsl,
        Err(outcome) => return outcome,
    };
    let mut findings: Vec<Finding> = linux_driver(wsl).into_iter().collect();
    match unbound(facts, wsl) {
        Ok(finding) => findings.extend(finding),
        Err(outcome) if findings.is_empty() => return outcome,
        Err(_) => {}
    }
    Outcome::of(findings)
}

fn linux_driver(wsl: &Wsl) -> Option<Finding> {
    (!wsl.linux_nvidia_libraries.is_empty()).then(|| {
        let found = wsl.linux_nvidia_libraries.iter();
        found
            .fold(LINUX_DRIVER.found(), |finding, path| {
                finding.evidence(format!("{} is not that of /usr/lib/wsl/lib", path.display()))
            })
            .advise_command("See which package it comes from, and remove it.", "dpkg -S libcuda.so.1 libnvidia-ml.so.1")
    })
}

fn unbound(facts: &Facts, wsl: &Wsl) -> Result<Option<Finding>, Outcome> {
    let skipped = |reason: &str| Err(Outcome::Skipped(reason.to_owned()));
    let Some(environment) = container(facts) else { return skipped("there is no environment of a container") };
    if wsl.version == 1 {
        return skipped("version 1 of WSL has no graphics card");
    }
    match wsl.dxg {
        Some(true) => {}
        Some(false) => return skipped("Windows lends no graphics card here (/dev/dxg cannot be used)"),
        None => return Err(Outcome::Unknown("whether /dev/dxg can be used was not recorded".to_owned())),
    }
    if !wsl.libraries.iter().any(|name| name == LIBRARIES[0]) {
        return skipped("Windows hands in no library for OpenGL (/usr/lib/wsl/lib/libd3d12.so)");
    }
    let mesa = facts.image.as_ref().and_then(|image| image.contents.as_ref()?.mesa.as_deref());
    if let Some(version) = mesa.filter(|version| {
        version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major < FIRST_MESA)
    }) {
        return Err(Outcome::Skipped(format!("the image's Mesa {version} is too old for the graphics card of WSL")));
    }
    let drivers = facts.image.as_ref().and_then(|image| image.contents.as_ref()).map(|contents| contents.dri_drivers.as_slice());
    // Since Mesa 24.3 one library (libgallium) has all drivers.
    if drivers.is_some_and(|drivers| !drivers.iter().any(|driver| driver == "d3d12" || driver == "gallium")) {
        return skipped("the image's Mesa has no driver d3d12, which draws with the card of Windows");
    }
    let Some(merged) = environment.merged.as_ref() else { return skipped("the configuration cannot be used") };
    if names_the_folder(merged) {
        return Ok(None);
    }
    if super::mesa::crashes(facts) {
        // What would bring the card is what makes it crash.
        return skipped("the image's Mesa crashes with the card that Windows lends (see wsl-gl-old-mesa)");
    }
    Ok(Some(finding(environment, wsl)))
}

/// Whether the configuration mentions the folder anywhere: as a mount, as an option, as a path for libraries.
fn names_the_folder(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(FOLDER),
        Value::Array(values) => values.iter().any(names_the_folder),
        Value::Object(entries) => entries.iter().any(|(key, value)| key.contains(FOLDER) || names_the_folder(value)),
        _ => false,
    }
}

fn finding(environment: &Environment, wsl: &Wsl) -> Finding {
    let file = &environment.file.path;
    let finding = UNBOUND
        .found()
        .evidence("/dev/dxg can be used: Windows lends its graphics card")
        .evidence(format!("/usr/lib/wsl/lib has {}", wsl.libraries.join(", ")))
        .evidence(format!("{}: no mount and no option names {FOLDER}", file.display()));
    if setting(environment, "container_type") == Some("docker") {
        return finding.advise_command(
            "Start the container with the device and the libraries.",
            "docker run --device /dev/dxg -v /usr/lib/wsl:/usr/lib/wsl -e LD_LIBRARY_PATH=/usr/lib/wsl/lib …",
        );
    }
    let mounts = std::iter::once((FOLDER.to_owned(), FOLDER.to_owned()))
        .chain(LIBRARIES.iter().map(|name| (format!("{FOUND_BY_PROGRAMS}/{name}"), format!("{FOLDER}/lib/{name}"))));
    let edits = mounts.map(|(container, host)| {
        let key = format!("/mounts/{}", container.replace('~', "~0").replace('/', "~1"));
        Edit::new(file, key, Change::Set { to: json!(host) }, &UNBOUND)
    });
    finding
        .fix(
            "Mount the libraries of Windows into the container; this is what users of Singularity in WSL report to work",
            Safety::Confirm,
            edits.collect::<Vec<_>>(),
        )
        .advise("If the processor still draws then, set GALLIUM_DRIVER=d3d12 in the container: recent versions of Mesa ask for it.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{alone, healthy, with_environment};
    use super::*;
    use crate::facts::{Image, ImageContents};
    use crate::image::tests::{findings, ids};

    #[test]
    fn an_ordinary_configuration_leaves_the_card_out() {
        let found = findings(&CHECK, &with_environment(json!({"mounts": {"/host": "/"}}), healthy()));
        assert_eq!((found[0].kind.id, found[0].severity), ("wsl-gl-unbound", Severity::Warning));
        let keys: Vec<_> = found[0].edits.iter().map(|edit| edit.key.as_str()).collect();
        assert_eq!(keys[..2], ["/mounts/~1usr~1lib~1wsl", "/mounts/~1.singularity.d~1libs~1libd3d12.so"]);
        assert_eq!(found[0].edits[1].change, Change::Set { to: json!("/usr/lib/wsl/lib/libd3d12.so") });
        let docker = findings(&CHECK, &with_environment(json!({"container_type": "docker"}), healthy()));
        assert!(docker[0].edits.is_empty() && docker[0].advice[0].command.as_deref().unwrap().contains("/dev/dxg"));
    }

    #[test]
    fn a_configuration_that_names_the_folder_is_believed() {
        for configuration in [
            json!({"mounts": {"/usr/lib/wsl": "/usr/lib/wsl"}}),
            json!({"container_options": ["--bind", "/usr/lib/wsl"]}),
            json!({"env": {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib"}}),
        ] {
            assert_eq!(CHECK.judge(&with_environment(configuration.clone(), healthy())), Outcome::Pass, "{configuration}");
        }
    }

    #[test]
    fn what_makes_the_image_s_mesa_crash_is_not_brought() {
        let mut facts = with_environment(json!({}), healthy());
        let contents = ImageContents { mesa: Some("22.3.6".into()), dri_drivers: vec!["d3d12".into()], ..ImageContents::default() };
        facts.image = Some(Image { contents: Some(contents), ..Image::default() });
        facts.glx = Some(crate::gl::samples::drawn_by("D3D12 (AMD Radeon 780M)"));
        assert_eq!(ids(&CHECK, &facts), ["wsl-gl-unbound"]);
        facts.glx = Some(crate::gl::samples::drawn_by("D3D12 (NVIDIA GeForce RTX 3060)"));
        assert!(matches!(CHECK.judge(&facts), Outcome::Skipped(_)), "{:?}", CHECK.judge(&facts));
    }

    #[test]
    fn without_a_card_or_with_an_old_image_there_is_nothing_to_bind() {
        let skips = |wsl| matches!(CHECK.judge(&with_environment(json!({}), wsl)), Outcome::Skipped(_));
        assert!(skips(Wsl { dxg: Some(false), ..healthy() }));
        assert!(skips(Wsl { libraries: Vec::new(), ..healthy() }));
        assert!(matches!(CHECK.judge(&alone(healthy())), Outcome::Skipped(_)));
        assert!(matches!(CHECK.judge(&with_environment(json!({}), Wsl { dxg: None, ..healthy() })), Outcome::Unknown(_)));
        let mut without = with_environment(json!({}), healthy());
        let contents =
            ImageContents { mesa: Some("23.2.1".into()), dri_drivers: vec!["swrast".into()], ..ImageContents::default() };
        without.image = Some(Image { contents: Some(contents), ..Image::default() });
        assert!(matches!(CHECK.judge(&without), Outcome::Skipped(reason) if reason.contains("d3d12")));
        let mut old = with_environment(json!({}), healthy());
        let contents = ImageContents { mesa: Some("20.3.5".into()), ..ImageContents::default() };
        old.image = Some(Image { contents: Some(contents), ..Image::default() });
        assert!(matches!(CHECK.judge(&old), Outcome::Skipped(reason) if reason.contains("20.3.5")));
    }

    #[test]
    fn a_driver_for_linux_is_told_also_without_an_environment() {
        let library = "/usr/lib/x86_64-linux-gnu/libcuda.so.1".into();
        let wsl = Wsl { linux_nvidia_libraries: vec![library], ..healthy() };
        assert_eq!(ids(&CHECK, &alone(wsl)), ["wsl-linux-nvidia-driver"]);
    }
}
