//! The probe "xquartz": the X server of macOS, its preferences, and whether containers can reach it.
//!
//! Sources: `startx`, `hw/xquartz` and the FAQ of XQuartz.

mod preferences;
mod server;
pub(super) mod tcp;

use std::path::{Path, PathBuf};
use std::time::Duration;

use casa_doctor_checks::facts::{Xquartz, XquartzTcp};
use plist::Value;

use super::{Context, display_lines};
use crate::host::{Command, CommandEnd, CommandOutput, Host};

/// The preference domain of XQuartz 2.8 and later.
const DOMAIN: &str = "org.xquartz.X11";
/// That of 2.7 and earlier, which most instructions still name.
const OLD_DOMAIN: &str = "org.macosforge.xquartz.X11";

/// Places of the application.
const APPS: &[&str] = &["Applications/Utilities/XQuartz.app", "Applications/XQuartz.app", "Applications/MacPorts/X11.app"];
/// The server itself, which every installation of XQuartz has.
const SERVER: &str = "/opt/X11/bin/Xquartz";

/// How long one of the system's small programs may take. They answer in some hundredths of a second.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Looks at XQuartz.
///
/// # Errors
///
/// The reason why there is nothing to look at, on any system but macOS.
pub(crate) fn probe(context: &Context, os: &str) -> Result<Xquartz, String> {
    if os != "macos" {
        return Err("XQuartz is the X server of macOS, and this is another system".to_owned());
    }
    let look = Look { host: context.host.as_ref(), limit: PATIENCE.min(context.limit.mul_f32(0.5)) };
    let mut facts = Xquartz::default();
    let (found, unseen) = application(look.host);
    if let Some(reason) = unseen {
        facts.unknown.insert("app".to_owned(), reason);
    }
    if let Some((app, bundle)) = found {
        facts.app = Some(app);
        facts.version = bundle.as_ref().and_then(|bundle| text_of(bundle, "CFBundleShortVersionString"));
        facts.domain = bundle.as_ref().and_then(|bundle| text_of(bundle, "CFBundleIdentifier"));
    }
    // startx lets this variable name another one (XQuartz, startx).
    facts.domain = look.host.env_text("X11_PREFS_DOMAIN").or(facts.domain);
    facts.settings = preferences::look(&look, facts.domain.as_deref(), &mut facts.unknown);
    server::look(&look, &mut facts);
    facts.launchd_display = launchd_display(&look, &mut facts);
    if facts.app.is_some() {
        let number = facts.arguments.as_ref().and_then(|arguments| arguments.number).unwrap_or(0);
        facts.tcp = tcp::ask(look.host, number, look.limit);
    } else {
        facts.tcp = XquartzTcp::NotTried;
    }
    facts.display_lines = display_lines::look(look.host);
    Ok(facts)
}

/// The machine, and how long each of its programs may take.
struct Look<'a> {
    host: &'a dyn Host,
    limit: Duration,
}

impl Look<'_> {
    fn run(&self, program: &str, arguments: &[&str]) -> CommandOutput {
        self.host.run(&Command::new(program, self.limit).args(arguments.iter().copied()))
    }
}

/// The application with the content of its Info.plist, when that can be read. Where it is not found, a place that could not be
/// looked at.
fn application(host: &dyn Host) -> (Option<(PathBuf, Option<Value>)>, Option<String>) {
    let home = host.identity().home.unwrap_or_default();
    let places: Vec<PathBuf> = APPS.iter().flat_map(|place| [Path::new("/").join(place), home.join(place)]).collect();
    if let Some(app) = places.iter().find(|place| host.exists(place) == Some(true)) {
        let bundle = property_list(host, &app.join("Contents/Info.plist")).ok();
        return (Some((app.clone(), bundle)), None);
    }
    let server = PathBuf::from(SERVER);
    if host.exists(&server) == Some(true) {
        return (Some((server, None)), None);
    }
    let unseen = places.iter().chain([&server]).find(|place| host.exists(place).is_none());
    (None, unseen.map(|place| format!("{} could not be looked at", place.display())))
}

/// A property list in any of its forms (binary, XML).
fn property_list(host: &dyn Host, path: &Path) -> Result<Value, String> {
    let bytes = host.read(path, 4 << 20).map_err(|error| format!("{}: {error}", path.display()))?;
    Value::from_reader(std::io::Cursor::new(bytes)).map_err(|error| format!("{}: not a property list: {error}", path.display()))
}

fn text_of(bundle: &Value, key: &str) -> Option<String> {
    bundle.as_dictionary()?.get(key)?.as_string().map(str::to_owned)
}

/// DISPLAY as launchd hands it to every new session: the path of the socket that starts XQuartz on demand.
fn launchd_display(look: &Look<'_>, facts: &mut Xquartz) -> Option<String> {
    let output = look.run("launchctl", &["getenv", "DISPLAY"]);
    // Versions of macOS differ in the status for a variable that is not set.
    let unset = matches!(output.end, CommandEnd::Exited(_)) && output.stdout.is_empty() && output.stderr.is_empty();
    if !output.success() && !unset {
        let reason = format!("\"launchctl getenv DISPLAY\" {}", output.end_in_words());
        facts.unknown.insert("launchd_display".to_owned(), reason);
        return None;
    }
    Some(output.stdout_text().trim().to_owned())
}

#[cfg(test)]
mod tests;
