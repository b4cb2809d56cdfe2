//! What an X server tells of itself, asked over the protocol alone.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use casa_doctor_checks::facts::{ConnectFailureKind as Kind, ServerGlx, ServerKind, XServer};
use x11rb::NONE;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::glx::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{AccessControl, ConnectionExt as _, Family, Host as AccessEntry};

use super::connect::{Connection, Refusal};
use super::timed::TooMuch;

/// Name of the GLX server string with the vendor (GLX 1.3, glXQueryServerString).
const GLX_VENDOR: u32 = 1;
/// Name of the one with the extensions.
const GLX_EXTENSIONS: u32 = 3;
/// Name of the one with the vendor libraries to load (GLX_EXT_libglvnd).
const GLX_VENDOR_NAMES: u32 = 0x20f6;
/// Family of the entry for every local user (X.Org, os/access.c: FamilyLocalHost).
const FAMILY_LOCAL_HOST: u8 = 252;
/// Name of the property in which nxagent keeps its version, so that the atom exists on no other server.
const NXAGENT_ATOM: &[u8] = b"NX_AGENT_VERSION";
/// All that an untrusted client is shown (X.Org, Xext/security.c).
const UNTRUSTED_EXTENSIONS: [&str; 3] = ["BIG-REQUESTS", "XC-MISC", "XpExtension"];

/// Asks the server for everything but how it was reached. Questions are sent together where one does not need the answer of
/// another, since a forwarded display may be 100 ms away.
pub(super) fn describe(connection: &Connection, screen: u16) -> Result<XServer, Refusal> {
    let extensions = connection.list_extensions().map_err(lost)?;
    let hosts = connection.list_hosts().map_err(lost)?;
    let nxagent = connection.intern_atom(true, NXAGENT_ATOM).map_err(lost)?;
    connection.prefetch_extension_information(glx::X11_EXTENSION_NAME).map_err(lost)?;
    connection.prefetch_extension_information(randr::X11_EXTENSION_NAME).map_err(lost)?;

    let mut names: Vec<_> = answered(extensions.reply())?
        .map_or_else(Vec::new, |reply| reply.names.iter().map(|name| String::from_utf8_lossy(&name.name).into_owned()).collect());
    names.sort();
    let untrusted = !names.is_empty() && names.iter().all(|name| UNTRUSTED_EXTENSIONS.contains(&name.as_str()));
    let hosts = answered(hosts.reply())?.filter(|_| !untrusted);
    let nxagent = answered(nxagent.reply())?.is_some_and(|reply| reply.atom != NONE);
    let (glx, outputs) = graphics(connection, screen)?;

    let setup = connection.setup();
    let vendor = text(&setup.vendor);
    let root = setup.roots.first();
    Ok(XServer {
        kind: match () {
            () if untrusted => ServerKind::Unknown,
            () if nxagent => ServerKind::Nxagent,
            () => recognise(&vendor, &names, &outputs),
        },
        vendor,
        release: setup.release_number,
        extensions: names,
        untrusted,
        access_control: hosts.as_ref().map(|reply| reply.mode == AccessControl::ENABLE),
        access_list: hosts.map_or_else(Vec::new, |reply| reply.hosts.iter().map(access_entry).collect()),
        glx,
        screen_pixels: root.map(|root| (root.width_in_pixels, root.height_in_pixels)),
        outputs,
        ..XServer::default()
    })
}

/// GLX and the names of the outputs.
fn graphics(connection: &Connection, screen: u16) -> Result<(Option<ServerGlx>, Vec<String>), Refusal> {
    let has = |name| connection.extension_information(name).map(|information| information.is_some()).map_err(lost);
    let has_glx = has(glx::X11_EXTENSION_NAME)?;
    let has_randr = has(randr::X11_EXTENSION_NAME)?;

    let string = |name| connection.glx_query_server_string(screen.into(), name).map_err(lost);
    let questions = if has_glx {
        let version = connection.glx_query_version(1, 4).map_err(lost)?;
        Some((version, string(GLX_VENDOR)?, string(GLX_EXTENSIONS)?, string(GLX_VENDOR_NAMES)?))
    } else {
        None
    };
    let randr_version = if has_randr { Some(connection.randr_query_version(1, 3).map_err(lost)?) } else { None };

    let glx = match questions {
        None => None,
        Some((version, vendor, extensions, names)) => {
            let version = answered(version.reply())?.map(|reply| format!("{}.{}", reply.major_version, reply.minor_version));
            let vendor = answered(vendor.reply())?.map(|reply| text(&reply.string)).filter(|vendor| !vendor.is_empty());
            let extensions = answered(extensions.reply())?.map_or_else(Vec::new, |reply| words(&reply.string));
            let vendor_names = answered(names.reply())?.map_or_else(Vec::new, |reply| words(&reply.string));
            Some(ServerGlx { version: version.unwrap_or_default(), vendor, extensions, vendor_names })
        }
    };
    let version = match randr_version {
        Some(version) => answered(version.reply())?.map(|reply| (reply.major_version, reply.minor_version)),
        None => None,
    };
    // Before 1.3 the question made the server look at its connectors again, which takes seconds on some.
    let outputs = if version >= Some((1, 3)) { outputs(connection)? } else { Vec::new() };
    Ok((glx, outputs))
}

/// The names of the outputs with a monitor on the first screen.
fn outputs(connection: &Connection) -> Result<Vec<String>, Refusal> {
    let Some(root) = connection.setup().roots.first().map(|root| root.root) else { return Ok(Vec::new()) };
    let resources = connection.randr_get_screen_resources_current(root).map_err(lost)?;
    let Some(resources) = answered(resources.reply())? else { return Ok(Vec::new()) };
    let questions: Vec<_> = resources
        .outputs
        .iter()
        .map(|output| connection.randr_get_output_info(*output, resources.config_timestamp).map_err(lost))
        .collect::<Result<_, _>>()?;
    let mut names = Vec::new();
    for question in questions {
        if let Some(output) = answered(question.reply())?
            && output.connection == randr::Connection::CONNECTED
        {
            names.push(text(&output.name));
        }
    }
    Ok(names)
}

/// The kind of a server. Newer Xwaylands have an extension for that, older ones (22.1) an output's name only.
fn recognise(vendor: &str, extensions: &[String], outputs: &[String]) -> ServerKind {
    let has = |name: &str| extensions.iter().any(|extension| extension == name);
    let has_output = |prefix: &str| outputs.iter().any(|output| output.starts_with(prefix));
    match () {
        () if has("XWAYLAND") || has_output("XWAYLAND") => ServerKind::Xwayland,
        () if has("Apple-WM") || has("Apple-DRI") => ServerKind::Xquartz,
        () if has("VNC-EXTENSION") || has_output("VNC-") || has_output("TVNC") || vendor.contains("VNC") => ServerKind::Xvnc,
        () => ServerKind::Xorg,
    }
}

/// An entry of the access list, in the notation of `xhost`.
fn access_entry(entry: &AccessEntry) -> String {
    let address = &entry.address;
    match (entry.family, u8::from(entry.family)) {
        (Family::SERVER_INTERPRETED, _) => {
            let (kind, value) = address.split_at(address.iter().position(|byte| *byte == 0).unwrap_or(address.len()));
            format!("SI:{}:{}", text(kind), text(value))
        }
        (_, FAMILY_LOCAL_HOST) => "LOCAL:".to_owned(),
        (Family::INTERNET, _) => match <[u8; 4]>::try_from(address.as_slice()) {
            Ok(octets) => format!("INET:{}", Ipv4Addr::from(octets)),
            Err(_) => "INET:".to_owned(),
        },
        (Family::INTERNET6, _) => match <[u8; 16]>::try_from(address.as_slice()) {
            Ok(octets) => format!("INET6:{}", Ipv6Addr::from(octets)),
            Err(_) => "INET6:".to_owned(),
        },
        (_, family) => format!("<unknown family type {family}>"),
    }
}

/// Text of the protocol: some servers count the NUL at its end.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}

fn words(bytes: &[u8]) -> Vec<String> {
    text(bytes).split_ascii_whitespace().map(str::to_owned).collect()
}

/// An answer, `None` when the server said that it cannot give it.
fn answered<T>(reply: Result<T, ReplyError>) -> Result<Option<T>, Refusal> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(ReplyError::ConnectionError(error)) => Err(lost(error)),
    }
}

/// A server that let us in and then left us alone.
fn lost(error: ConnectionError) -> Refusal {
    match error {
        ConnectionError::IoError(error) if error.kind() == io::ErrorKind::TimedOut => {
            Refusal::new(Kind::ReplyTimeout, "it let us in and then did not answer a request")
        }
        ConnectionError::IoError(error) if error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) => {
            Refusal::new(Kind::Other, format!("it let us in, and then {error}"))
        }
        error => Refusal::new(Kind::Other, format!("it let us in, and then the connection was lost: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(family: u8, address: &[u8]) -> AccessEntry {
        AccessEntry { family: family.into(), address: address.to_vec() }
    }

    #[test]
    fn access_entries_are_written_as_xhost_writes_them() {
        assert_eq!(access_entry(&entry(5, b"localuser\0anna")), "SI:localuser:anna");
        assert_eq!(access_entry(&entry(5, b"odd")), "SI:odd:");
        assert_eq!(access_entry(&entry(252, b"")), "LOCAL:");
        assert_eq!(access_entry(&entry(0, &[10, 0, 0, 1])), "INET:10.0.0.1");
        assert_eq!(access_entry(&entry(6, &[0; 16])), "INET6:::");
        assert_eq!(access_entry(&entry(0, &[10])), "INET:");
        assert_eq!(access_entry(&entry(1, &[10])), "<unknown family type 1>");
    }

    #[test]
    fn servers_that_cannot_be_had_here_are_recognised() {
        let kind = |vendor: &str, extensions: &[&str], outputs: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
            recognise(vendor, &owned(extensions), &owned(outputs))
        };
        assert_eq!(kind("The X.Org Foundation", &["Apple-WM", "GLX"], &[]), ServerKind::Xquartz);
        assert_eq!(kind("The X.Org Foundation", &["XWAYLAND"], &["DP-1"]), ServerKind::Xwayland);
        assert_eq!(kind("The X.Org Foundation", &["GLX"], &["XWAYLAND0"]), ServerKind::Xwayland);
        assert_eq!(kind("The X.Org Foundation", &["GLX", "NV-GLX"], &["HDMI-0"]), ServerKind::Xorg);
    }

    #[test]
    fn text_loses_its_nul() {
        assert_eq!(text(b"SGI\0"), "SGI");
        assert_eq!(words(b"nvidia mesa \0"), ["nvidia", "mesa"]);
    }
}
