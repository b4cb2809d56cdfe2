//! The book: its links lead somewhere, and every command that it shows does what the page says.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{Patient, XServer, healthy_configuration, lab};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = fs::read_dir(docs().join("guide")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

/// A command of a page with the words after `console` in the head of its block.
struct Shown {
    page: String,
    how: String,
    command: String,
}

fn shown(page: &Path) -> Vec<Shown> {
    let name = page.file_name().unwrap().to_str().unwrap().to_owned();
    let mut how: Option<String> = None;
    let mut all = Vec::new();
    for line in fs::read_to_string(page).unwrap().lines() {
        match (line.strip_prefix("```"), &how) {
            (Some(_), Some(_)) => how = None,
            (Some(head), None) => how = Some(head.to_owned()),
            (None, Some(head)) => {
                let kind = head.strip_prefix("console").unwrap_or_else(|| panic!("{name}: a block of {head:?} is not run"));
                let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{name}: {line:?} is no command"));
                all.push(Shown { page: name.clone(), how: kind.trim().to_owned(), command: command.to_owned() });
            }
            (None, None) => {}
        }
    }
    all
}

/// The command as it can be run here.
fn here(shown: &Shown) -> String {
    let Shown { page, how, command } = shown;
    match how.as_str() {
        "" => command.clone(),
        "dry" => command.replacen(" -- ", " --dry-run -- ", 1),
        "elsewhere" => format!("{} --help", command.split(" --").next().unwrap()),
        other => panic!("{page}: how is a block of {other:?} to be run?"),
    }
}

#[test]
fn every_command_of_the_book_can_be_run() {
    let server = XServer::start();
    let mut patient = Patient::at(&server);
    let cargo = Path::new(env!("CARGO")).parent().unwrap().to_str().unwrap().to_owned();
    let program = lab().program().parent().unwrap().to_str().unwrap().to_owned();
    patient.set("PATH", &format!("{program}:{cargo}:/usr/local/bin:/usr/bin:/bin"));
    patient.environment("casa_distro/brainvisa-5.3", &healthy_configuration(lab().image().to_str().unwrap()));
    let mut number = 0;
    for shown in pages().iter().flat_map(|page| shown(page)) {
        let line = here(&shown);
        // Cargo is that of whoever runs the tests, who may keep it where the lab's user cannot go.
        if line.starts_with("cargo ") {
            assert!(std::process::Command::new(env!("CARGO")).args(line.split(' ').skip(1)).output().unwrap().status.success());
            continue;
        }
        let mut command = lab().command("sh", patient.home());
        command.args(["-c", &line]).current_dir(patient.home());
        command.envs(patient.variables.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // casa-doctor may find something; it may not be used wrongly. Another program may fail, which a page is about, and must be there.
        let status = output.status.code().unwrap();
        let is_ours = line.starts_with("casa-doctor");
        assert!(
            if is_ours { status == 0 || status == 1 } else { !matches!(status, 126 | 127) },
            "{}: {line}: status {status}\n{told}",
            shown.page
        );
        number += 1;
    }
    assert!(number > 50, "only {number} commands were run");
}

#[test]
fn every_link_of_the_book_leads_somewhere() {
    let summary = docs().join("SUMMARY.md");
    let listed = fs::read_to_string(&summary).unwrap();
    for page in pages() {
        let name = format!("guide/{}", page.file_name().unwrap().to_str().unwrap());
        assert!(listed.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
    }
    for page in pages().into_iter().chain([summary]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(page.parent().unwrap().join(file).exists(), "{}: {link} leads nowhere", page.display());
            }
        }
    }
}
