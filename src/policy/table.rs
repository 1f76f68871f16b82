//! The access table, role × endpoint, for people who write no programs: as rows and cells, and as text.

use std::fmt::Write as _;

use super::compile::{Policy, Rule};
use super::decision::{Caller, Decision, Subject};
use super::document::Access;
use super::found::Fits;
use super::names::ADMIN_ROLE;

/// The access table. Rows and columns are sorted, so that the order of the file does not show.
#[derive(Debug)]
pub struct Matrix<'p> {
    /// The columns after "anonymous" and "signed in" (without any role).
    pub roles: Vec<&'p str>,
    /// A row for every host of every rule; the last is for everything else.
    pub rows: Vec<Row<'p>>,
}

/// A row of the [`Matrix`].
#[derive(Debug)]
pub struct Row<'p> {
    /// A host, `*.parent`, or `*`.
    pub host: String,
    /// Comma separated, or `*`.
    pub methods: String,
    /// The path's pattern.
    pub path: String,
    /// The rule; `None` is the default.
    pub rule: Option<&'p Rule>,
    /// What it asks for, in words.
    pub needs: String,
    /// Whether the service's rules are tried and not enforced.
    pub shadow: bool,
    /// Anonymous, signed in, then each role.
    pub cells: Vec<Cell>,
}

/// What one kind of caller is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Cell {
    /// `yes`, `no` or `login`.
    pub answer: &'static str,
    /// Why, in words.
    pub why: String,
}

impl Policy {
    /// The access table.
    #[must_use]
    pub fn matrix(&self) -> Matrix<'_> {
        let roles: Vec<&str> =
            self.people.names().filter(|role| *role != ADMIN_ROLE || self.names_admin()).collect();
        let mut rows: Vec<Row<'_>> = Vec::new();
        for rule in &self.rules {
            let shadow =
                rule.service.and_then(|id| self.service(id)).is_some_and(|service| service.settings.shadow);
            rows.extend(rule.hosts.iter().map(|host| Row {
                host: host.to_string(),
                methods: methods(rule),
                path: rule.pattern.to_string(),
                rule: Some(rule),
                needs: rule.access.to_string(),
                shadow,
                cells: self.cells(Some(&rule.access), &roles),
            }));
        }
        rows.sort_by(|one, other| {
            (&one.host, &one.methods, &one.path).cmp(&(&other.host, &other.methods, &other.path))
        });
        let default = self.default.as_ref();
        rows.push(Row {
            host: "*".to_owned(),
            methods: "*".to_owned(),
            path: "everything else".to_owned(),
            rule: None,
            needs: default.map_or_else(|| "a rule, and there is none".to_owned(), ToString::to_string),
            shadow: false,
            cells: self.cells(default, &roles),
        });
        Matrix { roles, rows }
    }

    /// The access table as text: a line for every rule and one for the rest, a column for every kind of caller.
    #[must_use]
    pub fn table(&self) -> String {
        let matrix = self.matrix();
        let head = ["host", "methods", "path", "anonymous", "signed in"].into_iter().chain(matrix.roles);
        let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).collect()];
        lines.extend(matrix.rows.into_iter().map(|row| {
            let path = if row.shadow { format!("{} (shadow)", row.path) } else { row.path };
            let cells = row.cells.into_iter().map(|cell| cell.answer.to_owned());
            [row.host, row.methods, path].into_iter().chain(cells).collect()
        }));
        aligned(&lines)
    }

    fn names_admin(&self) -> bool {
        self.rules.iter().any(|rule| matches!(&rule.access, Access::Roles(roles) if roles.iter().any(|role| role == ADMIN_ROLE)))
    }

    fn cells(&self, access: Option<&Access>, roles: &[&str]) -> Vec<Cell> {
        let signed_in = |role: Option<&str>| {
            let roles: Vec<String> = role.into_iter().map(str::to_owned).collect();
            let permissions = self.permissions(&roles);
            let subject = Subject { roles: &roles, permissions: &permissions, audiences: None };
            cell(access, Caller::Known(subject), role)
        };
        let people = roles.iter().map(|role| signed_in(Some(role)));
        [cell(access, Caller::Anonymous, None), signed_in(None)].into_iter().chain(people).collect()
    }
}

fn cell(access: Option<&Access>, caller: Caller<'_>, role: Option<&str>) -> Cell {
    match super::found::judge(access, Fits::ALL, caller) {
        Decision::Allow(_) => {
            let why = match (access, role) {
                (Some(Access::Roles(_)), Some(role)) => format!("{role} is enough"),
                (Some(Access::Permission(permission)), Some(role)) => format!("{role} permits {permission}"),
                (Some(Access::Public), _) => "open to everybody".to_owned(),
                _ => "a sign-in is enough".to_owned(),
            };
            Cell { answer: "yes", why }
        }
        Decision::Challenge => Cell { answer: "login", why: "asked to sign in".to_owned() },
        Decision::Deny(reason) => Cell { answer: "no", why: reason.to_string() },
        _ => Cell { answer: "no", why: "refused".to_owned() },
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
