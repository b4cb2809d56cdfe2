//! `--replay FOLDER`: every recording of a folder judged, one line each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::args::{Format, Options};
use super::diagnose::{Diagnosis, replayed};
use super::{Failure, deliver};
use crate::host::{FileKind, Host};
use crate::report::text::{harmless, plural};
use crate::report::{ExitStatus, FindingDoc, decide_exit_status, json};

/// What became of one recording.
#[derive(Debug, Serialize)]
struct Judged {
    /// Its name in the folder.
    file: String,
    /// Ids of its findings, the worst first; `null` when it cannot be read.
    findings: Option<Vec<String>>,
    /// How many of them are errors.
    errors: usize,
    /// The recommended OpenGL mode.
    opengl: Option<&'static str>,
    /// Why it cannot be judged.
    error: Option<String>,
    /// The exit status that it has alone.
    exit_status: ExitStatus,
}

/// Whether recordings of a whole folder are to be judged.
pub(super) fn is_folder(host: &dyn Host, path: &Path) -> bool {
    host.metadata(path).is_ok_and(|metadata| metadata.kind == FileKind::Directory)
}

/// Judges every `*.json` of a folder. The status is the worst of them; a file that is no recording is told and counts as 3.
pub(super) fn judge(host: &Arc<dyn Host>, options: &Options, folder: &Path) -> Result<ExitStatus, Failure> {
    if !matches!(options.format, Format::Human | Format::Json) {
        return Err(Failure::usage(anyhow::anyhow!("a folder of recordings is told with --format human or json")));
    }
    if options.baseline.is_some() || options.write_baseline.is_some() {
        return Err(Failure::usage(anyhow::anyhow!("a baseline is for one machine: give one recording with --replay")));
    }
    let names = host.read_dir(folder).map_err(|error| anyhow::anyhow!("cannot list {}: {error}", folder.display()))?;
    let files: Vec<PathBuf> =
        names.iter().map(PathBuf::from).filter(|name| name.extension().is_some_and(|end| end == "json")).collect();
    if files.is_empty() {
        return Err(anyhow::anyhow!("{} holds no recording (*.json)", folder.display()).into());
    }
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        all.push(judge_one(host, options, folder, &file)?);
    }
    let text = match options.format {
        Format::Json => json::render(&all)?,
        _ => all.iter().filter(|one| !options.quiet || one.exit_status != ExitStatus::Clean).map(Judged::line).collect(),
    };
    deliver(options, &text)?;
    let worst = all.iter().map(|one| one.exit_status).max_by_key(|status| status.code());
    Ok(worst.unwrap_or(ExitStatus::Clean))
}

fn judge_one(host: &Arc<dyn Host>, options: &Options, folder: &Path, file: &Path) -> Result<Judged, Failure> {
    let name = file.to_string_lossy().into_owned();
    let diagnosis = match replayed(host, options, &folder.join(file)) {
        Ok((diagnosis, _)) => diagnosis,
        // An unknown id of --only is a mistake of the caller, not of the file.
        Err(failure) if failure.status == ExitStatus::Usage => return Err(failure),
        Err(failure) => {
            let error = Some(format!("{:#}", failure.error));
            return Ok(Judged { file: name, findings: None, errors: 0, opengl: None, error, exit_status: failure.status });
        }
    };
    Ok(Judged::of(name, options, &diagnosis))
}

impl Judged {
    fn of(file: String, options: &Options, diagnosis: &Diagnosis) -> Self {
        let found: Vec<FindingDoc> = diagnosis.findings();
        let errors = found.iter().filter(|finding| finding.severity == casa_doctor_checks::finding::Severity::Error).count();
        Self {
            file,
            errors,
            opengl: diagnosis.recommendation.as_ref().map(|recommendation| recommendation.opengl.word()),
            error: None,
            exit_status: decide_exit_status(&found, options.fail_on),
            findings: Some(found.into_iter().map(|finding| finding.id).collect()),
        }
    }

    fn line(&self) -> String {
        let told = match (&self.findings, &self.error) {
            (Some(findings), _) => {
                let opengl = self.opengl.map_or(String::new(), |mode| format!(", opengl {mode}"));
                let ids = if findings.is_empty() { String::new() } else { format!(": {}", findings.join(" ")) };
                format!("{}, {}{opengl}{ids}", plural(self.errors, "error"), plural(findings.len(), "finding"))
            }
            (None, error) => format!("not judged: {}", error.as_deref().unwrap_or("unknown")),
        };
        format!("{}: {}\n", harmless(&self.file).replace('\n', " "), harmless(&told).replace('\n', " "))
    }
}
