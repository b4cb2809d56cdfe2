//! The versions of everything that takes part in showing a picture.

use casa_doctor_checks::facts::Connection;

use crate::report::document::Document;
use crate::report::text::harmless;

/// `what: version`, a line each; what is not known is said to be unknown.
pub(super) fn text(document: &Document) -> String {
    let (machine, facts) = (&document.machine, &document.facts);
    let unknown = || "unknown".to_owned();
    let known = |text: Option<&String>| text.cloned().unwrap_or_else(unknown);
    let mut lines = vec![
        (document.tool.name.clone(), document.tool.version.clone()),
        ("system".into(), known(machine.distribution.as_ref().or(machine.os.as_ref()))),
        ("kernel".into(), known(machine.kernel.as_ref())),
        ("architecture".into(), known(machine.arch.as_ref())),
        ("C library".into(), known(machine.glibc.as_ref())),
    ];
    match facts.engines.as_ref().map(|engines| engines.found.as_slice()) {
        None => lines.push(("container engine".into(), unknown())),
        Some([]) => lines.push(("container engine".into(), "none".into())),
        Some(found) => lines.extend(found.iter().map(|engine| {
            let text = engine.version.as_ref().or(engine.version_text.as_ref());
            (engine.kind.program().to_owned(), known(text))
        })),
    }
    if let Some(Connection::Connected(server)) = facts.x11.as_ref().map(|x11| &x11.connection) {
        lines.push(("X server".into(), format!("{} {}", server.vendor, server.release)));
        lines.extend(server.glx.as_ref().map(|glx| ("GLX of the X server".into(), glx.version.clone())));
    }
    if let Some(nvidia) = facts.gpu.as_ref().and_then(|gpu| gpu.nvidia.as_ref()) {
        lines.push(("NVIDIA driver in the kernel".into(), known(nvidia.kernel_version.as_ref())));
        lines.push(("NVIDIA libraries".into(), known(nvidia.user_version.as_ref())));
    }
    for (name, probe) in [("OpenGL by GLX", &facts.glx), ("OpenGL by EGL", &facts.egl_surfaceless)] {
        let contexts = probe.iter().filter_map(|probe| probe.result.as_ref()).flat_map(|result| &result.contexts);
        lines.extend(contexts.map(|context| (name.to_owned(), format!("{} ({})", context.version, context.renderer))));
    }
    if let Some(environment) = &document.environment {
        lines.push(("environment".into(), known(environment.version.as_ref())));
    }
    if let Some(image) = &facts.image {
        let metadata = image.metadata.as_ref().and_then(|metadata| metadata.image_version.as_ref());
        let contents = image.contents.as_ref();
        let of_contents = contents.and_then(|contents| contents.image_version.as_ref());
        lines.push(("image".into(), known(metadata.or(of_contents))));
        lines.push(("system of the image".into(), known(contents.and_then(|contents| contents.distribution.as_ref()))));
        lines.push(("C library of the image".into(), known(contents.and_then(|contents| contents.glibc.as_ref()))));
        lines.push(("Mesa of the image".into(), known(contents.and_then(|contents| contents.mesa.as_ref()))));
    }
    lines.into_iter().map(|(what, version)| format!("{}: {}\n", harmless(&what), harmless(&version).replace('\n', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn what_is_known_and_what_is_not() {
        assert_eq!(
            text(&samples::warned()),
            "casa-doctor: 1.2.3\nsystem: Debian GNU/Linux 12 (bookworm)\nkernel: 6.1.0-18-amd64\narchitecture: x86_64\n\
             C library: 2.36\ncontainer engine: unknown\nX server: The X.Org Foundation 0\nenvironment: 5.1\n"
        );
        assert!(text(&samples::empty()).contains("kernel: unknown\n"));
    }
}
