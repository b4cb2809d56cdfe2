//! NVIDIA's part of libgbm, the library by which EGL gets buffers without a window system and, in newer drivers, for X11 windows.
//!
//! libgbm of the image looks for it as `nvidia-drm_gbm.so` in the directory that it was built with, and no `--nv` brings it there. It
//! looks in the directories of `GBM_BACKENDS_PATH` instead where that is set. This was tried with Mesa 22.3 in an image and a library
//! of ours in the place of NVIDIA's; with a card it was not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::Facts;

use super::binds::Bind;
use super::nv_parts::LIBRARIES;
use crate::host::Host;

/// The name that libgbm makes of the kernel driver's.
const BACKEND: &str = "nvidia-drm_gbm.so";

/// Where distributions keep such parts: Debian and Ubuntu (on both processors); Fedora, openSUSE and their kin; Arch.
const DIRECTORIES: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu/gbm", "/usr/lib/aarch64-linux-gnu/gbm", "/usr/lib64/gbm", "/usr/lib/gbm"];

const VARIABLE: &str = "GBM_BACKENDS_PATH";

/// The mount, and the variable. The image's own directories stay behind it, since newer versions of Mesa have their own part there.
/// Whoever sets the variable knows better.
pub(super) fn bring(host: &dyn Host, facts: &Facts, variables: &mut BTreeMap<String, OsString>) -> Option<Bind> {
    let nvidia = facts.gpu.as_ref()?.nvidia.as_ref()?;
    if variables.contains_key(VARIABLE) {
        return None;
    }
    let beside_driver = nvidia.user_library.as_deref().and_then(Path::parent).map(|directory| directory.join("gbm"));
    let directories = beside_driver.into_iter().chain(DIRECTORIES.map(PathBuf::from));
    let source = directories.map(|directory| directory.join(BACKEND)).find(|path| host.exists(path) == Some(true))?;
    variables.insert(VARIABLE.into(), [&[LIBRARIES], &DIRECTORIES[..]].concat().join(":").into());
    // Whatever is mounted below this directory, the engine puts into the directory itself.
    Some(Bind { source: Some(source), container: Path::new(LIBRARIES).join(BACKEND), read_only: false })
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::{Gpu, Nvidia};

    use super::*;
    use crate::host::RecordedHost;

    fn facts(library: &str) -> Facts {
        let nvidia = Nvidia { user_library: Some(library.into()), ..Nvidia::default() };
        Facts { gpu: Some(Gpu { nvidia: Some(nvidia), ..Gpu::default() }), ..Facts::default() }
    }

    #[test]
    fn a_described_machine_s_part_is_brought_from_where_its_distribution_has_it() {
        for (library, backend) in [
            ("/usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.570.1", "/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so"),
            ("/usr/lib64/libGLX_nvidia.so.570.1", "/usr/lib64/gbm/nvidia-drm_gbm.so"),
            ("/opt/nvidia/libGLX_nvidia.so.570.1", "/opt/nvidia/gbm/nvidia-drm_gbm.so"),
            ("/usr/lib/x86_64-linux-gnu/nvidia/current/libGLX_nvidia.so.570.1", "/usr/lib/x86_64-linux-gnu/gbm/nvidia-drm_gbm.so"),
        ] {
            let mut variables = BTreeMap::new();
            let bind = bring(&RecordedHost::new().file(backend, ""), &facts(library), &mut variables).unwrap();
            assert_eq!(
                (bind.source.as_deref(), bind.container.as_path()),
                (Some(Path::new(backend)), Path::new("/.singularity.d/libs/nvidia-drm_gbm.so"))
            );
            let path = variables[VARIABLE].to_str().unwrap();
            assert!(path.starts_with("/.singularity.d/libs:/usr/lib/x86_64-linux-gnu/gbm:"), "{path}");
        }
    }

    #[test]
    fn nothing_is_brought_without_it_or_where_the_variable_is_set() {
        let mut variables = BTreeMap::new();
        let (with, without) = (RecordedHost::new().file("/usr/lib64/gbm/nvidia-drm_gbm.so", ""), RecordedHost::new());
        assert_eq!(bring(&without, &facts("/usr/lib64/libGLX_nvidia.so.470"), &mut variables), None);
        assert_eq!(bring(&with, &Facts::default(), &mut variables), None, "there is no driver");
        assert!(variables.is_empty());
        variables.insert(VARIABLE.into(), "/mine".into());
        assert_eq!(bring(&with, &facts("/usr/lib64/libGLX_nvidia.so.570"), &mut variables), None);
        assert_eq!(variables[VARIABLE], "/mine");
    }
}
