//! Devices of the Container Device Interface with Apptainer, where the configuration asks for them by `--device`.
//!
//! Apptainer knows them since 1.5; the rules are those of its source, and nothing of this has been tried on a machine with a card.

use casa_doctor_checks::facts::Facts;

use super::dialect::Told;
use super::engine::Chosen;
use super::options;

/// What NVIDIA's devices are called.
const NVIDIA: &str = "nvidia.com/";

/// Whether NVIDIA's devices are asked for, which then take the place of `--nv`: with both, the engine ignores the devices without a
/// word.
pub(super) fn decides(facts: &Facts, engine: &Chosen, options: &[String], told: &mut Told) -> bool {
    let devices: Vec<&str> = options::value_of(options, "--device").collect();
    let Some(first) = devices.first() else { return false };
    if engine.knows_cdi() == Some(false) {
        told.warnings.push("this version of the engine has no --device: Apptainer 1.5 is the first".into());
        return false;
    }
    if !devices.iter().any(|device| device.starts_with(NVIDIA)) {
        told.warnings.push(format!(
            "the mode is \"nv\", and with --nv the engine ignores the device {first}: leave the option --device out, or take another mode"
        ));
        return false;
    }
    told.notes
        .push("the option --device brings NVIDIA's driver, so --nv is left out: with both, the engine ignores the device".into());
    // The description leaves the names by which programs ask for libraries to hooks, and this engine runs none.
    told.warnings.push(
        "the engine makes no links such as libGLX_nvidia.so.0 for a --device: if programs draw without the card or not at all, leave the \
         option --device out, and --nv is used"
            .into(),
    );
    told.warnings.extend(
        specification(facts)
            .map(|trouble| format!("{trouble}: \"sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml\" makes a new one")),
    );
    true
}

/// What is wrong with the description of the devices; nothing where it was not looked for.
fn specification(facts: &Facts) -> Option<&'static str> {
    let mut usable = facts.gpu.as_ref()?.cdi.iter().filter(|spec| spec.error.is_none()).peekable();
    if usable.peek().is_none() {
        return Some("there is no description of NVIDIA's cards (CDI) for --device");
    }
    let stale = usable.any(|spec| !spec.missing.is_empty());
    stale.then_some("the description of NVIDIA's cards names files that are not there (nvidia-cdi-stale)")
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{CdiSpec, EngineKind, Gpu};

    use super::*;

    fn judged(kind: EngineKind, version: (u32, u32, u32), cdi: Vec<CdiSpec>, options: &[&str]) -> (bool, String) {
        let engine = Chosen { path: "/usr/bin/engine".into(), kind, version: Some(version) };
        let facts = Facts { gpu: Some(Gpu { cdi, ..Gpu::default() }), ..Facts::default() };
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let mut told = Told::default();
        (decides(&facts, &engine, &options, &mut told), told.warnings.join("\n"))
    }

    const NEW: (u32, u32, u32) = (1, 5, 0);

    #[test]
    fn described_devices_of_nvidia_take_the_place_of_nv() {
        for options in [&["--device", "nvidia.com/gpu=all"][..], &["--device=nvidia.com/gpu=0"]] {
            let (decides, told) = judged(EngineKind::Apptainer, NEW, vec![CdiSpec::default()], options);
            assert!(decides && told.contains("libGLX_nvidia.so.0") && !told.contains("nvidia-ctk"), "{told}");
        }
    }

    #[test]
    fn an_engine_without_devices_and_devices_of_others_leave_nv_in_force() {
        let nvidia = ["--device", "nvidia.com/gpu=all"];
        for (kind, version) in [(EngineKind::Apptainer, (1, 4, 5)), (EngineKind::Singularity, (4, 3, 0))] {
            let (decides, told) = judged(kind, version, vec![CdiSpec::default()], &nvidia);
            assert!(!decides && told.contains("Apptainer 1.5"), "{told}");
        }
        let (decides, told) = judged(EngineKind::Apptainer, NEW, Vec::new(), &["--device", "amd.com/gpu=all"]);
        assert!(!decides && told.contains("ignores the device amd.com/gpu=all"), "{told}");
        assert_eq!(judged(EngineKind::Apptainer, NEW, Vec::new(), &["--cleanenv"]), (false, String::new()));
    }

    #[test]
    fn a_description_that_is_not_there_or_stale_is_told() {
        let nvidia = ["--device", "nvidia.com/gpu=all"];
        let (decides, told) = judged(EngineKind::Apptainer, NEW, Vec::new(), &nvidia);
        assert!(decides && told.contains("there is no description"), "{told}");
        let stale = CdiSpec { missing: vec!["/usr/lib/libGLX_nvidia.so.535".into()], ..CdiSpec::default() };
        let (_, told) = judged(EngineKind::Apptainer, NEW, vec![stale], &nvidia);
        assert!(told.contains("nvidia-cdi-stale"), "{told}");
    }
}
