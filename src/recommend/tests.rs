//! The table of situations: which mode is right where, each row a machine in facts.

use casa_doctor_checks::facts::*;

use super::*;

/// A machine with a healthy image, a local Mesa-driven X server, no NVIDIA driver and Apptainer 1.4.
fn healthy() -> Facts {
    Facts {
        machine: Some(Machine {
            os: "linux".into(),
            arch: "x86_64".into(),
            distribution: Some(Distribution { id: "debian".into(), version: Some("12".into()), name: None }),
            glibc: Some("2.36".into()),
            ..Machine::default()
        }),
        x11: Some(X11 {
            display: Some(DisplayName { text: ":0".into(), ..DisplayName::default() }),
            connection: Connection::Connected(Box::new(XServer { glx: Some(glx(&["mesa"])), ..XServer::default() })),
            ..X11::default()
        }),
        gpu: Some(Gpu::default()),
        image: Some(Image {
            contents: Some(ImageContents {
                glibc: Some("2.36".into()),
                glx_vendors: vec!["mesa".into()],
                glx_indirect: true,
                glvnd: Some(true),
                dri_drivers: vec!["gallium".into()],
                software_mesa: Some(true),
                ..ImageContents::default()
            }),
            ..Image::default()
        }),
        engines: Some(Engines { found: vec![apptainer("1.4.5")], ..Engines::default() }),
        ..Facts::default()
    }
}

fn apptainer(version: &str) -> Engine {
    Engine {
        kind: EngineKind::Apptainer,
        path: "/usr/bin/apptainer".into(),
        version_text: None,
        version: Some(version.into()),
        version_error: None,
        setuid: None,
        daemon: None,
    }
}

fn glx(vendors: &[&str]) -> ServerGlx {
    ServerGlx {
        version: "1.4".into(),
        vendor_names: vendors.iter().map(|name| (*name).to_owned()).collect(),
        ..ServerGlx::default()
    }
}

/// Changes the X server of a machine.
fn server(mut facts: Facts, change: impl FnOnce(&mut XServer)) -> Facts {
    match &mut facts.x11.as_mut().unwrap().connection {
        Connection::Connected(server) => change(server),
        other => panic!("{other:?}"),
    }
    facts
}

/// Changes the inside of the image.
fn image(mut facts: Facts, change: impl FnOnce(&mut ImageContents)) -> Facts {
    change(facts.image.as_mut().unwrap().contents.as_mut().unwrap());
    facts
}

fn display(mut facts: Facts, text: &str, reach: Reach, number: u16) -> Facts {
    facts.x11.as_mut().unwrap().display = Some(DisplayName { text: text.into(), reach, number, ..DisplayName::default() });
    facts
}

/// Puts an NVIDIA driver into the machine, with its card driving the screen.
fn nvidia(facts: Facts, kernel: &str, user: &str, usable: bool) -> Facts {
    let mut facts = server(facts, |server| server.glx = Some(glx(&["nvidia"])));
    let node = |name: &str| DeviceNode { path: format!("/dev/{name}").into(), usable, ..DeviceNode::default() };
    facts.gpu = Some(Gpu {
        nvidia: Some(Nvidia {
            kernel_version: Some(kernel.into()),
            user_version: Some(user.into()),
            nodes: vec![node("nvidia0"), node("nvidiactl")],
            ..Nvidia::default()
        }),
        ..Gpu::default()
    });
    facts
}

fn with(mut facts: Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    change(&mut facts);
    facts
}

#[track_caller]
fn expect(facts: &Facts, mode: OpenGl, words: &str) -> Recommendation {
    let found = predict(facts).expect("a recommendation");
    assert_eq!(found.opengl, mode, "{found:#?}");
    let told = found.reasons.join("\n");
    assert!(told.contains(words), "\"{words}\" is not in: {told}");
    assert_eq!(found.basis, Basis::Predicted);
    let all: std::collections::BTreeSet<_> = found.rejected.iter().map(|rejected| rejected.opengl).chain([found.opengl]).collect();
    for mode in [OpenGl::Container, OpenGl::Nv, OpenGl::Software] {
        assert!(all.contains(&mode), "{mode:?} is told nothing about: {found:#?}");
    }
    found
}

#[test]
fn mesa_on_the_screen_and_mesa_in_the_image() {
    let found = expect(&healthy(), OpenGl::Container, "driven by Mesa");
    assert_eq!(found.confidence, Confidence::High);
}

#[test]
fn no_display() {
    let facts = with(healthy(), |facts| facts.x11 = Some(X11::default()));
    expect(&facts, OpenGl::Container, "DISPLAY is not set");
}

/// Containers run in its Linux, whose display is not looked at from there.
#[test]
fn windows_itself_has_no_mode() {
    let facts = with(healthy(), |facts| {
        facts.x11.as_mut().unwrap().connection = Connection::NoDisplay;
        facts.machine.as_mut().unwrap().os = "windows".into();
    });
    assert_eq!(predict(&facts), None);
}

#[test]
fn nvidia_on_the_screen_and_a_coherent_driver() {
    let found = expect(&nvidia(healthy(), "550.163.01", "550.163.01", true), OpenGl::Nv, "NVIDIA driver 550.163.01");
    assert_eq!(found.confidence, Confidence::High);
    let container = found.rejected.iter().find(|rejected| rejected.opengl == OpenGl::Container).unwrap();
    assert!(container.reason.contains("NVIDIA"), "{container:?}");
    // The same screen, shown to others by the server's module vnc.
    let shown = server(nvidia(healthy(), "550.163.01", "550.163.01", true), |server| server.kind = ServerKind::Xvnc);
    expect(&shown, OpenGl::Nv, "NVIDIA driver 550.163.01");
}

#[test]
fn nvidia_on_the_screen_and_a_driver_that_was_updated_without_a_reboot() {
    let found = expect(&nvidia(healthy(), "535.183.01", "550.163.01", true), OpenGl::Software, "slow");
    let nv = found.rejected.iter().find(|rejected| rejected.opengl == OpenGl::Nv).unwrap();
    assert!(nv.reason.contains("535.183.01") && nv.reason.contains("550.163.01"), "{nv:?}");
}

#[test]
fn nvidia_on_the_screen_and_devices_that_may_not_be_opened() {
    expect(&nvidia(healthy(), "550.1", "550.1", false), OpenGl::Software, "slow");
}

#[test]
fn a_job_that_was_given_the_second_card_only() {
    let facts = with(nvidia(healthy(), "550.1", "550.1", true), |facts| {
        let nodes = &mut facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().nodes;
        nodes[0].usable = false;
        nodes.push(DeviceNode { path: "/dev/nvidia1".into(), usable: true, ..DeviceNode::default() });
    });
    expect(&facts, OpenGl::Nv, "NVIDIA driver 550.1");
}

/// Libraries of the machine that `--nv` brings along, which need this C library.
fn dispatch(facts: Facts, need: &str) -> Facts {
    let library = HostLibrary { name: "libGLX.so.0".into(), path: "/usr/lib64/libGLX.so.0".into(), glibc: Some(need.into()) };
    Facts { manifests: Some(Manifests { dispatch: vec![library], ..Manifests::default() }), ..facts }
}

#[test]
fn nvidia_and_an_image_with_an_older_c_library() {
    let old = || image(nvidia(healthy(), "550.1", "550.1", true), |contents| contents.glibc = Some("2.31".into()));
    // What the libraries need decides, whatever distribution it is.
    for distribution in ["debian", "fedora"] {
        let on = with(old(), |facts| facts.machine.as_mut().unwrap().distribution.as_mut().unwrap().id = distribution.into());
        let gap = expect(&dispatch(on.clone(), "2.34"), OpenGl::Software, "slow");
        let nv = gap.rejected.iter().find(|rejected| rejected.opengl == OpenGl::Nv).unwrap();
        assert!(nv.reason.contains("2.34") && nv.reason.contains("--measure"), "{nv:?}");
        assert_eq!(expect(&dispatch(on, "2.29"), OpenGl::Nv, "NVIDIA").confidence, Confidence::High);
    }
    // Where that was not looked at, a newer C library is a doubt.
    assert_eq!(expect(&old(), OpenGl::Nv, "is newer than the image's").confidence, Confidence::Medium);
    // Apptainer 1.5 searches the image's libraries first, which is bad news for one from before libglvnd.
    let newer = with(dispatch(old(), "2.34"), |facts| facts.engines.as_mut().unwrap().found = vec![apptainer("1.5.0")]);
    assert_eq!(expect(&newer, OpenGl::Nv, "NVIDIA").confidence, Confidence::High);
    let before_glvnd = image(newer, |contents| contents.glvnd = Some(false));
    assert_eq!(expect(&before_glvnd, OpenGl::Nv, "libglvnd").confidence, Confidence::Medium);
}

#[test]
fn what_keeps_nvidia_s_driver_out_of_the_container() {
    let against_nv = |facts: &Facts| {
        let told = expect(facts, OpenGl::Software, "slow");
        told.rejected.into_iter().find(|rejected| rejected.opengl == OpenGl::Nv).unwrap().reason
    };
    let coherent = || nvidia(healthy(), "550.1", "550.1", true);
    let settings = EngineSettings {
        values: [("user bind control".to_owned(), "no".to_owned())].into_iter().collect(),
        ..EngineSettings::default()
    };
    let unbound = with(coherent(), |facts| facts.engines.as_mut().unwrap().settings = Some(settings));
    assert!(against_nv(&unbound).contains("user bind control"));
    let root = with(unbound, |facts| facts.session = Some(Session { uid: Some(0), ..Session::default() }));
    expect(&root, OpenGl::Nv, "NVIDIA");
    let by_tool = with(coherent(), |facts| {
        facts.gpu.as_mut().unwrap().nv_settings = Some(NvSettings { container_cli: Some(true), ..NvSettings::default() });
    });
    assert!(against_nv(&by_tool).contains("nvidia-container-cli"));
    let computes = with(coherent(), |facts| facts.gpu.as_mut().unwrap().nvidia.as_mut().unwrap().draws = Some(false));
    assert!(against_nv(&computes).contains("draws"));
}

#[test]
fn cards_that_could_not_be_looked_at_are_no_reason_against_what_was_seen_to_draw() {
    let drawn = GlContext {
        vendor: "NVIDIA Corporation".into(),
        renderer: "NVIDIA GeForce RTX 3070/PCIe/SSE2".into(),
        version: "4.6.0 NVIDIA 550.1".into(),
        draw: Some(Draw { pixels: 4, ..Draw::default() }),
        ..GlContext::default()
    };
    let glx = |contexts| ChildRun {
        end: ChildEnd::Finished,
        last_call: None,
        stderr: Vec::new(),
        duration_ms: 1,
        result: Some(GlResult { contexts, ..GlResult::default() }),
    };
    let unseen = |contexts| {
        with(nvidia(healthy(), "550.1", "550.1", true), |facts| {
            facts.gpu = None;
            facts.glx = Some(glx(contexts));
        })
    };
    assert_eq!(expect(&unseen(vec![drawn]), OpenGl::Nv, "could not be looked at").confidence, Confidence::Low);
    expect(&unseen(Vec::new()), OpenGl::Software, "slow");
}

#[test]
fn the_image_s_mesa_and_the_card() {
    let card = |driver: &str, drivers: &[&str]| {
        let facts = image(healthy(), |contents| contents.dri_drivers = drivers.iter().map(|name| (*name).to_owned()).collect());
        with(facts, |facts| {
            let card = Card { name: "card0".into(), driver: Some(driver.into()), ..Card::default() };
            facts.gpu.as_mut().unwrap().cards = vec![card];
        })
    };
    for (driver, drivers) in [("i915", ["swrast", "iris"]), ("amdgpu", ["radeonsi", "swrast"]), ("xe", ["gallium", ""])] {
        assert_eq!(expect(&card(driver, &drivers), OpenGl::Container, "fit together").confidence, Confidence::High, "{driver}");
    }
    assert_eq!(
        expect(&card("i915", &["swrast"]), OpenGl::Container, "no driver for your card (i915)").confidence,
        Confidence::Medium
    );
    // Of a card that is not known nothing is said.
    expect(&card("new-card", &["swrast"]), OpenGl::Container, "fit together");
    expect(&card("i915", &[]), OpenGl::Software, "slow");
    let newer_here = with(image(card("amdgpu", &["radeonsi"]), |contents| contents.mesa = Some("20.0.8".into())), |facts| {
        let context = GlContext {
            vendor: "AMD".into(),
            renderer: "AMD Radeon RX 9070 (radeonsi, gfx1201, LLVM 19.1.0, DRM 3.61)".into(),
            version: "4.6 (Compatibility Profile) Mesa 25.0.1".into(),
            draw: Some(Draw { pixels: 4, ..Draw::default() }),
            ..GlContext::default()
        };
        facts.glx = Some(ChildRun {
            end: ChildEnd::Finished,
            last_call: None,
            stderr: Vec::new(),
            duration_ms: 1,
            result: Some(GlResult { contexts: vec![context], ..GlResult::default() }),
        });
    });
    assert_eq!(expect(&newer_here, OpenGl::Container, "may not know").confidence, Confidence::Medium);
    for (mesa, words) in
        [("23.2.1", "may not know"), ("24.0.9", "may not know"), ("24.2.8", "fit together"), ("25.0.7", "fit together")]
    {
        let xe = image(card("xe", &["iris"]), |contents| contents.mesa = Some(mesa.into()));
        expect(&xe, OpenGl::Container, words);
    }
    expect(&image(newer_here, |contents| contents.mesa = Some("23.2.1".into())), OpenGl::Container, "fit together");
}

#[test]
fn an_nvidia_card_that_does_not_drive_the_screen() {
    let facts = server(nvidia(healthy(), "550.1", "550.1", true), |server| server.glx = Some(glx(&["mesa"])));
    expect(&facts, OpenGl::Container, "driven by Mesa");
}

#[test]
fn displays_of_other_machines() {
    for facts in [
        display(healthy(), "localhost:10.0", Reach::Loopback, 10),
        display(healthy(), "desk.example:0", Reach::Remote, 0),
        display(nvidia(healthy(), "550.1", "550.1", true), "localhost:11.0", Reach::Loopback, 11),
    ] {
        expect(&facts, OpenGl::Software, "another machine");
    }
    // A VNC server that is reached by TCP has a socket here.
    let vnc = display(server(healthy(), |server| server.kind = ServerKind::Xvnc), "localhost:12", Reach::Loopback, 12);
    expect(&vnc, OpenGl::Software, "another machine");
    let here = with(vnc, |facts| facts.x11.as_mut().unwrap().local_displays = vec![":12".into()]);
    expect(&here, OpenGl::Container, "fit together");
}

#[test]
fn servers_that_hide_or_lack_opengl() {
    let untrusted = server(healthy(), |server| {
        server.untrusted = true;
        server.glx = None;
    });
    expect(&untrusted, OpenGl::Software, "ssh -X");
    let x2go = || server(healthy(), |server| server.kind = ServerKind::Nxagent);
    expect(&x2go(), OpenGl::Software, "x2go");
    for (mesa, expected) in [("20.3.5", OpenGl::Container), ("22.3.6", OpenGl::None)] {
        let without = image(x2go(), |contents| {
            contents.software_mesa = Some(false);
            contents.mesa = Some(mesa.into());
        });
        assert_eq!(predict(&without).map(|told| told.opengl), Some(expected), "{mesa}");
    }
    expect(&server(healthy(), |server| server.kind = ServerKind::Xquartz), OpenGl::Software, "XQuartz");
    expect(&server(healthy(), |server| server.glx = None), OpenGl::Software, "slow");
}

#[test]
fn a_server_that_names_no_vendor() {
    let unnamed = || server(healthy(), |server| server.glx = Some(glx(&[])));
    expect(&unnamed(), OpenGl::Container, "names no OpenGL library");
    expect(&image(unnamed(), |contents| contents.glx_indirect = false), OpenGl::Software, "slow");
    let old =
        image(unnamed(), |contents| (contents.glx_indirect, contents.glvnd, contents.glx_vendors) = (false, Some(false), vec![]));
    expect(&old, OpenGl::Container, "uses its Mesa");
}

#[test]
fn wslg() {
    let facts = with(healthy(), |facts| {
        facts.machine.as_mut().unwrap().wsl = Some(2);
        facts.gpu.as_mut().unwrap().dxg = true;
    });
    expect(&facts, OpenGl::Container, "d3d12");
    let without_driver = image(facts.clone(), |contents| contents.dri_drivers = vec!["swrast".into()]);
    expect(&without_driver, OpenGl::Container, "no d3d12 driver");
    let without_card = with(facts, |facts| facts.gpu.as_mut().unwrap().dxg = false);
    expect(&without_card, OpenGl::Container, "lends no graphics card");
}

#[test]
fn a_management_library_that_gets_no_answer_is_a_doubt() {
    let facts = with(nvidia(healthy(), "550.1", "550.1", true), |facts| {
        facts.nvml = Some(ChildRun {
            end: ChildEnd::TimedOut { limit_ms: 4000 },
            last_call: None,
            stderr: Vec::new(),
            duration_ms: 4000,
            result: None,
        });
    });
    assert_eq!(expect(&facts, OpenGl::Nv, "management library").confidence, Confidence::Medium);
}

#[test]
fn an_image_that_can_do_nothing_here() {
    let facts = server(healthy(), |server| server.glx = None);
    let facts = image(facts, |contents| contents.software_mesa = Some(false));
    let found = predict(&facts).unwrap();
    assert_eq!(found.opengl, OpenGl::None, "{found:#?}");
    assert_eq!(found.rejected.len(), 3);
}

#[test]
fn an_image_that_cannot_be_read_lowers_the_confidence() {
    let facts = with(healthy(), |facts| facts.image.as_mut().unwrap().contents = None);
    let found = expect(&facts, OpenGl::Container, "could not be read");
    assert!(found.confidence < Confidence::High);
}

#[test]
fn nothing_is_recommended_for_a_display_that_is_not_known() {
    let facts = with(healthy(), |facts| {
        facts.x11.as_mut().unwrap().connection = Connection::Failed(ConnectFailure {
            kind: ConnectFailureKind::Refused,
            detail: String::new(),
            address: None,
            cookie_sent: false,
        });
    });
    assert_eq!(predict(&facts), None);
    assert_eq!(predict(&Facts::default()), None);
}

#[test]
fn a_driver_that_fails_on_the_machine_is_not_recommended_for_the_container() {
    let child = |end, wrong| GlProbe {
        end,
        last_call: None,
        stderr: Vec::new(),
        duration_ms: 1,
        result: Some(GlResult {
            contexts: vec![GlContext { draw: Some(Draw { pixels: 4, wrong, ..Draw::default() }), ..GlContext::default() }],
            ..GlResult::default()
        }),
    };
    let hung = ChildEnd::TimedOut { limit_ms: 4000 };
    for (probe, expected) in [
        (child(ChildEnd::Finished, 0), OpenGl::Container),
        (child(ChildEnd::Finished, 2), OpenGl::Software),
        (child(hung.clone(), 0), OpenGl::Software),
        (child(ChildEnd::Signal { number: 11, name: "SIGSEGV".into() }, 0), OpenGl::Software),
    ] {
        let facts = Facts { glx: Some(probe.clone()), ..healthy() };
        assert_eq!(predict(&facts).unwrap().opengl, expected, "{probe:?}");
    }
    // What a variable chose is not what a container gets.
    let mut facts = Facts { glx: Some(child(hung, 0)), session: Some(Session::default()), ..healthy() };
    facts.session.as_mut().unwrap().graphics_variables.insert("__GLX_VENDOR_LIBRARY_NAME".into(), "crash".into());
    assert_eq!(predict(&facts).unwrap().opengl, OpenGl::Container);
}

#[test]
fn of_an_image_that_could_not_be_read_nothing_is_claimed() {
    let mut facts = healthy();
    assert!(predict(&facts).unwrap().reasons[0].contains("so is the OpenGL of the image"));
    facts.image.as_mut().unwrap().contents = None;
    let found = predict(&facts).unwrap();
    assert_eq!((found.opengl, found.confidence), (OpenGl::Container, Confidence::Medium));
    assert!(!found.reasons.iter().any(|reason| reason.contains("so is the OpenGL")), "{:?}", found.reasons);
}
