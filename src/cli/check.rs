//! `doorward check`: is what is configured sound?

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::ConfigFile;
use crate::cli;
use crate::config::{self, Config};
use crate::policy::{AccessTable, Comparison, Described, Fault, MAX_OPENAPI, Place, Policy, TestResult};

/// The end of `check --help`.
pub(super) const MORE: &str = "\
Examples:
  doorward check --config doorward.yaml
  DOORWARD_POLICY_FILE=policy.yaml doorward check
  doorward check --json | jq '.faults[].problem'

Every fault is told at once, with its file and line and what to write instead. The table says who may what: a row for \
every rule, a column for every role. Where a service of the policy names its OpenAPI description (`openapi: FILE`), \
the two are compared: a rule for what is not described is a fault, an operation without a rule a warning. \
docs/policy.md has all of it, and the form of the JSON.

Nothing is started, written or asked over the network.

Exit status: 0 fine (there may be warnings), 1 faults in the policy, 2 bad usage or configuration.";

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// As JSON on standard output, faults included.
    #[arg(long)]
    json: bool,
}

/// All that is said. The form is written down in docs/policy.md; members are added to it and never taken away.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    providers: Vec<String>,
    policy: Option<String>,
    faults: Vec<Finding>,
    warnings: Vec<Finding>,
    /// `None`: the policy could not be loaded, so they were not run.
    tests: Option<Vec<Trial>>,
    table: Option<AccessTable>,
    openapi: Vec<Comparison>,
    #[serde(skip)]
    bad_configuration: bool,
}

#[derive(Debug, Serialize)]
struct Trial {
    passed: bool,
    #[serde(flatten)]
    result: TestResult,
}

/// A fault or a warning.
#[derive(Debug, Serialize)]
struct Finding {
    /// A file, or a variable's name.
    source: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    /// Of the configuration.
    key: Option<String>,
    problem: String,
    instead: Option<String>,
    /// As people read it.
    #[serde(skip)]
    text: String,
}

impl From<&Fault> for Finding {
    fn from(fault: &Fault) -> Self {
        let known = |number: u32| (number > 0).then_some(number);
        Self {
            source: Some(fault.file.to_string()),
            line: known(fault.place.line),
            column: known(fault.place.column),
            key: None,
            problem: fault.problem.clone(),
            instead: Some(fault.instead.clone()),
            text: fault.to_string(),
        }
    }
}

impl From<&config::Fault> for Finding {
    fn from(fault: &config::Fault) -> Self {
        let place = fault.origin().and_then(|origin| origin.rsplit_once(':'));
        let place = place.and_then(|(file, line)| Some((file, line.parse().ok()?)));
        Self {
            source: place.map(|(file, _)| file).or(fault.origin()).map(str::to_owned),
            line: place.map(|(_, line)| line),
            column: None,
            key: Some(fault.key().to_owned()),
            problem: fault.message().to_owned(),
            instead: None,
            text: fault.to_string(),
        }
    }
}

impl Finding {
    fn bare(problem: &str) -> Self {
        let text = problem.to_owned();
        Self { source: None, line: None, column: None, key: None, problem: text.clone(), instead: None, text }
    }
}

pub(super) fn run(check: &Check) -> ExitCode {
    let report = match check.file.load() {
        Ok(config) => Report::of(&config),
        Err(faults) if check.json => Report::refused(&faults),
        Err(faults) => return cli::refuse(&faults),
    };
    let status = match (report.ok, report.bad_configuration) {
        (true, _) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(2),
    };
    if check.json {
        return cli::put(&format!("{:#}", serde_json::to_value(&report).unwrap_or_default()), status);
    }
    let text = report.text();
    let status = if text.is_empty() { status } else { cli::put(text.trim_end(), status) };
    report.say_faults();
    status
}

impl Report {
    fn refused(faults: &config::Faults) -> Self {
        let faults = faults.iter().map(Finding::from).collect();
        Self { faults, bad_configuration: true, ..Self::default() }
    }

    fn of(config: &Config) -> Self {
        let mut report = Self {
            providers: config.providers.iter().map(|provider| provider.id.clone()).collect(),
            policy: config.policy.file.as_deref().map(|file| file.display().to_string()),
            warnings: config.warnings.iter().map(|warning| Finding::bare(warning)).collect(),
            ..Self::default()
        };
        match load(config) {
            Ok(policy) => report.examine(config, &policy),
            Err(faults) => report.add(&faults),
        }
        report.ok = report.faults.is_empty();
        report
    }

    fn add(&mut self, faults: &[Fault]) {
        self.faults.extend(faults.iter().map(Finding::from));
    }

    fn warn(&mut self, warnings: &[Fault]) {
        self.warnings.extend(warnings.iter().map(Finding::from));
    }

    fn examine(&mut self, config: &Config, policy: &Policy) {
        self.add(&policy.faults_with_providers(&config.identity_ids()));
        self.add(&policy.failed_tests());
        self.warn(policy.warnings());
        self.warn(&policy.warnings_with_providers(&config.identity_ids()));
        let tests = policy.run_tests().into_iter();
        self.tests = Some(tests.map(|result| Trial { passed: result.passed(), result }).collect());
        self.table = Some(policy.table());
        let folder = config.policy.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        for service in policy.described() {
            let comparison = compare(service, folder);
            self.add(&comparison.faults);
            self.warn(&comparison.warnings);
            self.openapi.push(comparison);
        }
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> =
            self.warnings.iter().map(|warning| format!("warning: {}", warning.text)).collect();
        let providers =
            if self.providers.is_empty() { "no providers".to_owned() } else { self.providers.join(", ") };
        let file = self.policy.as_ref().map_or_else(
            || "no policy file: every signed-in user may go everywhere".to_owned(),
            |file| format!("policy {file}"),
        );
        if self.ok {
            lines.push(format!("the configuration is fine: {providers}; {file}"));
        }
        if let Some(tests) = self.tests.as_deref().filter(|tests| !tests.is_empty()) {
            let passed = tests.iter().filter(|test| test.passed).count();
            lines.push(format!("tests of the policy: {passed} passed, {} failed", tests.len() - passed));
        }
        if let Some(table) = &self.table {
            lines.push(format!("\n{}", table.to_string().trim_end()));
        }
        for comparison in self.openapi.iter().filter(|comparison| !comparison.operations.is_empty()) {
            lines.push(format!("\n{}, as {} describes it:", comparison.service, comparison.file));
            lines.push(comparison.to_string().trim_end().to_owned());
        }
        lines.join("\n")
    }

    #[expect(clippy::print_stderr, reason = "the answer of a command")]
    fn say_faults(&self) {
        if !self.faults.is_empty() {
            let count = self.faults.len();
            eprintln!("doorward: {count} fault{} in the policy", if count == 1 { "" } else { "s" });
        }
        for fault in &self.faults {
            eprintln!("{}", fault.text);
        }
    }
}

/// The policy that would be served, but for its tests and what only shows beside the configuration.
fn load(config: &Config) -> Result<Policy, Vec<Fault>> {
    let Some(file) = &config.policy.file else { return Policy::open_to_signed_in(&config.policy.public) };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        vec![Fault {
            file: Arc::from(name.as_str()),
            place: Place::default(),
            problem: format!("the policy file cannot be read ({error})"),
            instead: "check the path, the permissions and the encoding (UTF-8)".to_owned(),
        }]
    })?;
    Policy::parse(&name, &text)
}

fn compare(service: Described<'_>, folder: &Path) -> Comparison {
    let path = folder.join(service.file());
    match read(&path) {
        Ok(text) => service.compare(&path.display().to_string(), &text),
        Err(error) => service.unreadable(&error.to_string()),
    }
}

/// A regular file of bearable size: descriptions are written by others.
fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    let limit = u64::try_from(MAX_OPENAPI).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > MAX_OPENAPI { Err(io::Error::other("it is over 16 MiB")) } else { Ok(text) }
}
