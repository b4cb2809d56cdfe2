//! Checks of the family "distributed": soma-workflow, with which BrainVISA runs jobs on other machines.

mod commands;
mod configuration;
mod startup;

use crate::check::{Check, Outcome};
use crate::facts::{Facts, SomaFile, SomaResource, SomaWorkflow};

/// The checks of this family, sorted by id.
pub(crate) static CHECKS: &[&Check] = &[&commands::COMMANDS, &configuration::CHECK, &commands::PYTHON, &startup::CHECK];

/// The configuration, or the outcome of every check where nobody uses soma-workflow.
fn configured(facts: &Facts) -> Result<&SomaWorkflow, Outcome> {
    let found =
        facts.soma_workflow.as_ref().ok_or_else(|| Outcome::Unknown("nothing was recorded about soma-workflow".to_owned()))?;
    if found.files.is_empty() { Err(Outcome::Skipped("soma-workflow is not configured".to_owned())) } else { Ok(found) }
}

/// The file that soma-workflow reads on this machine, outside of containers, or the outcome of checks about its content.
fn host_file(facts: &Facts) -> Result<(&SomaWorkflow, &SomaFile), Outcome> {
    let found = configured(facts)?;
    let Some(file) = found.files.iter().find(|file| !file.in_container) else {
        return Err(Outcome::Skipped("soma-workflow is configured in the container only".to_owned()));
    };
    if file.error.is_some() {
        return Err(Outcome::Skipped(format!("{} cannot be read", file.path.display())));
    }
    Ok((found, file))
}

/// Where a resource stands, for evidence.
fn place(file: &SomaFile, line: u32, resource: &SomaResource) -> String {
    format!("{}:{line}: [{}]", file.path.display(), resource.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SomaResource;
    use crate::image::tests::answered;

    /// Facts with one resource in ~/.soma-workflow.cfg.
    pub(super) fn facts_of(resource: SomaResource) -> Facts {
        let file = SomaFile { path: "/home/anna/.soma-workflow.cfg".into(), resources: vec![resource], ..SomaFile::default() };
        Facts { soma_workflow: Some(SomaWorkflow { files: vec![file], ..SomaWorkflow::default() }), ..answered() }
    }

    /// A resource of a cluster whose jobs are submitted here.
    pub(super) fn cluster() -> SomaResource {
        SomaResource {
            name: "cluster".into(),
            line: 1,
            scheduler: Some("slurm".into()),
            served_here: true,
            ..SomaResource::default()
        }
    }

    #[test]
    fn where_nobody_uses_soma_workflow_nothing_is_judged() {
        for check in CHECKS {
            let facts = Facts { soma_workflow: Some(SomaWorkflow::default()), ..answered() };
            assert!(matches!(check.judge(&facts), Outcome::Skipped(_)), "{}", check.id);
            assert!(matches!(check.judge(&answered()), Outcome::Unknown(_)), "{}", check.id);
        }
    }
}
