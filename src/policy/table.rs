//! The access table, role × endpoint, for people who write no programs.

use std::fmt::Write as _;

use super::compile::{Policy, Rule};
use super::decision::{Caller, Decision, Subject};
use super::document::Access;
use super::found::Fits;
use super::names::ADMIN_ROLE;

impl Policy {
    /// A line for every rule and one for the rest, a column for every kind of caller: `yes`, `no`, or `login`.
    /// Rows and columns are sorted, so that the order of the file does not show.
    #[must_use]
    pub fn table(&self) -> String {
        let roles: Vec<&str> =
            self.people.names().filter(|role| *role != ADMIN_ROLE || self.names_admin()).collect();
        let mut head = vec!["host".to_owned(), "methods".to_owned(), "path".to_owned()];
        head.extend(["anonymous".to_owned(), "signed in".to_owned()]);
        head.extend(roles.iter().map(|role| (*role).to_owned()));
        let mut rows: Vec<Vec<String>> = Vec::new();
        for rule in &self.rules {
            let shadow =
                rule.service.and_then(|id| self.service(id)).is_some_and(|service| service.settings.shadow);
            let path = if shadow { format!("{} (shadow)", rule.pattern) } else { rule.pattern.to_string() };
            for host in &rule.hosts {
                let mut row = vec![host.to_string(), methods(rule), path.clone()];
                row.extend(self.cells(Some(&rule.access), &roles));
                rows.push(row);
            }
        }
        rows.sort();
        let mut rest = vec!["*".to_owned(), "*".to_owned(), "everything else".to_owned()];
        rest.extend(self.cells(self.default.as_ref(), &roles));
        rows.push(rest);
        rows.insert(0, head);
        aligned(&rows)
    }

    fn names_admin(&self) -> bool {
        self.rules.iter().any(|rule| matches!(&rule.access, Access::Roles(roles) if roles.iter().any(|role| role == ADMIN_ROLE)))
    }

    fn cells(&self, access: Option<&Access>, roles: &[&str]) -> Vec<String> {
        let signed_in = |role: Option<&str>| {
            let roles: Vec<String> = role.into_iter().map(str::to_owned).collect();
            let permissions = self.permissions(&roles);
            cell(access, Caller::Known(Subject { roles: &roles, permissions: &permissions, audiences: None }))
        };
        let people = roles.iter().map(|role| signed_in(Some(role)));
        [cell(access, Caller::Anonymous), signed_in(None)].into_iter().chain(people).collect()
    }
}

fn cell(access: Option<&Access>, caller: Caller<'_>) -> String {
    match super::found::judge(access, Fits::ALL, caller) {
        Decision::Allow(_) => "yes",
        Decision::Challenge => "login",
        _ => "no",
    }
    .to_owned()
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
