//! The running server: its process, and the arguments with which it was started.

use std::path::{Path, PathBuf};

use casa_doctor_checks::facts::{Xquartz, XquartzArguments};

use super::Look;

/// Logs of the server, of today's and of older versions, below the home directory.
const LOGS: [&str; 2] = ["Library/Logs/X11/org.xquartz.log", "Library/Logs/X11/org.macosforge.xquartz.log"];
/// Longer logs have been growing for years; their beginning is not of use.
const LOG_LIMIT: u64 = 16 << 20;

/// Looks for the server among the user's processes, and for its arguments there or else in its log.
pub(super) fn look(look: &Look<'_>, facts: &mut Xquartz) {
    // The user's own processes with and without a terminal, lines in full length.
    let output = look.run("ps", &["-xww", "-o", "args="]);
    if output.success() {
        let text = output.stdout_text();
        let server = text.lines().find(|line| program_of(line) == "Xquartz");
        facts.running = Some(server.is_some() || text.lines().any(|line| program_of(line) == "X11.bin"));
        facts.arguments = server.map(|line| of_words(&line.split_whitespace().skip(1).collect::<Vec<_>>(), "ps"));
    } else {
        facts.unknown.insert("running".to_owned(), format!("\"ps -xww -o args=\" {}", output.end_in_words()));
    }
    if facts.arguments.is_none() {
        let home = look.host.identity().home.unwrap_or_default();
        facts.arguments = LOGS.iter().map(|log| home.join(log)).find_map(|log| of_log(look, &log));
    }
    if facts.arguments.is_none() {
        let reason = "neither a process nor a log of the server tells how it was started";
        facts.unknown.insert("arguments".to_owned(), reason.to_owned());
    }
}

/// The name of the program in a line of ps. The path of an application may have blanks, the name of these programs has none.
fn program_of(line: &str) -> &str {
    let line = line.trim();
    let known = ["/Xquartz", "/X11.bin"].iter().find_map(|name| {
        let end = line.find(name)? + name.len();
        let ends_a_word = line[end..].chars().next().is_none_or(char::is_whitespace);
        // What comes before it must be the path and not an argument of another program.
        let path = line.starts_with('/') && !line[..end].contains(" -");
        (ends_a_word && path).then(|| &line[end - name.len() + 1..end])
    });
    known.unwrap_or_else(|| line.split_whitespace().next().and_then(|word| word.rsplit('/').next()).unwrap_or_default())
}

/// The arguments that the application wrote down when it started the server last: `argv[2] = -nolisten`, one a line.
fn of_log(look: &Look<'_>, path: &Path) -> Option<XquartzArguments> {
    let text = look.host.read_text(path, LOG_LIMIT).ok()?;
    let mut words: Vec<&str> = Vec::new();
    for line in text.lines() {
        let Some((_, rest)) = line.split_once("argv[") else { continue };
        let Some((index, value)) = rest.split_once("] = ") else { continue };
        if index == "0" {
            words.clear();
        }
        words.push(value.trim());
    }
    let path = PathBuf::from(path);
    (!words.is_empty()).then(|| of_words(words.get(1..).unwrap_or_default(), &path.display().to_string()))
}

/// Reads the arguments of an X server (Xserver(1), Xquartz(1)); the last one counts.
fn of_words(words: &[&str], source: &str) -> XquartzArguments {
    let mut arguments = XquartzArguments { source: source.to_owned(), ..XquartzArguments::default() };
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied();
        match *word {
            "-nolisten" if next == Some("tcp") => arguments.tcp = Some(false),
            "-listen" if next == Some("tcp") => arguments.tcp = Some(true),
            "+iglx" => arguments.iglx = Some(true),
            "-iglx" => arguments.iglx = Some(false),
            "-auth" => arguments.authority = true,
            display if display.starts_with(':') => arguments.number = display[1..].parse().ok().or(arguments.number),
            _ => {}
        }
    }
    arguments
}
