//! Real X servers: Xvfb, Xvnc, Xephyr, nxagent, Xwayland under weston.

use casa_doctor_checks::facts::{ConnectFailureKind as Kind, CookieState, Reach, ServerKind};

use super::*;

#[test]
fn a_healthy_xvfb_tells_everything() {
    let xvfb = Server::xvfb(150, &[]);
    let (server, facts) = xvfb.laboratory().server();
    assert_eq!(server.address, "@/tmp/.X11-unix/X150");
    assert_eq!(server.kind, ServerKind::Xorg);
    assert!(server.release > 12_000_000, "{}", server.release);
    assert!(server.extensions.is_sorted() && server.extensions.iter().any(|name| name == "MIT-SHM"), "{:?}", server.extensions);
    assert!(!server.untrusted);
    assert_eq!(server.access_control, Some(true));
    assert_eq!(server.open_without_cookie, Some(false));
    assert_eq!(server.cookie_from, Some(xvfb.authority()));
    assert_eq!(server.screen_pixels, Some((640, 480)));
    let glx = server.glx.expect("Xvfb has GLX");
    assert_eq!(glx.version, "1.4");
    assert_eq!(glx.vendor_names, ["mesa"]);
    assert!(glx.extensions.iter().any(|name| name == "GLX_EXT_libglvnd"));
    assert_eq!(facts.display.unwrap().reach, Reach::Local);
    assert_eq!(facts.attempts.len(), 1);
    assert!(facts.local_displays.contains(&":150".to_owned()));
    assert_eq!(facts.socket_owner, LiveHost.identity().uid);
    assert_eq!(facts.cookies.len(), 1);
    assert_eq!(facts.cookies[0].accepted, Some(true));
    assert_eq!(facts.cookies[0].state, CookieState::Entries { total: 1, matching: 1, other_host: 0 });
}

#[test]
fn a_probe_of_a_healthy_server_takes_milliseconds() {
    let xvfb = Server::xvfb(151, &[]);
    let mut times: Vec<_> = (0..21).map(|_| xvfb.laboratory().probe().2).collect();
    times.sort_unstable();
    println!("median {:?}, fastest {:?}", times[10], times[0]);
    assert!(times[10] < Duration::from_millis(60), "median {:?}", times[10]);
}

#[test]
fn without_a_cookie_xvfb_asks_for_one() {
    let xvfb = Server::xvfb(152, &[]);
    let nobody = tempfile::tempdir().unwrap();
    let (failure, facts) = Laboratory::new(":152", nobody.path()).failure();
    assert_eq!(failure.kind, Kind::AuthorizationRequired);
    assert_eq!(failure.detail, "Authorization required, but no authorization protocol specified");
    assert!(!failure.cookie_sent);
    assert_eq!(facts.cookies[0].state, CookieState::Missing);
    drop(xvfb);
}

#[test]
fn a_wrong_cookie_is_rejected_by_xvfb() {
    let _xvfb = Server::xvfb(153, &[]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".Xauthority"), entry(0xffff, b"", b"", 9)).unwrap();
    let (failure, facts) = Laboratory::new(":153", home.path()).failure();
    assert_eq!(failure.kind, Kind::CookieRejected);
    assert_eq!(failure.detail, "Invalid MIT-MAGIC-COOKIE-1 key");
    assert!(failure.cookie_sent);
    assert_eq!(facts.cookies[0].accepted, Some(false));
}

#[test]
fn an_untrusted_cookie_shows_two_extensions() {
    let xvfb = Server::xvfb(154, &[]);
    let untrusted = xvfb.home.path().join("untrusted");
    let file = untrusted.to_str().unwrap();
    let made = xvfb.client("xauth", &["-f", xvfb.authority().to_str().unwrap(), "nlist"]);
    assert!(made.status.success());
    std::fs::copy(xvfb.authority(), &untrusted).unwrap();
    let made = xvfb.client("xauth", &["-f", file, "generate", ":154", ".", "untrusted", "timeout", "60"]);
    assert!(made.status.success(), "{made:?}");
    let (server, _) = xvfb.laboratory().env("XAUTHORITY", &untrusted).server();
    assert!(server.untrusted);
    assert_eq!(server.extensions, ["BIG-REQUESTS", "XC-MISC"]);
    assert_eq!(server.kind, ServerKind::Unknown);
    assert_eq!(server.access_control, None, "an untrusted client is told that access control is off");
    assert!(server.glx.is_none() && server.access_list.is_empty());
}

#[test]
fn a_stopped_xvfb_is_hung() {
    let xvfb = Server::xvfb(155, &[]);
    xvfb.signal(rustix::process::Signal::STOP);
    let (failure, facts) = xvfb.laboratory().failure();
    assert_eq!(failure.kind, Kind::HandshakeTimeout);
    assert_eq!(facts.attempts.len(), 1, "one hung connection is enough: {facts:?}");
}

#[test]
fn a_cookie_from_elsewhere_is_found_and_told_apart_from_what_programs_see() {
    let xvfb = Server::xvfb(156, &[]);
    let (server, facts) = xvfb.laboratory().env("XAUTHORITY", "/nonexistent/authority").server();
    assert_eq!(server.cookie_from, Some(xvfb.authority()));
    let failures: Vec<_> = facts.attempts.iter().map(|attempt| attempt.failure).collect();
    assert_eq!(failures, [Some(Kind::AuthorizationRequired), None]);
    let sources: Vec<_> = facts.cookies.iter().map(|file| file.source.as_str()).collect();
    assert_eq!(sources[..2], ["XAUTHORITY", "~/.Xauthority"]);

    // The same with a variable that is set and empty: libXau takes it for a name.
    let (server, facts) = xvfb.laboratory().env("XAUTHORITY", "").server();
    assert_eq!(server.cookie_from, Some(xvfb.authority()));
    assert_eq!(facts.attempts[0].failure, Some(Kind::AuthorizationRequired));
    assert_eq!((facts.cookies[0].source.as_str(), &facts.cookies[0].state), ("XAUTHORITY", &CookieState::Missing));

    // The same with a wrong cookie at the place where programs look.
    let wrong = xvfb.home.path().join("wrong");
    std::fs::write(&wrong, entry(0xffff, b"", b"156", 9)).unwrap();
    let (server, facts) = xvfb.laboratory().env("XAUTHORITY", &wrong).server();
    assert_eq!(server.cookie_from, Some(xvfb.authority()));
    assert_eq!(facts.attempts[0].failure, Some(Kind::CookieRejected));
    assert_eq!((facts.cookies[0].accepted, facts.cookies[1].accepted), (Some(false), Some(true)));
}

#[test]
fn a_cookie_under_the_machines_old_name_still_opens_the_server() {
    let xvfb = Server::xvfb(157, &[]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".Xauthority"), entry(0x100, b"old-name", b"157", 7)).unwrap();
    let (server, facts) = Laboratory::new(":157", home.path()).server();
    assert!(server.cookie_from.is_some());
    assert_eq!(facts.cookies[0].state, CookieState::Entries { total: 1, matching: 0, other_host: 1 });
    assert_eq!(facts.attempts[0].failure, Some(Kind::AuthorizationRequired));
    drop(xvfb);
}

#[test]
fn the_argument_of_a_running_server_leads_to_its_cookie() {
    let xvfb = Server::xvfb(158, &[]);
    let nobody = tempfile::tempdir().unwrap();
    let mut laboratory = Laboratory::new(":158", nobody.path());
    laboratory.processes = true;
    let (server, facts) = laboratory.server();
    assert_eq!(server.cookie_from, Some(xvfb.authority()));
    assert_eq!(facts.cookies.last().unwrap().source, "server-argument");
}

#[test]
fn an_open_server_and_its_access_list_are_told() {
    let xvfb = Server::xvfb(160, &[]);
    for entry in ["+si:localuser:root", "+si:localuser:nobody", "+local:", "+inet:127.0.0.1"] {
        let output = xvfb.client("xhost", &[entry]);
        assert!(output.status.success(), "{output:?}");
    }
    let (server, facts) = xvfb.laboratory().server();
    assert_eq!(server.access_control, Some(true));
    for entry in ["SI:localuser:root", "SI:localuser:nobody", "LOCAL:", "INET:127.0.0.1"] {
        assert!(server.access_list.iter().any(|listed| listed == entry), "{entry} in {:?}", server.access_list);
    }
    assert_eq!(server.open_without_cookie, Some(true));
    assert_eq!(facts.cookies[0].accepted, None, "an open server shows nothing about the cookie");

    let output = xvfb.client("xhost", &["+"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(xvfb.laboratory().server().0.access_control, Some(false));
    // The cure that is advised: it needs no cookie to be known, and closes the door again.
    assert!(xvfb.client("xhost", &["-"]).status.success());
    assert!(xvfb.client("xhost", &["-LOCAL:"]).status.success());
    assert!(xvfb.client("xhost", &["-SI:localuser:root"]).status.success());
    assert!(xvfb.client("xhost", &["-INET:127.0.0.1"]).status.success());
    let (server, _) = xvfb.laboratory().server();
    assert_eq!((server.access_control, server.open_without_cookie), (Some(true), Some(false)), "{:?}", server.access_list);
}

#[test]
fn a_server_started_with_ac_is_open() {
    let xvfb = Server::xvfb(161, &["-ac"]);
    let (server, _) = xvfb.laboratory().server();
    assert_eq!((server.access_control, server.open_without_cookie), (Some(false), Some(true)));
}

#[test]
fn a_display_over_tcp_uses_the_cookie_of_this_machine() {
    let xvfb = Server::xvfb(162, &["-listen", "tcp"]);
    for display in ["127.0.0.1:162", "localhost:162.0"] {
        let (server, facts) = Laboratory::new(display, xvfb.home.path()).server();
        assert!(server.address.ends_with(":6162"), "{}", server.address);
        assert_eq!(facts.display.unwrap().reach, Reach::Loopback);
        assert_eq!(server.open_without_cookie, None, "not asked over TCP");
    }
    let nobody = tempfile::tempdir().unwrap();
    let (failure, _) = Laboratory::new("127.0.0.1:162", nobody.path()).failure();
    assert_eq!(failure.kind, Kind::AuthorizationRequired);
}

#[test]
fn a_server_that_listens_on_tcp_alone_is_reached_as_libxcb_reaches_it() {
    let xvfb = Server::xvfb(163, &["-listen", "tcp"]);
    let alone = Server::start("Xvfb", 164, &["-noreset", "-nolisten", "unix", "-nolisten", "local", "-listen", "tcp"], &[]);
    let (server, facts) = alone.laboratory().server();
    assert_eq!(server.address, "localhost:6164");
    let failures: Vec<_> = facts.attempts.iter().map(|attempt| attempt.failure).collect();
    assert_eq!(failures, [Some(Kind::Refused), Some(Kind::SocketMissing), None]);
    drop(xvfb);
}

#[test]
fn a_server_whose_socket_file_is_gone_is_reached_by_its_abstract_socket() {
    let xvfb = Server::xvfb(165, &[]);
    std::fs::remove_file("/tmp/.X11-unix/X165").unwrap();
    let (server, facts) = xvfb.laboratory().server();
    assert_eq!(server.address, "@/tmp/.X11-unix/X165");
    assert!(!facts.local_displays.contains(&":165".to_owned()));
}

#[test]
fn a_screen_that_is_not_there_is_told() {
    let xvfb = Server::xvfb(166, &[]);
    let (failure, _) = Laboratory::new(":166.3", xvfb.home.path()).failure();
    assert_eq!(failure.kind, Kind::InvalidScreen);
}

#[test]
fn a_server_without_glx_is_told() {
    let xvfb = Server::xvfb(167, &["-extension", "GLX"]);
    let (server, _) = xvfb.laboratory().server();
    assert!(server.glx.is_none() && !server.untrusted);
}

#[test]
fn a_held_connection_keeps_a_resetting_server_from_starting_afresh() {
    // Without -noreset: the access list is forgotten when the last client leaves.
    let xvfb = Server::start("Xvfb", 168, &["-screen", "0", "640x480x24"], &[]);
    // The server is just starting afresh, since the client that waited for it has left.
    let (facts, held, _) = xvfb.laboratory().probe();
    assert!(held.is_some(), "{facts:?}");
    assert!(xvfb.client("xhost", &["+si:localuser:nobody"]).status.success());
    for _ in 0..20 {
        let (server, _) = xvfb.laboratory().server();
        assert!(server.access_list.iter().any(|entry| entry == "SI:localuser:nobody"), "the server has started afresh");
    }
    drop(held);
}

#[test]
fn xvnc_is_recognised() {
    let xvnc = Server::start("Xvnc", 170, &["-geometry", "640x480", "-SecurityTypes", "None", "-rfbport", "-1", "-noreset"], &[]);
    let (server, _) = xvnc.laboratory().server();
    assert_eq!(server.kind, ServerKind::Xvnc, "{server:?}");
}

#[test]
fn xephyr_is_of_the_xorg_family() {
    let outer = Server::xvfb(178, &[]);
    let authority = outer.authority();
    let env = [("DISPLAY", ":178"), ("XAUTHORITY", authority.to_str().unwrap())];
    let xephyr = Server::start("Xephyr", 179, &["-screen", "320x200", "-noreset"], &env);
    let (server, _) = xephyr.laboratory().server();
    assert_eq!(server.kind, ServerKind::Xorg);
    assert_eq!(server.screen_pixels, Some((320, 200)));
}

#[test]
fn nxagent_is_recognised() {
    // nxagent looks for the outer cookie in the file of its own ones.
    let _outer = Server::xvfb(173, &["-ac"]);
    let nxagent = Server::start("nxagent", 174, &["-display", ":173", "-geometry", "320x200", "-noreset"], &[]);
    let (server, _) = nxagent.laboratory().server();
    assert_eq!(server.kind, ServerKind::Nxagent, "{server:?}");
}

#[test]
fn xwayland_is_recognised() {
    let runtime = tempfile::tempdir().unwrap();
    let directory = runtime.path().to_str().unwrap();
    let mut weston = std::process::Command::new("weston")
        .args(["--backend=headless-backend.so", "--socket=outer", "--no-config"])
        .env("XDG_RUNTIME_DIR", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("weston must be installed for this test: {error}"));
    let patience = Instant::now() + Duration::from_secs(20);
    while !runtime.path().join("outer").exists() {
        assert!(Instant::now() < patience, "weston did not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
    let env = [("XDG_RUNTIME_DIR", directory), ("WAYLAND_DISPLAY", "outer")];
    let xwayland = Server::start("Xwayland", 177, &["-noreset"], &env);
    let (server, _) = xwayland.laboratory().server();
    drop(xwayland);
    weston.kill().unwrap();
    weston.wait().unwrap();
    assert_eq!(server.kind, ServerKind::Xwayland, "{server:?}");
    assert_eq!(server.outputs, ["XWAYLAND0"]);
}
