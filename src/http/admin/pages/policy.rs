//! The policy: who may what, the file, its tests, and why a changed file was refused.

use std::sync::Arc;

use minijinja::{Value, context};

use super::list::{List, grouped};
use super::{Answer, LONGEST, Site, clip};
use crate::policy::live::Texts;
use crate::policy::{AccessRow, Policy};

/// Columns of roles at a time: more do not fit on a screen.
const COLUMNS: usize = 12;
/// Faults told at a time.
const FAULTS: usize = 10;
/// What no rule covers.
const REST: &str = "everything else";
/// Lines of the file that are shown.
const LINES: usize = 5000;

/// `GET /policy`: role × endpoint.
pub(super) async fn matrix(site: &Site<'_>) -> Answer {
    let texts = texts(site).await;
    let policy = site.visit.state.policy.load();
    let list = List::asked(site, "/policy", &[], &["role"]);
    let mut table = policy.table();
    let role = list.filter("role").filter(|role| table.callers.iter().skip(2).any(|caller| caller == role));
    // Anonymous and signed in are always there.
    let shown: Vec<usize> = (0..table.callers.len())
        .filter(|column| {
            *column < 2 || role.is_none() || table.callers.get(*column).map(String::as_str) == role
        })
        .collect();
    let (columns, beyond) = (shown.iter().take(COLUMNS + 2), shown.len().saturating_sub(COLUMNS + 2));
    let columns: Vec<usize> = columns.copied().collect();
    let q = list.q.to_lowercase();
    let fits = |row: &AccessRow| {
        let rule = row.rule.as_ref().map_or("", |rule| rule.id.as_str());
        let words = [row.host.as_str(), row.path.as_deref().unwrap_or(REST), &row.needs, rule];
        let words = words.into_iter().chain(row.methods.iter().map(String::as_str));
        q.is_empty() || words.into_iter().any(|word| word.to_lowercase().contains(&q))
    };
    let rows: Vec<AccessRow> = std::mem::take(&mut table.rows).into_iter().filter(fits).collect();
    let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if let Some(last) = list.beyond(total) {
        return Ok(site.visit.redirect(&last));
    }
    let rows: Vec<Value> =
        list.cut(rows).iter().map(|row| row_value(row, &table.callers, &columns)).collect();
    let silent = policy.rules().iter().filter(|rule| !rule.ever_spoke()).count();
    let page = context! {
        rows,
        roles => columns.iter().skip(2).filter_map(|column| table.callers.get(*column)).map(|role| clip(role, 40)).collect::<Vec<_>>(),
        role_names => table.callers.iter().skip(2).cloned().collect::<Vec<_>>(),
        role => role.unwrap_or_default(),
        more_roles => beyond,
        silent,
        rules => policy.rules().len(),
        list => list.value(total, &["role"], &[]),
        ..head(site, "matrix", &texts, &policy)
    };
    Ok(site.show("policy", "admin-policy.html", page))
}

fn row_value(row: &AccessRow, callers: &[String], columns: &[usize]) -> Value {
    let cells: Vec<Value> = columns
        .iter()
        .filter_map(|column| row.access.get(callers.get(*column)?))
        .map(|answer| {
            let why = match *answer {
                "yes" => format!("yes: needs {}", row.needs),
                "login" => format!("asked to sign in: needs {}", row.needs),
                _ => format!("no: needs {}", row.needs),
            };
            context! { answer => *answer, why => clip(&why, 200) }
        })
        .collect();
    context! {
        host => if row.host == "*" { "Every host" } else { row.host.as_str() },
        methods => if row.methods.is_empty() { "any".to_owned() } else { row.methods.join(",") },
        path => row.path.as_deref().unwrap_or(REST),
        shadow => row.shadow,
        needs => clip(&row.needs, 120),
        line => row.rule.as_ref().map(|rule| rule.line),
        rule => row.rule.as_ref().map(|rule| rule.id.as_str()),
        cells,
    }
}

/// `GET /policy/file`: as it is in force, or (`refused=1`) as it was refused.
pub(super) async fn file(site: &Site<'_>) -> Answer {
    let texts = texts(site).await;
    let policy = site.visit.state.policy.load();
    let refused = site.asked("refused").is_some() && texts.refused.is_some();
    let text = if refused { texts.refused.as_deref() } else { texts.in_force.as_deref() }.unwrap_or_default();
    let wrong = |line: usize| {
        let here =
            texts.faults.iter().filter(|fault| refused && usize::try_from(fault.place.line) == Ok(line));
        let told: Vec<String> = here.map(|fault| format!("{}; {}", fault.problem, fault.instead)).collect();
        (!told.is_empty()).then(|| clip(&told.join(". "), 400))
    };
    let lines: Vec<Value> = text
        .lines()
        .take(LINES)
        .enumerate()
        .map(|(at, line)| context! { text => line, wrong => wrong(at + 1) })
        .collect();
    let cut = text.lines().count() > lines.len();
    let page = context! { lines, cut, refused, ..head(site, "file", &texts, &policy) };
    Ok(site.show("policy", "admin-policy-file.html", page))
}

/// `GET /policy/tests`: what they come to, run now.
pub(super) async fn tests(site: &Site<'_>) -> Answer {
    let texts = texts(site).await;
    let policy = site.visit.state.policy.load();
    let list = List::asked(site, "/policy/tests", &[], &[]);
    let total = u64::try_from(policy.test_count()).unwrap_or(u64::MAX);
    if let Some(last) = list.beyond(total) {
        return Ok(site.visit.redirect(&last));
    }
    let tests: Vec<Value> = list
        .cut(policy.run_tests())
        .iter()
        .map(|tried| {
            context! {
                line => tried.line,
                request => clip(&tried.request, 160),
                who => clip(&tried.who, LONGEST),
                expected => tried.expected,
                got => tried.got,
                passed => tried.passed(),
                rule => tried.rule.as_ref().map_or_else(|| "the default".to_owned(), |rule| clip(&rule.id, LONGEST)),
                rule_line => tried.rule.as_ref().map(|rule| rule.line),
            }
        })
        .collect();
    let page =
        context! { tests, list => list.value(total, &[], &[]), ..head(site, "tests", &texts, &policy) };
    Ok(site.show("policy", "admin-policy-tests.html", page))
}

/// The file's texts. A reload under way holds them for a moment, which no worker should wait for.
pub(super) async fn texts(site: &Site<'_>) -> Texts {
    let live = Arc::clone(&site.visit.state.policy);
    actix_web::web::block(move || live.texts()).await.unwrap_or_default()
}

/// What every page of the policy begins with.
pub(super) fn head(site: &Site<'_>, tab: &'static str, texts: &Texts, policy: &Policy) -> Value {
    let faults: Vec<Value> = texts
        .faults
        .iter()
        .take(FAULTS)
        .map(|fault| {
            let at = usize::try_from(fault.place.line).unwrap_or(0).checked_sub(1);
            let text = at.and_then(|at| texts.refused.as_deref()?.lines().nth(at));
            context! {
                line => fault.place.line,
                problem => clip(&fault.problem, 300),
                instead => clip(&fault.instead, 300),
                text => text.map(|text| clip(text.trim(), 160)),
            }
        })
        .collect();
    context! {
        tab,
        file => texts.file.clone(),
        version => grouped(site.visit.state.policy.version()),
        loaded => site.ago(site.visit.state.metrics.policy_loaded_at()),
        faults,
        more_faults => texts.faults.len().saturating_sub(FAULTS),
        warnings => policy.warnings().len(),
    }
}
