//! The access table, role × endpoint, for people who write no programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::compile::{Policy, Rule};
use super::decision::{Caller, Decision, Subject};
use super::document::Access;
use super::explain::RuleRef;
use super::found::Fits;
use super::names::ADMIN_ROLE;

/// The access table: a row for every host of every rule and one for the rest, a cell for every kind of caller.
/// Rows and columns are sorted, so that the order of the file does not show.
#[derive(Clone, Debug, Serialize)]
pub struct AccessTable {
    /// `anonymous`, `signed in`, and every role that the policy names.
    pub callers: Vec<String>,
    /// The rules; the last row is everything else.
    pub rows: Vec<AccessRow>,
}

/// What one rule says to everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AccessRow {
    /// The host, or `*`.
    pub host: String,
    /// The methods, comma separated, or `*`.
    pub methods: String,
    /// The path.
    pub path: String,
    /// Whether its service is in shadow: decided and recorded, never enforced.
    pub shadow: bool,
    /// A cell for each of [`AccessTable::callers`]: `yes`, `no` or `login`.
    pub cells: Vec<&'static str>,
    /// What it asks for, in words.
    pub needs: String,
    /// The rule; `None` for the default.
    pub rule: Option<RuleRef>,
}

impl Policy {
    /// The access table.
    #[must_use]
    pub fn access(&self) -> AccessTable {
        let roles: Vec<&str> = self.role_names().collect();
        let mut rows = Vec::new();
        for rule in &self.rules {
            let shadow =
                rule.service.and_then(|id| self.service(id)).is_some_and(|service| service.settings.shadow);
            rows.extend(rule.hosts.iter().map(|host| AccessRow {
                host: host.to_string(),
                methods: methods(rule),
                path: rule.pattern.to_string(),
                shadow,
                cells: self.cells(Some(&rule.access), &roles),
                needs: rule.access.to_string(),
                rule: Some(rule.into()),
            }));
        }
        rows.sort();
        let needs =
            self.default.as_ref().map_or_else(|| "a rule, and there is none".to_owned(), Access::to_string);
        rows.push(AccessRow {
            host: "*".to_owned(),
            methods: "*".to_owned(),
            path: "everything else".to_owned(),
            shadow: false,
            cells: self.cells(self.default.as_ref(), &roles),
            needs,
            rule: None,
        });
        let callers = ["anonymous", "signed in"].into_iter().chain(roles).map(str::to_owned).collect();
        AccessTable { callers, rows }
    }

    /// The access table as text.
    #[must_use]
    pub fn table(&self) -> String {
        let AccessTable { callers, rows } = self.access();
        let mut lines = vec!["host", "methods", "path"].into_iter().map(str::to_owned).collect::<Vec<_>>();
        lines.extend(callers);
        let mut lines = vec![lines];
        lines.extend(rows.into_iter().map(|row| {
            let path = if row.shadow { format!("{} (shadow)", row.path) } else { row.path };
            let cells = row.cells.into_iter().map(str::to_owned);
            [row.host, row.methods, path].into_iter().chain(cells).collect()
        }));
        aligned(&lines)
    }

    /// Every role that the policy names, sorted; the administrators' own only where a rule names it.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        let admin = self.names_admin();
        self.people.names().filter(move |role| *role != ADMIN_ROLE || admin)
    }

    fn names_admin(&self) -> bool {
        self.rules.iter().any(|rule| matches!(&rule.access, Access::Roles(roles) if roles.iter().any(|role| role == ADMIN_ROLE)))
    }

    fn cells(&self, access: Option<&Access>, roles: &[&str]) -> Vec<&'static str> {
        let signed_in = |role: Option<&str>| {
            let roles: Vec<String> = role.into_iter().map(str::to_owned).collect();
            let permissions = self.permissions(&roles);
            cell(access, Caller::Known(Subject { roles: &roles, permissions: &permissions, audiences: None }))
        };
        let people = roles.iter().map(|role| signed_in(Some(role)));
        [cell(access, Caller::Anonymous), signed_in(None)].into_iter().chain(people).collect()
    }
}

fn cell(access: Option<&Access>, caller: Caller<'_>) -> &'static str {
    match super::found::judge(access, Fits::ALL, caller) {
        Decision::Allow(_) => "yes",
        Decision::Challenge => "login",
        _ => "no",
    }
}

fn methods(rule: &Rule) -> String {
    if rule.methods.is_empty() { "*".to_owned() } else { rule.methods.join(",") }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
