//! What a message means beside others, where it is, how often it is there.

use super::*;

fn ids(text: &str) -> Vec<String> {
    let name = |found: Diagnosis| match found.consequence_of {
        Some(cause) => format!("{} <- {cause}", found.pattern.id),
        None => found.pattern.id.to_owned(),
    };
    read(text).into_iter().map(name).collect()
}

const QT_PLUGIN: &str = "qt.qpa.plugin: Could not load the Qt platform plugin \"xcb\" in \"\" even though it was found.\n\
    This application failed to start because no Qt platform plugin could be initialized. Reinstalling the application may fix this problem.\n\n\
    Available platform plugins are: eglfs, linuxfb, minimal, offscreen, vnc, xcb.\n";

#[test]
fn the_line_before_decides_what_the_qt_plugin_means() {
    assert_eq!(
        ids(&format!("qt.qpa.xcb: could not connect to display :0\n{QT_PLUGIN}")),
        ["x-unreachable", "qt-xcb-plugin <- x-unreachable"]
    );
    assert_eq!(
        ids(&format!(
            "qt.qpa.plugin: From 6.5.0, xcb-cursor0 or libxcb-cursor0 is needed to load the Qt xcb platform plugin.\n{QT_PLUGIN}"
        )),
        ["qt-xcb-cursor", "qt-xcb-plugin <- qt-xcb-cursor"]
    );
    assert_eq!(ids(QT_PLUGIN), ["qt-xcb-plugin"]);
}

#[test]
fn a_refused_cookie_explains_the_screen_and_the_screen_explains_qt() {
    let found = ids(&format!(
        "Authorization required, but no authorization protocol specified\nqt.qpa.xcb: could not connect to display :0\n{QT_PLUGIN}"
    ));
    assert_eq!(found[0], "x-empty-cookie");
    assert!(found[1..].iter().all(|other| other.contains(" <- ")), "{found:?}");
}

#[test]
fn swrast_after_missing_formats_is_not_a_missing_driver() {
    assert_eq!(
        ids("libGL error: No matching fbConfigs or visuals found\nlibGL error: failed to load driver: swrast"),
        ["gl-no-fbconfig"]
    );
    assert_eq!(
        ids("libGL error: unable to load driver: swrast_dri.so\nlibGL error: failed to load driver: swrast"),
        ["mesa-nodri"]
    );
    assert_eq!(ids("libGL error: failed to load driver: swrast"), ["mesa-driver-failed"]);
    assert_eq!(ids("libGL error: No matching fbConfigs or visuals found\nlibGL error: failed to load driver: iris"), ["mesa-skew"]);
}

#[test]
fn a_glx_error_follows_from_the_driver_that_failed_before_it() {
    let bad_value = "X Error of failed request:  BadValue (integer parameter out of range for operation)\n  Major opcode of failed request:  150 (GLX)\n  Minor opcode of failed request:  24 (X_GLXCreateNewContext)\n";
    assert_eq!(
        ids(&format!(
            "libGL error: No matching fbConfigs or visuals found\nlibGL error: failed to load driver: swrast\n{bad_value}"
        )),
        ["gl-no-fbconfig", "gl-remote-indirect <- gl-no-fbconfig"]
    );
    assert_eq!(
        ids("libGL error: failed to load driver: nouveau\nX Error of failed request:  GLXBadContext"),
        ["mesa-driver-failed", "gl-bad-context <- mesa-driver-failed"]
    );
    assert_eq!(ids(bad_value), ["gl-remote-indirect"]);
}

#[test]
fn a_visual_that_is_missing_follows_from_the_driver_that_failed_before_it() {
    let visual = "Error: couldn't find RGB GLX visual or fbconfig";
    assert_eq!(
        ids(&format!("libGL error: No matching fbConfigs or visuals found\nlibGL error: failed to load driver: swrast\n{visual}")),
        ["gl-no-fbconfig", "gl-xvnc-noglx <- gl-no-fbconfig"]
    );
    assert_eq!(
        ids(&format!("glx: failed to create drisw screen\nfailed to load driver: zink\n{visual}")),
        ["mesa-zink", "gl-xvnc-noglx <- mesa-zink"]
    );
}

#[test]
fn mesa_on_an_nvidia_card_is_the_cause_of_what_fails_then() {
    let found = read(
        "libGL error: MESA-LOADER: failed to open nvidia-drm (search paths /usr/lib/dri)\nlibGL error: failed to load driver: nvidia-drm\nlibGL error: No matching fbConfigs or visuals found\nlibGL error: failed to load driver: swrast\nX Error of failed request:  GLXBadContext",
    );
    assert_eq!((found[0].pattern.id, found[0].severity, found[0].fatal), ("mesa-nvidia", Severity::Error, true));
    assert!(found[1..].iter().all(|other| other.consequence_of.is_some()), "{found:?}");
}

#[test]
fn the_drivers_that_mesa_tries_after_the_one_for_nvidia_are_no_other_failure() {
    assert_eq!(
        ids(
            "MESA-LOADER: failed to open nvidia-drm: /usr/lib/dri/nvidia-drm_dri.so: cannot open shared object file\nMESA-LOADER: failed to open zink: /usr/lib/dri/zink_dri.so: cannot open shared object file"
        ),
        ["mesa-nvidia", "mesa-loader <- mesa-nvidia"]
    );
}

#[test]
fn another_bad_value_is_no_glx_failure() {
    for request in ["139 minor_code 24", "149 minor_code 20", "149 (GLX) minor_code 20", "12 minor_code 3"] {
        assert!(ids(&format!("The error was 'BadValue (integer parameter out of range for operation)'.\n  (Details: serial 1 error_code 2 request_code {request})")).is_empty(), "{request}");
    }
    assert!(ids("X Error of failed request:  BadValue (integer parameter out of range for operation)\n  Major opcode of failed request:  12 (X_ConfigureWindow)").is_empty());
    assert!(ids("X Error of failed request:  BadWindow (invalid Window parameter)\n  Major opcode of failed request:  3 (X_GetWindowAttributes)").is_empty());
}

#[test]
fn messages_of_several_programs_may_come_in_any_order() {
    assert_eq!(
        ids("xterm: Xt error: Can't open display: localhost:10.0\nX11 connection rejected because of wrong authentication."),
        ["x-wrong-auth", "x-forwarding-dead <- x-wrong-auth"]
    );
    let far = format!("No protocol specified\n{}cannot open display: :0", "a line of work\n".repeat(1000));
    assert_eq!(ids(&far), ["x-empty-cookie", "x-unreachable"]);
}

#[test]
fn a_cause_is_as_bad_as_its_consequence() {
    let found = read(
        "MESA: error: ZINK: failed to choose pdev\nglx: failed to create drisw screen\nX Error of failed request:  GLXBadContext",
    );
    assert_eq!(found[0].pattern.id, "mesa-zink");
    assert_eq!(found[0].pattern.severity, Severity::Warning);
    assert_eq!((found[0].severity, found[0].fatal), (Severity::Error, true));
}

#[test]
fn messages_are_counted_and_the_first_is_shown() {
    let found = read(
        "one\nlibGL error: No matching fbConfigs or visuals found\nthree\nlibGL error: No matching fbConfigs or visuals found\n",
    );
    assert_eq!((found.len(), found[0].count, found[0].line), (1, 2, 2));
    assert_eq!(found[0].excerpt, "libGL error: No matching fbConfigs or visuals found");
    let many = read(&"bash: bv: command not found\n".repeat(5000));
    assert_eq!((many.len(), many[0].count, many[0].line), (1, 5000, 1));
}

#[test]
fn a_report_over_several_lines_is_one_message() {
    let found = read("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124\n");
    assert_eq!((found.len(), found[0].count, found[0].line), (1, 1, 1));
    assert_eq!(found[0].captures.get("library"), Some("570.124"));
    let found = read(
        "[ 1.0] NVRM: API mismatch: the client has the version 515.48.07, but\n   NVRM: this kernel module has the version 510.73.05.  Please\n",
    );
    assert_eq!(found[0].captures.get("client"), Some("515.48.07"));
    assert_eq!(found[0].captures.get("kernel"), Some("510.73.05"));
    assert_eq!(found[0].count, 1);
}

#[test]
fn what_a_message_names_is_captured() {
    let found = read("FATAL:   container creation failed: mount source /data/my_study doesn't exist");
    assert_eq!(found[0].captures.get("path"), Some("/data/my_study"));
    let found = read("x: version `GLIBC_2.34' not found (required by /.singularity.d/libs/libGLX.so.0)");
    assert_eq!(found[0].captures.0, [("version", "2.34".to_owned()), ("library", "/.singularity.d/libs/libGLX.so.0".to_owned())]);
}

#[test]
fn colours_carriage_returns_and_odd_quotation_marks_do_not_hide_a_message() {
    assert_eq!(
        ids("\u{1b}[91mERROR  \u{1b}[0m: Failed to create \u{1b}[1muser\u{1b}[0m namespace: Permission denied\r\n"),
        ["ap-userns-apparmor"]
    );
    assert_eq!(ids(" 10%\r 20%\rNo protocol specified\r 30%\r\n"), ["x-empty-cookie"]);
    assert_eq!(ids("Could not load the Qt platform plugin “xcb” in “” even though it was found."), ["qt-xcb-plugin"]);
    assert_eq!(ids("Could not load the Qt platform plugin `xcb` in `` even though it was found."), ["qt-xcb-plugin"]);
}

#[test]
fn a_message_that_a_terminal_broke_in_two_is_found() {
    let whole = "/usr/bin/anatomist: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /.singularity.d/libs/libGLdispatch.so.0)";
    for width in [60, 72, 80, 100, 120] {
        let (head, tail) = whole.split_at(width);
        assert_eq!(ids(&format!("{head}\n{tail}\n")), ["nv-glibc"], "broken at {width}");
    }
    let wrapped = "kernel reported a bad superblock for squashfs image partition, possible causes are that your kernel\ndoesn't support the compression algorithm or the image is corrupted";
    assert_eq!(ids(wrapped), ["ap-image-truncated"]);
    let found = read(
        "qt.qpa.plugin: a long line before it that fills the terminal. Could not load the Qt platform plu\ngin \"xcb\" in \"\" even though",
    );
    assert_eq!((found[0].pattern.id, found[0].line), ("qt-xcb-plugin", 1));
}

#[test]
fn an_output_that_was_written_down_on_one_line_is_read_line_by_line() {
    assert_eq!(
        ids(r"RuntimeError: job failed, stderr: b'No protocol specified\nqt.qpa.xcb: could not connect to display :0\n'"),
        ["x-empty-cookie", "x-unreachable <- x-empty-cookie"]
    );
    assert_eq!(ids(r#"{"log":"No protocol specified\n","stream":"stderr","time":"2024-01-01T00:00:00Z"}"#), ["x-empty-cookie"]);
    let found = read(r#"{"level":"error","msg":"qt.qpa.xcb: could not connect to display localhost:10.0","time":"2024"}"#);
    assert_eq!((found[0].pattern.id, found[0].captures.get("display")), ("x-forwarding-dead", Some("localhost:10.0")));
    assert_eq!(ids(r"FATAL: mount source C:\nifti doesn't exist"), ["ap-bind-source"]);
}

#[test]
fn two_short_lines_are_not_joined() {
    assert!(ids("the user could not connect\nto display :0 was shown").is_empty());
}

#[test]
fn the_screen_decides_between_patterns_with_the_same_text() {
    for (display, id) in [
        (":0", "x-unreachable"),
        ("localhost:10.0", "x-forwarding-dead"),
        ("172.17.0.1:0", "x-network-display"),
        ("$DISPLAY", "x-no-display"),
    ] {
        assert_eq!(ids(&format!("qt.qpa.xcb: could not connect to display {display}")), [id]);
    }
}

#[test]
fn version_1_of_wsl_explains_what_engines_cannot_do_there() {
    assert_eq!(
        ids("WARNING: failed to set O_CLOEXEC flags on image\nERROR  : Failed to create user namespace: user namespace disabled"),
        ["wsl1-engine", "ap-userns-zero <- wsl1-engine"]
    );
}

#[test]
fn a_hint_that_casa_distro_always_gives_is_no_cause() {
    let log = "FATAL:   While performing build: while creating SIF: write /tmp/x: no space left on device\n** Image creation has failed **\nsudo apptainer config fakeroot --add alice";
    assert_eq!(ids(log), ["disk-full", "ap-fakeroot-hint"]);
    assert_eq!(explain_for_launch(log).unwrap().pattern.id, "disk-full");
    assert_eq!(
        ids(
            "FATAL:   could not use fakeroot: no mapping entry found in /etc/subuid for alice\nsudo apptainer config fakeroot --add alice"
        ),
        ["ap-fakeroot"]
    );
}

#[test]
fn a_launch_is_explained_by_what_ended_it() {
    let tail = "WARNING: the path /volatile cannot be found on your system, so it cannot be mounted in the container\n\
        Could not open a connection to your authentication agent.\n\
        Authorization required, but no authorization protocol specified\nqt.qpa.xcb: could not connect to display :0\n";
    assert_eq!(explain_for_launch(tail).unwrap().pattern.id, "x-empty-cookie");
    assert_eq!(explain_for_launch("Could not open a connection to your authentication agent.").unwrap().pattern.id, "ssh-no-agent");
    assert_eq!(explain_for_launch("The agent has no identities.\nall went well"), None);
    assert_eq!(explain_for_launch("QStandardPaths: XDG_RUNTIME_DIR is invalid or not set"), None);
    assert_eq!(explain_for_launch(""), None);
}

#[test]
fn an_excerpt_is_short_and_holds_no_cookie() {
    let line = format!("mount source /tmp/0123456789abcdef0123456789abcdef doesn't exist {}", "x".repeat(2000));
    let found = read(&line);
    assert!(found[0].excerpt.chars().count() <= 241);
    assert!(!found[0].excerpt.contains("0123456789abcdef0123456789abcdef"));
    assert_eq!(found[0].captures.get("path"), Some("/tmp/[masked]"));
}
