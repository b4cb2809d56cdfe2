//! Macs that are described: the formats are those of the system's programs, the property lists are written by a library.

use std::sync::Arc;

use casa_doctor_checks::facts::XquartzArguments;
use plist::Dictionary;

use super::*;
use crate::host::{Address, Identity, Peer, RecordedHost};

const SOCKET: &str = "/private/tmp/com.apple.launchd.gUv6Xr3pTQ/org.xquartz:0";
const REFUSAL: &[u8] = b"Authorization required, but no authorization protocol specified\n";

fn probe_of(host: RecordedHost) -> Xquartz {
    probe(&Context { host: Arc::new(host), limit: Duration::from_secs(4) }, "macos").unwrap()
}

fn binary(values: &[(&str, Value)]) -> Vec<u8> {
    let dictionary: Dictionary = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mut bytes = Vec::new();
    Value::Dictionary(dictionary).to_writer_binary(&mut bytes).unwrap();
    bytes
}

fn mac() -> RecordedHost {
    let identity = Identity { uid: Some(501), user: Some("anna".into()), home: Some("/Users/anna".into()), ..Identity::default() };
    RecordedHost::new().identity(identity).env("DISPLAY", SOCKET).command(
        &["launchctl", "getenv", "DISPLAY"],
        0,
        &format!("{SOCKET}\n"),
        "",
    )
}

fn installed(version: &str, domain: &str) -> RecordedHost {
    let info = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\t<key>CFBundleIdentifier</key>\n\t<string>{domain}</string>\n\t<key>CFBundleShortVersionString</key>\n\t\
         <string>{version}</string>\n</dict>\n</plist>\n"
    );
    mac().file("/Applications/Utilities/XQuartz.app/Contents/Info.plist", info)
}

fn absent(host: RecordedHost, domain: &str, keys: &[&str]) -> RecordedHost {
    keys.iter().fold(host, |host, key| {
        let said =
            format!("2026-11-23 10:00:00.000 defaults[812:9001] \nThe domain/default pair of ({domain}, {key}) does not exist\n");
        host.command(&["defaults", "read", domain, key], 1, "", &said)
    })
}

fn running(host: RecordedHost, arguments: &str) -> RecordedHost {
    let ps = format!(
        "/usr/libexec/UserEventAgent (Aqua)\n-zsh\ngrep -i /opt/X11/bin/Xquartz\n\
         /Applications/Utilities/XQuartz.app/Contents/MacOS/X11.bin\n/opt/X11/bin/Xquartz {arguments}\n/opt/X11/bin/quartz-wm\n"
    );
    host.command(&["ps", "-xww", "-o", "args="], 0, &ps, "")
}

/// The answer of a server that refuses a program without a cookie.
fn refusal() -> Vec<u8> {
    let mut answer = vec![0, u8::try_from(REFUSAL.len()).unwrap(), 11, 0, 0, 0, 16, 0];
    answer.extend(REFUSAL);
    answer
}

fn port(number: u16) -> Address {
    Address::Tcp { host: "127.0.0.1".to_owned(), port: 6000 + number }
}

#[test]
fn another_system_has_none() {
    let context = Context { host: Arc::new(RecordedHost::new()), limit: Duration::from_secs(4) };
    for os in ["linux", "windows", ""] {
        assert!(probe(&context, os).is_err());
    }
}

#[test]
fn a_mac_as_the_installer_leaves_it() {
    let keys = ["nolisten_tcp", "no_auth", "enable_iglx"];
    let host = absent(absent(installed("2.8.5", DOMAIN), DOMAIN, &keys), OLD_DOMAIN, &keys);
    let facts = probe_of(running(host, ":0 -nolisten tcp -iglx -auth /Users/anna/.serverauth.812"));
    assert_eq!(facts.app.as_deref(), Some(Path::new("/Applications/Utilities/XQuartz.app")));
    assert_eq!((facts.version.as_deref(), facts.domain.as_deref()), (Some("2.8.5"), Some(DOMAIN)));
    assert!(facts.settings.is_empty() && facts.unknown.is_empty(), "{facts:?}");
    assert_eq!(facts.running, Some(true));
    let expected =
        XquartzArguments { number: Some(0), tcp: Some(false), iglx: Some(false), authority: true, source: "ps".to_owned() };
    assert_eq!(facts.arguments, Some(expected));
    assert_eq!(facts.launchd_display.as_deref(), Some(SOCKET));
    assert_eq!(facts.tcp, XquartzTcp::Closed);
}

#[test]
fn defaults_tells_the_value_and_its_type() {
    let host = installed("2.8.5", DOMAIN)
        .command(&["defaults", "read", DOMAIN, "nolisten_tcp"], 0, "0\n", "")
        .command(&["defaults", "read-type", DOMAIN, "nolisten_tcp"], 0, "Type is boolean\n", "")
        .command(&["defaults", "read", DOMAIN, "enable_iglx"], 0, "true\n", "")
        .command(&["defaults", "read-type", DOMAIN, "enable_iglx"], 0, "Type is string\n", "");
    let facts = probe_of(absent(absent(host, DOMAIN, &["no_auth"]), OLD_DOMAIN, &["nolisten_tcp", "no_auth", "enable_iglx"]));
    let found: Vec<_> =
        facts.settings.iter().map(|set| (set.key.as_str(), set.value.as_str(), set.kind.as_deref().unwrap())).collect();
    assert_eq!(found, [("nolisten_tcp", "0", "boolean"), ("enable_iglx", "true", "string")]);
    assert!(facts.unknown.contains_key("running"), "ps did not answer: {:?}", facts.unknown);
}

#[test]
fn without_defaults_the_binary_file_is_read() {
    let list = binary(&[
        ("nolisten_tcp", Value::Boolean(false)),
        ("no_auth", Value::String("false".to_owned())),
        ("enable_iglx", Value::Integer(1.into())),
        ("app_to_run", Value::String("/opt/X11/bin/xterm".to_owned())),
    ]);
    assert!(list.starts_with(b"bplist00"));
    let facts = probe_of(installed("2.7.11", OLD_DOMAIN).file(format!("/Users/anna/Library/Preferences/{OLD_DOMAIN}.plist"), list));
    let found: Vec<_> =
        facts.settings.iter().map(|set| (set.key.as_str(), set.value.as_str(), set.kind.as_deref().unwrap())).collect();
    assert_eq!(found, [("nolisten_tcp", "0", "boolean"), ("no_auth", "false", "string"), ("enable_iglx", "1", "integer")]);
    assert!(facts.settings.iter().all(|set| set.domain == OLD_DOMAIN && set.source.ends_with(".plist")));
}

#[test]
fn a_broken_file_of_preferences_is_unknown_and_not_a_default() {
    let mut list = binary(&[("nolisten_tcp", Value::Boolean(false))]);
    list.truncate(list.len() - 20);
    let facts = probe_of(installed("2.8.5", DOMAIN).file(format!("/Users/anna/Library/Preferences/{DOMAIN}.plist"), list));
    assert!(facts.settings.is_empty());
    assert!(facts.unknown[&format!("settings.{DOMAIN}")].contains("not a property list"), "{:?}", facts.unknown);
}

#[test]
fn the_last_start_in_the_log_counts() {
    let log = "[   812.001] X11.app: main(): argc=2\n\
        [   812.100] X11.app: do_start_x11_server(): argc=5\n\
        [   812.100] argv[0] = /opt/X11/bin/Xquartz\n[   812.100] argv[1] = :0\n[   812.100] argv[2] = -nolisten\n[   812.100] argv[3] = tcp\n\
        [   812.100] argv[4] = -iglx\n[   900.000] X11.app: do_start_x11_server(): argc=4\n\
        argv[0] = /opt/X11/bin/Xquartz\nargv[1] = :1\nargv[2] = -listen\nargv[3] = tcp\n[   900.1] Xquartz starting:\n";
    let host = installed("2.8.5", DOMAIN)
        .file("/Users/anna/Library/Logs/X11/org.xquartz.log", log)
        .peer(port(1), Peer::Answers(refusal()));
    let facts = probe_of(host.command(&["ps", "-xww", "-o", "args="], 0, "-zsh\n", ""));
    assert_eq!(facts.running, Some(false));
    let arguments = facts.arguments.unwrap();
    assert_eq!((arguments.number, arguments.tcp, arguments.iglx), (Some(1), Some(true), None));
    assert_eq!(arguments.source, "/Users/anna/Library/Logs/X11/org.xquartz.log");
    assert_eq!(facts.tcp, XquartzTcp::WantsCookie { reason: String::from_utf8_lossy(REFUSAL).trim().to_owned() });
}

#[test]
fn what_answers_on_the_port_is_told_apart() {
    let tcp = |peer: Peer| probe_of(installed("2.8.5", DOMAIN).peer(port(0), peer)).tcp;
    assert_eq!(tcp(Peer::Answers(vec![1, 0, 11, 0, 0, 0, 50, 0])), XquartzTcp::LetsIn);
    assert!(
        matches!(tcp(Peer::Answers(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())), XquartzTcp::Other { reason } if reason.contains("X protocol"))
    );
    assert!(matches!(tcp(Peer::Answers(Vec::new())), XquartzTcp::Other { reason } if reason.contains("without a word")));
    assert!(matches!(tcp(Peer::Silent), XquartzTcp::Other { reason } if reason.contains("in time")));
    assert_eq!(tcp(Peer::Refuses(std::io::ErrorKind::ConnectionRefused)), XquartzTcp::Closed);
}

#[test]
fn a_mac_without_xquartz_is_not_asked_about_its_port() {
    let facts = probe_of(mac().command(&["launchctl", "getenv", "DISPLAY"], 1, "", ""));
    assert_eq!((facts.app, facts.launchd_display.as_deref(), facts.tcp), (None, Some(""), XquartzTcp::NotTried));
}

#[test]
fn places_that_cannot_be_looked_at_are_not_empty_ones() {
    // A link to itself cannot be followed.
    let place = "/Applications/Utilities/XQuartz.app";
    let closed = probe_of(mac().symlink(place, place));
    assert!(closed.app.is_none() && closed.unknown.contains_key("app"), "{closed:?}");
    assert!(!probe_of(mac()).unknown.contains_key("app"));
}
