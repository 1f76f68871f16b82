//! The access table, role × endpoint, for people who write no programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::compile::Policy;
use super::decision::{Caller, Decision, Subject};
use super::document::Access;
use super::explain::RuleRef;
use super::found::Fits;
use super::names::ADMIN_ROLE;

/// Who may what, as data. Rows and columns are sorted, so that the order of the file does not show.
#[derive(Clone, Debug, Serialize)]
pub struct AccessTable {
    /// `anonymous`, `signed in` (without any role), and every role.
    pub callers: Vec<String>,
    /// A row for every rule and host; the last is for everything that no rule covers.
    pub rows: Vec<AccessRow>,
}

/// A rule on a host, and what everybody is answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AccessRow {
    /// As in the policy; `*` is every host.
    pub host: String,
    /// Empty for every method.
    pub methods: Vec<String>,
    /// The whole path, with the service's prefix; `None` in the last row.
    pub path: Option<String>,
    /// Whether it is in shadow: told and not enforced.
    pub shadow: bool,
    /// The rule; `None` in the last row.
    pub rule: Option<RuleRef>,
    /// `yes`, `no` or `login`, by caller.
    pub access: BTreeMap<String, &'static str>,
}

impl AccessRow {
    fn cells(&self, callers: &[String]) -> Vec<String> {
        let path = self.path.as_deref().unwrap_or("everything else");
        let path = if self.shadow { format!("{path} (shadow)") } else { path.to_owned() };
        let methods = if self.methods.is_empty() { "*".to_owned() } else { self.methods.join(",") };
        let access = callers.iter().map(|who| self.access.get(who).copied().unwrap_or_default().to_owned());
        [self.host.clone(), methods, path].into_iter().chain(access).collect()
    }
}

/// A line for every rule and one for the rest, a column for every kind of caller.
impl fmt::Display for AccessTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = vec!["host".to_owned(), "methods".to_owned(), "path".to_owned()];
        head.extend(self.callers.iter().cloned());
        let mut rows = vec![head];
        rows.extend(self.rows.iter().map(|row| row.cells(&self.callers)));
        f.write_str(&aligned(&rows))
    }
}

impl Policy {
    /// Who may what.
    #[must_use]
    pub fn table(&self) -> AccessTable {
        let roles: Vec<&str> =
            self.people.names().filter(|role| *role != ADMIN_ROLE || self.names_admin()).collect();
        let people = ["anonymous", "signed in"].into_iter().chain(roles.iter().copied());
        let callers: Vec<String> = people.map(str::to_owned).collect();
        let mut rows: Vec<AccessRow> = Vec::new();
        for rule in &self.rules {
            let access = self.access(Some(&rule.access), &roles);
            rows.extend(rule.hosts.iter().map(|host| {
                AccessRow {
                    host: host.to_string(),
                    methods: rule.methods.clone(),
                    path: Some(rule.pattern.to_string()),
                    shadow: rule
                        .service
                        .and_then(|id| self.service(id))
                        .is_some_and(|service| service.settings.shadow),
                    rule: Some(rule.into()),
                    access: access.clone(),
                }
            }));
        }
        rows.sort_by_cached_key(|row| row.cells(&callers));
        rows.push(AccessRow {
            host: "*".to_owned(),
            methods: Vec::new(),
            path: None,
            shadow: false,
            rule: None,
            access: self.access(self.default.as_ref(), &roles),
        });
        AccessTable { callers, rows }
    }

    fn names_admin(&self) -> bool {
        self.rules.iter().any(|rule| matches!(&rule.access, Access::Roles(roles) if roles.iter().any(|role| role == ADMIN_ROLE)))
    }

    fn access(&self, access: Option<&Access>, roles: &[&str]) -> BTreeMap<String, &'static str> {
        let signed_in = |role: Option<&str>| {
            let roles: Vec<String> = role.into_iter().map(str::to_owned).collect();
            let permissions = self.permissions(&roles);
            cell(access, Caller::Known(Subject { roles: &roles, permissions: &permissions, audiences: None }))
        };
        let people = roles.iter().map(|role| ((*role).to_owned(), signed_in(Some(role))));
        let others = [
            ("anonymous".to_owned(), cell(access, Caller::Anonymous)),
            ("signed in".to_owned(), signed_in(None)),
        ];
        others.into_iter().chain(people).collect()
    }
}

fn cell(access: Option<&Access>, caller: Caller<'_>) -> &'static str {
    match super::found::judge(access, Fits::ALL, caller) {
        Decision::Allow(_) => "yes",
        Decision::Challenge => "login",
        _ => "no",
    }
}

pub(super) fn aligned(rows: &[Vec<String>]) -> String {
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
