//! The plan: every change that the findings and the recommendation give a reason for. Pure.

use casa_doctor_checks::facts::{Environment, Facts};
use casa_doctor_checks::finding::{Change, Edit, Safety};
use serde_json::Value;

use crate::recommend::decision::{self, Decision};
use crate::recommend::situation::DisplayKind;
use crate::recommend::{OpenGl, Recommendation};
use crate::report::{CheckRun, EditDoc, PlanDoc};

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// Changes that are made without asking.
    pub(crate) safe: Vec<Edit>,
    /// Changes that are made when the user agrees, each with the sentence to ask about.
    pub(crate) confirm: Vec<(String, Edit)>,
    /// What could not be planned, in words.
    pub(crate) notes: Vec<String>,
    /// The values that stand at the edited places now.
    from: Vec<(Edit, Option<Value>)>,
}
