//! The plan: every change to a file that the findings and the recommendation give a reason for. Pure.

use casa_doctor_checks::facts::{ConfigFile, Environment, Facts};
use casa_doctor_checks::finding::{Change, Edit, Safety};
use serde_json::{Map, Value};

use crate::casa_distro::HIDDEN;
use crate::recommend::{Recommendation, memory};
use crate::report::{CheckRun, Document, EditDoc, PlanDoc};

/// A group of edits that belong together: the cure of one finding, or the record of the decision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Repair {
    /// Id of the finding, or [`RECOMMENDATION`].
    pub(crate) because: String,
    /// Index of the finding among those of its id, and of the advice in it; `None` for the recommendation.
    advice: Option<(usize, usize)>,
    /// The sentence that says what is done.
    pub(crate) text: String,
    /// Whether it may be done without asking.
    pub(crate) safety: Safety,
    /// The edits.
    pub(crate) edits: Vec<Edit>,
}

/// The reason of edits that no finding gives.
pub(crate) const RECOMMENDATION: &str = "recommendation";

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// The repairs, in the order of the findings, the decision last.
    pub(crate) repairs: Vec<Repair>,
    /// What could not be planned, in words.
    pub(crate) notes: Vec<String>,
}

/// Works out what is to be done.
pub(crate) fn build(facts: &Facts, runs: &[CheckRun], recommendation: Option<&Recommendation>) -> Plan {
    let mut plan = Plan::default();
    let mut counted: Vec<&str> = Vec::new();
    for finding in runs.iter().flat_map(CheckRun::findings) {
        let id = finding.kind.id;
        let nth = counted.iter().filter(|known| **known == id).count();
        counted.push(id);
        for (index, edit) in finding.repairs() {
            if writes_hidden(edit) {
                plan.notes.push(format!(
                    "{id}: {} of {} is left as it is, because a secret stands there, which is not read: change it by hand",
                    edit.key,
                    edit.file.display()
                ));
                continue;
            }
            match plan.repairs.last_mut() {
                Some(repair) if repair.because == id && repair.advice == Some((nth, index)) => repair.edits.push(edit.clone()),
                _ => plan.repairs.push(Repair {
                    because: id.to_owned(),
                    advice: Some((nth, index)),
                    text: finding.advice[index].text.clone(),
                    safety: finding.advice[index].safety,
                    edits: vec![edit.clone()],
                }),
            }
        }
    }
    let environment = facts.environment.as_ref().and_then(|search| search.found.as_ref());
    if let (Some(environment), Some(recommendation)) = (environment, recommendation)
        && environment.file.error.is_none()
    {
        let decided = memory::remember(environment, facts, recommendation, &Map::new());
        plan.notes.extend(decided.notes);
        if !decided.edits.is_empty() {
            plan.repairs.push(Repair {
                because: RECOMMENDATION.into(),
                advice: None,
                text: format!("Record the OpenGL mode \"{}\" for this machine and this display.", recommendation.opengl.word()),
                safety: Safety::Safe,
                edits: decided.edits,
            });
        }
    }
    plan
}

/// Whether an edit would put the sign for a hidden secret into the place of the secret.
fn writes_hidden(edit: &Edit) -> bool {
    match &edit.change {
        Change::Set { to: value } | Change::Append { value } => value.to_string().contains(HIDDEN),
        Change::Rename { to } => to.contains(HIDDEN),
        Change::Remove => false,
    }
}

impl Plan {
    /// The edits of the repairs that the caller agrees to.
    pub(crate) fn edits(&self, agreed: impl Fn(&Repair) -> bool) -> Vec<Edit> {
        self.repairs.iter().filter(|repair| agreed(repair)).flat_map(|repair| repair.edits.iter().cloned()).collect()
    }

    /// The part of the document that tells the plan. A key that is renamed is told as one that goes and one that comes.
    pub(crate) fn document(&self, facts: &Facts) -> PlanDoc {
        let edits = self.repairs.iter().flat_map(|repair| &repair.edits).flat_map(|edit| told(facts, edit)).collect();
        PlanDoc { edits, commands: Vec::new() }
    }

    /// Marks the advice of repairs that were made as applied.
    pub(crate) fn mark_applied(&self, document: &mut Document, agreed: impl Fn(&Repair) -> bool) {
        for repair in self.repairs.iter().filter(|repair| agreed(repair)) {
            let Some((nth, advice)) = repair.advice else { continue };
            let findings = document.findings.iter_mut().filter(|finding| finding.id == repair.because);
            if let Some(advice) = findings.into_iter().nth(nth).and_then(|finding| finding.advice.get_mut(advice)) {
                advice.applied = true;
            }
        }
    }
}

fn told(facts: &Facts, edit: &Edit) -> Vec<EditDoc> {
    let now = file(facts, edit).and_then(|file| file.value.as_ref()).and_then(|value| value.pointer(&edit.key)).cloned();
    match &edit.change {
        Change::Set { to } => vec![EditDoc::new(edit, now, Some(to.clone()))],
        Change::Remove => vec![EditDoc::new(edit, now, None)],
        Change::Append { value } => {
            let mut list = now.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
            list.push(value.clone());
            vec![EditDoc::new(edit, now, Some(list.into()))]
        }
        Change::Rename { to } => {
            let parent = edit.key.rsplit_once('/').map_or("", |(parent, _)| parent);
            let renamed = Edit { key: format!("{parent}/{}", to.replace('~', "~0").replace('/', "~1")), ..edit.clone() };
            let there =
                file(facts, edit).and_then(|file| file.value.as_ref()).and_then(|value| value.pointer(&renamed.key)).cloned();
            let then = merged(there.as_ref(), now.as_ref());
            vec![EditDoc::new(edit, now, None), EditDoc::new(&renamed, there, then)]
        }
    }
}

/// What stands under a name after another key was renamed to it: the entries that were there win.
fn merged(there: Option<&Value>, moved: Option<&Value>) -> Option<Value> {
    match (there, moved) {
        (Some(Value::Object(there)), Some(Value::Object(moved))) => {
            let new = moved.iter().filter(|(key, _)| !there.contains_key(*key));
            Some(there.iter().chain(new).map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>().into())
        }
        (Some(there), _) => Some(there.clone()),
        (None, moved) => moved.cloned(),
    }
}

fn file<'a>(facts: &'a Facts, edit: &Edit) -> Option<&'a ConfigFile> {
    let environment: &Environment = facts.environment.as_ref()?.found.as_ref()?;
    std::iter::once(&environment.file).chain(&environment.user_file).find(|file| file.path == edit.file)
}
