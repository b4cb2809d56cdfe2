//! The image's own programs, where casa-doctor cannot run in the image: they tell who draws, and draw nothing that could be
//! compared or timed.

use std::ffi::OsString;

use casa_doctor_checks::facts::GlContext;

/// The program, with its arguments, that tells of OpenGL on the display, or without one.
pub(super) fn command(display: bool) -> Vec<OsString> {
    if display { vec!["glxinfo".into(), "-B".into()] } else { vec!["eglinfo".into()] }
}

/// Its name.
pub(super) const fn name(display: bool) -> &'static str {
    if display { "glxinfo" } else { "eglinfo" }
}

/// What the output tells; lines of an entry point before it do not matter. `None` when it names no renderer.
pub(super) fn read(output: &str) -> Option<GlContext> {
    let value = |labels: &[&str]| {
        output.lines().find_map(|line| {
            let (label, value) = line.trim().split_once(':')?;
            labels.contains(&label.trim_end()).then(|| value.trim().to_owned())
        })
    };
    let renderer = value(&["OpenGL renderer string", "OpenGL compatibility profile renderer", "OpenGL core profile renderer"])?;
    Some(GlContext {
        renderer,
        vendor: value(&["OpenGL vendor string", "OpenGL compatibility profile vendor", "OpenGL core profile vendor"])
            .unwrap_or_default(),
        version: value(&["OpenGL version string", "OpenGL compatibility profile version", "OpenGL core profile version"])
            .unwrap_or_default(),
        direct: value(&["direct rendering"]).map(|answer| answer.starts_with("Yes")),
        accelerated: value(&["Accelerated"]).map(|answer| answer == "yes"),
        platform_vendor: value(&["client glx vendor string"]),
        ..GlContext::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glxinfo_is_read_whatever_stands_before_it() {
        let output = "Welcome to BrainVISA: OpenGL\nname of display: :1\ndisplay: :1  screen: 0\ndirect rendering: Yes\n\
                      Extended renderer info (GLX_MESA_query_renderer):\n    Vendor: Mesa/X.org (0xffffffff)\n    Accelerated: no\n\
                      OpenGL vendor string: Mesa/X.org\nOpenGL renderer string: llvmpipe (LLVM 11.0.1, 256 bits)\n\
                      OpenGL core profile version string: 4.5 (Core Profile) Mesa 20.3.5\nOpenGL version string: 3.1 Mesa 20.3.5\n";
        let context = read(output).unwrap();
        assert_eq!(context.renderer, "llvmpipe (LLVM 11.0.1, 256 bits)");
        assert_eq!((context.version.as_str(), context.direct, context.accelerated), ("3.1 Mesa 20.3.5", Some(true), Some(false)));
        assert_eq!(read("Error: couldn't find RGB GLX visual or fbconfig\n"), None);
    }
}
