//! Real sockets, with a stand-in for a broken X server behind each.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;

use casa_doctor_checks::facts::{ConnectFailureKind as Kind, Reach};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket, sockopt};

use super::*;

fn failure(display: &str) -> (ConnectFailure, X11) {
    let home = tempfile::tempdir().unwrap();
    Laboratory::new(display, home.path()).failure()
}

/// A TCP display behind which somebody answers every connection in his own way.
fn behind_tcp(number: u16, answer: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 6000 + number)).unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(answer));
    format!("127.0.0.1:{number}")
}

#[test]
fn no_display_is_no_failure_of_a_server() {
    let home = tempfile::tempdir().unwrap();
    for laboratory in [Laboratory::new("", home.path()), {
        let mut laboratory = Laboratory::new("", home.path());
        laboratory.env.clear();
        laboratory
    }] {
        let (facts, held, _) = laboratory.probe();
        assert_eq!(facts.connection, Connection::NoDisplay);
        assert!(held.is_none() && facts.attempts.is_empty());
    }
}

#[test]
fn a_malformed_display_is_told_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let (facts, ..) = Laboratory::new("$DISPLAY", home.path()).probe();
    let Connection::Malformed { reason } = facts.connection else { panic!("{facts:?}") };
    assert!(reason.contains("no colon"), "{reason}");
    let not_text = std::os::unix::ffi::OsStrExt::from_bytes(b":\xff");
    let (facts, ..) = Laboratory::new("", home.path()).env("DISPLAY", <OsStr as AsRef<OsStr>>::as_ref(not_text)).probe();
    assert!(matches!(facts.connection, Connection::Malformed { .. }), "{facts:?}");
}

#[test]
fn a_missing_socket_is_told_as_such_and_not_as_tcp() {
    let (failure, facts) = failure(":180");
    assert_eq!(failure.kind, Kind::SocketMissing);
    assert_eq!(failure.address.as_deref(), Some("/tmp/.X11-unix/X180"));
    let addresses: Vec<_> = facts.attempts.iter().map(|attempt| attempt.address.as_str()).collect();
    assert_eq!(addresses, ["@/tmp/.X11-unix/X180", "/tmp/.X11-unix/X180", "localhost:6180"]);
}

#[test]
fn a_socket_that_a_dead_server_left_behind_is_refused() {
    std::fs::create_dir_all("/tmp/.X11-unix").unwrap();
    let path = Path::new("/tmp/.X11-unix/X181");
    let _ = std::fs::remove_file(path);
    drop(UnixListener::bind(path).unwrap());
    let (failure, facts) = failure(":181");
    std::fs::remove_file(path).unwrap();
    assert_eq!(failure.kind, Kind::Refused);
    assert_eq!(failure.address.as_deref(), Some("/tmp/.X11-unix/X181"));
    assert!(facts.local_displays.contains(&":181".to_owned()));
    assert!(facts.socket_owner.is_some());
}

#[test]
fn nothing_on_tcp_is_refused() {
    let (failure, facts) = failure("localhost:182.0");
    assert_eq!((failure.kind, failure.detail.as_str()), (Kind::Refused, "Connection refused"));
    assert_eq!(facts.display.unwrap().reach, Reach::Loopback);
}

#[test]
fn a_silent_listener_is_a_hung_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.xquartz:0");
    let _listener = UnixListener::bind(&path).unwrap();
    let (unix, facts) = failure(path.to_str().unwrap());
    assert_eq!(unix.kind, Kind::HandshakeTimeout);
    assert_eq!(facts.display.unwrap().reach, Reach::Launchd);
    let display = behind_tcp(183, std::mem::forget);
    assert_eq!(failure(&display).0.kind, Kind::HandshakeTimeout);
}

#[test]
fn a_full_queue_of_a_local_socket_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("org.xquartz:0");
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let address = Address::Unix(path.clone());
    let waiting: Vec<_> = (0..8).map_while(|_| LiveHost.connect(&address, LIMIT).ok()).collect();
    assert!(waiting.len() < 8, "the queue never filled");
    let (failure, facts) = failure(path.to_str().unwrap());
    assert_eq!(failure.kind, Kind::BacklogFull);
    assert!(facts.attempts[0].after_ms < 100, "{facts:?}");
}

#[test]
fn a_full_queue_of_a_port_looks_like_a_host_that_does_not_answer() {
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 6184)).unwrap();
    listen(&listener, 0).unwrap();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 6184 };
    let waiting: Vec<_> = (0..8).map_while(|_| LiveHost.connect(&address, Duration::from_millis(100)).ok()).collect();
    assert!(waiting.len() < 8, "the queue never filled");
    assert_eq!(failure("127.0.0.1:184").0.kind, Kind::ConnectTimeout);
}

#[test]
fn other_protocols_are_not_x11() {
    let ssh = behind_tcp(185, |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n");
        thread::sleep(Duration::from_secs(2));
    });
    let (found, _) = failure(&ssh);
    assert_eq!(found.kind, Kind::NotX11);
    assert!(found.detail.contains("SSH-2.0-OpenSSH_9.2p1"), "{}", found.detail);

    let web = behind_tcp(186, |mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert_eq!(failure(&web).0.kind, Kind::NotX11);

    let babble = behind_tcp(187, |mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(&[[1, 0, 11, 0, 0, 0, 1, 0].as_slice(), &[0xff; 64]].concat());
        thread::sleep(Duration::from_secs(2));
    });
    assert_eq!(failure(&babble).0.kind, Kind::NotX11);
}

#[test]
fn an_echo_does_not_bring_the_cookie_into_the_facts() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".Xauthority"), entry(0xffff, b"", b"", b'Q')).unwrap();
    let display = behind_tcp(188, |mut stream| {
        let mut buffer = [0; 256];
        if let Ok(length) = stream.read(&mut buffer) {
            let _ = stream.write_all(&buffer[..length]);
        }
    });
    let (failure, facts) = Laboratory::new(&display, home.path()).failure();
    assert_eq!(failure.kind, Kind::NotX11);
    assert!(failure.cookie_sent);
    let told = format!("{facts:?}{}", serde_json::to_string(&facts).unwrap());
    assert!(!told.contains("QQ") && !told.contains("81, 81"), "{told}");
}

#[test]
fn closing_and_resetting_are_told_apart() {
    let closing = behind_tcp(189, |mut stream| {
        let _ = stream.read(&mut [0; 256]);
    });
    let (found, _) = failure(&closing);
    assert_eq!(found.kind, Kind::ClosedDuringHandshake);
    let resetting = behind_tcp(190, |stream| {
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        thread::sleep(Duration::from_millis(50));
    });
    assert_eq!(failure(&resetting).0.kind, Kind::Reset);
    // Whoever leaves before the greeting comes has not seen the cookie: that is no answer to it.
    let leaving = behind_tcp(193, drop);
    let home = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        assert_eq!(Laboratory::new(&leaving, home.path()).failure().0.kind, Kind::Reset);
    }
}

#[test]
fn a_name_service_that_hangs_does_not_hang_the_probe() {
    let home = tempfile::tempdir().unwrap();
    let mut laboratory = Laboratory::new("far.example:0", home.path());
    laboratory.lookup = Duration::from_secs(5);
    let (failure, _) = laboratory.failure();
    assert_eq!(failure.kind, Kind::Unresolvable);
    assert!(failure.detail.contains("far.example"), "{}", failure.detail);
}

#[test]
fn a_name_without_an_address_is_unresolvable() {
    // ".invalid" has no address anywhere (RFC 2606); without a network the lookup fails as well.
    assert_eq!(failure("no-such-machine.invalid:0").0.kind, Kind::Unresolvable);
}

/// Lets a client in as the X server on a local display does.
fn let_in(client: &mut TcpStream, number: u16) {
    let mut server = std::os::unix::net::UnixStream::connect(format!("/tmp/.X11-unix/X{number}")).unwrap();
    let mut greeting = [0; 256];
    let length = client.read(&mut greeting).unwrap();
    server.write_all(&greeting[..length]).unwrap();
    let mut head = [0; 8];
    server.read_exact(&mut head).unwrap();
    let mut rest = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) * 4];
    server.read_exact(&mut rest).unwrap();
    client.write_all(&head).unwrap();
    client.write_all(&rest).unwrap();
}

#[test]
fn a_server_that_lets_us_in_and_then_stalls_is_told_apart_from_a_hung_one() {
    let xvfb = Server::xvfb(191, &[]);
    let number = 192;
    let display = behind_tcp(number, |mut client| {
        let_in(&mut client, 191);
        thread::sleep(Duration::from_secs(2));
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".Xauthority"), entry(0xffff, b"", b"192", 7)).unwrap();
    let (failure, _) = Laboratory::new(&display, home.path()).failure();
    assert_eq!(failure.kind, Kind::ReplyTimeout);
    drop(xvfb);
}

#[test]
fn a_server_that_lets_us_in_and_then_says_more_than_any_other_costs_neither_time_nor_memory() {
    let xvfb = Server::xvfb(147, &[]);
    let events = |mut client: TcpStream| {
        let_in(&mut client, 147);
        let event = [[2].as_slice(), &[0; 31]].concat().repeat(1000);
        while client.write_all(&event).is_ok() {}
    };
    let reply = |mut client: TcpStream| {
        let_in(&mut client, 147);
        let _ = client.write_all(&[[1, 0, 1, 0, 0xff, 0xff, 0xff, 0x3f].as_slice(), &[0; 24]].concat());
        thread::sleep(Duration::from_secs(2));
    };
    for display in [behind_tcp(148, events), behind_tcp(149, reply)] {
        let home = tempfile::tempdir().unwrap();
        let number = display.rsplit(':').next().unwrap().as_bytes();
        std::fs::write(home.path().join(".Xauthority"), entry(0xffff, b"", number, 7)).unwrap();
        let (failure, _) = Laboratory::new(&display, home.path()).failure();
        assert_eq!(
            (failure.kind, failure.detail.as_str()),
            (Kind::Other, "it let us in, and then said more than any X server does")
        );
    }
    drop(xvfb);
}
