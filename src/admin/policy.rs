//! The policy in force, as a table, and why the file as it is now may not be.

use serde::Serialize;

use super::Admin;
use crate::policy::{AccessTable, Fault};

/// The policy in force.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyView {
    /// Counts the policies that were in force since the start.
    pub version: u64,
    /// Where it is from; without a file every signed-in user may go everywhere.
    pub file: Option<String>,
    /// Every role that it names.
    pub roles: Vec<String>,
    /// Who may go where.
    #[serde(flatten)]
    pub access: AccessTable,
    /// What is allowed but dangerous, or of no use.
    pub warnings: Vec<FaultView>,
    /// Why the file as it is now is not in force; empty when it is.
    pub faults: Vec<FaultView>,
}

/// A fault of the policy file.
#[derive(Clone, Debug, Serialize)]
pub struct FaultView {
    /// The file.
    pub file: String,
    /// Its line, from 1; 0 is the file as a whole.
    pub line: u32,
    /// The column in it.
    pub column: u32,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub instead: String,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        Self {
            file: fault.file.to_string(),
            line: fault.place.line,
            column: fault.place.column,
            problem: fault.problem.clone(),
            instead: fault.instead.clone(),
        }
    }
}

impl Admin<'_> {
    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> PolicyView {
        let live = &self.desk.policy;
        let policy = live.load();
        PolicyView {
            version: live.version(),
            file: self.desk.config.policy.file.as_ref().map(|file| file.display().to_string()),
            roles: policy.role_names().map(str::to_owned).collect(),
            access: policy.table(),
            warnings: policy.warnings().iter().map(FaultView::from).collect(),
            faults: live.last_fault().iter().flatten().map(FaultView::from).collect(),
        }
    }
}
