//! Graphics cards other than NVIDIA's: render nodes where the engine leaves them out, and the card of Windows under WSL.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::Facts;

use super::Request;
use super::binds::Bind;
use crate::host::Host;
use crate::recommend::OpenGl;

/// The render nodes of AMD, Intel and every other card that Mesa draws with. `--nv` does not bring them either.
const RENDER_NODES: &str = "/dev/dri";

/// The card of Windows, as Linux sees it.
const WINDOWS_CARD: &str = "/dev/dxg";

/// What Windows brings for it, and the part of it with the libraries that Mesa's d3d12 driver loads by name.
const WINDOWS: &str = "/usr/lib/wsl";
const WINDOWS_LIBRARIES: &str = "/usr/lib/wsl/lib";

/// The mounts. `few_devices` says that the container gets a `/dev` of its own.
pub(super) fn bring(
    host: &dyn Host,
    facts: &Facts,
    request: &Request,
    few_devices: bool,
    variables: &mut BTreeMap<String, OsString>,
) -> Vec<Bind> {
    let exists = |path: &str| host.exists(Path::new(path)) == Some(true);
    let same = |path: &str| Bind { source: Some(PathBuf::from(path)), container: path.into(), read_only: false };
    let mut binds = Vec::new();
    if !matches!(request.opengl, OpenGl::Container | OpenGl::Nv) {
        return binds;
    }
    if few_devices {
        binds.extend([RENDER_NODES, WINDOWS_CARD].into_iter().filter(|path| exists(path)).map(same));
    }
    let has_windows_card = facts.gpu.as_ref().is_some_and(|gpu| gpu.dxg);
    if has_windows_card && request.opengl == OpenGl::Container && exists(WINDOWS_LIBRARIES) {
        binds.push(same(WINDOWS));
        // Behind what is set already; the image's entry point adds its own.
        let path = variables.entry("LD_LIBRARY_PATH".into()).or_default();
        if !path.is_empty() {
            path.push(":");
        }
        path.push(WINDOWS_LIBRARIES);
    }
    binds
}

#[cfg(test)]
mod tests {
    use casa_doctor_checks::facts::Gpu;

    use super::*;
    use crate::host::RecordedHost;

    fn places(host: &RecordedHost, dxg: bool, mode: OpenGl, few: bool) -> (Vec<PathBuf>, BTreeMap<String, OsString>) {
        let facts = Facts { gpu: Some(Gpu { dxg, ..Gpu::default() }), ..Facts::default() };
        let mut variables = BTreeMap::new();
        let binds = bring(host, &facts, &Request::new(mode, Vec::new()), few, &mut variables);
        (binds.into_iter().map(|bind| bind.container).collect(), variables)
    }

    #[test]
    fn a_described_machine_with_a_render_node_gets_it_where_the_container_has_few_devices() {
        let host = RecordedHost::new().directory("/dev/dri");
        for mode in [OpenGl::Container, OpenGl::Nv] {
            assert_eq!(places(&host, false, mode, true).0, [Path::new("/dev/dri")], "{mode:?}");
            assert!(places(&host, false, mode, false).0.is_empty(), "the engine shows all devices by itself");
        }
        assert!(places(&host, false, OpenGl::Software, true).0.is_empty(), "software rendering needs none");
        assert!(places(&RecordedHost::new(), false, OpenGl::Container, true).0.is_empty());
    }

    #[test]
    fn a_described_wsl_machine_gets_the_libraries_of_windows() {
        let host = RecordedHost::new().file("/usr/lib/wsl/lib/libd3d12.so", "").file("/dev/dxg", "");
        let (binds, variables) = places(&host, true, OpenGl::Container, false);
        assert_eq!(binds, [Path::new("/usr/lib/wsl")]);
        assert_eq!(variables["LD_LIBRARY_PATH"], "/usr/lib/wsl/lib");
        assert_eq!(places(&host, true, OpenGl::Container, true).0, ["/dev/dxg", "/usr/lib/wsl"].map(PathBuf::from));
        assert!(places(&host, true, OpenGl::Software, false).0.is_empty());
    }
}
