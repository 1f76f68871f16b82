//! Is everything well, what happened lately, and what wants attention.

use minijinja::{Value, context};

use super::list::grouped;
use super::policy::texts;
use super::spark::{REFUSED, spark};
use super::tokens::{SOON, SOON_DAYS, title};
use super::{Answer, LONGEST, Site, clip};
use crate::admin::Part;
use crate::identity::provider::Health;
use crate::policy::live::Texts;
use crate::store::activity::ActivityFilter;
use crate::store::token::{TokenFilter, TokenOrder};
use crate::telemetry::recent::Totals;

/// Examples named of each thing.
const NAMED: usize = 4;
/// A rule may well not match for this long after a start.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(3600);
/// `GET /admin`. Also where the store is away: then it says so.
pub(super) async fn show(site: &Site<'_>) -> Answer {
    let state = site.visit.state;
    let (store, texts) = (state.store.ping().await.is_ok(), texts(site).await);
    let checks = checks(site, store, &texts);
    let failing = checks.iter().filter(|check| check.kind == "bad").count();
    let lately = state.metrics.lately();
    let checks: Vec<Value> = checks.into_iter().map(Check::value).collect();
    let page = context! {
        started => site.ago(state.metrics.started()),
        failing,
        attention => attention(site, &texts).await,
        tiles => tiles(site, &lately.today, &lately.minutes, lately.since).await,
        spark => spark(&lately),
        checks,
    };
    Ok(site.show("overview", "admin-overview.html", page))
}

struct Check {
    name: String,
    kind: &'static str,
    status: &'static str,
    since: Option<Value>,
    detail: Option<String>,
}

impl Check {
    fn value(self) -> Value {
        context! { name => self.name, kind => self.kind, status => self.status, since => self.since, detail => self.detail }
    }
}

fn checks(site: &Site<'_>, store: bool, texts: &Texts) -> Vec<Check> {
    let state = site.visit.state;
    let mut checks = vec![Check {
        name: "Store".to_owned(),
        kind: if store { "good" } else { "bad" },
        status: if store { "answers" } else { "does not answer" },
        since: None,
        detail: (!store).then(|| {
            "Known sessions and tokens go on for session.store_grace; everything else is answered 503."
                .to_owned()
        }),
    }];
    let providers = state
        .providers
        .iter()
        .map(|provider| (format!("Sign-in with {}", clip(provider.label(), 40)), provider.health()));
    let issuers = state.bearers.issuers().health();
    let issuers = issuers.map(|(id, health)| (format!("Tokens of {}", clip(id, LONGEST)), health));
    checks.extend(providers.chain(issuers).map(|(name, health)| {
        let (kind, status, since) = match health {
            Health::Ready => ("good", "answers", None),
            Health::NotYetAsked => ("", "not asked yet", None),
            Health::Failing { since, .. } => ("bad", "does not answer as it should", Some(site.ago(since))),
        };
        let detail =
            (kind == "bad").then(|| "Who is signed in goes on; nobody new can sign in there.".to_owned());
        Check { name, kind, status, since, detail }
    }));
    let policy = state.policy.load();
    let refused = !texts.faults.is_empty();
    let (rules, tests) = (policy.rules().len(), policy.test_count());
    checks.push(Check {
        name: format!("Policy, version {}", grouped(state.policy.version())),
        kind: if refused { "bad" } else { "good" },
        status: if refused { "the changed file was refused; the one before is in force" } else { "in force" },
        since: Some(site.ago(state.metrics.policy_loaded_at())),
        detail: Some(match texts.file {
            Some(_) => format!("{rules} rules, {tests} tests passed"),
            None => "No file: everybody who is signed in may open everything.".to_owned(),
        }),
    });
    checks
}

async fn tiles(
    site: &Site<'_>,
    today: &Totals,
    hour: &[Totals],
    since: crate::clock::Timestamp,
) -> Vec<Value> {
    let one = Part { offset: 0, limit: 1 };
    let sessions = site.admin.sessions("", one).await.map(|found| found.total);
    let users = site.admin.users("", crate::store::UserOrder::LastSeen, one).await.map(|found| found.total);
    let known = |number: Result<u64, crate::admin::Refusal>| number.map_or_else(|_| "?".to_owned(), grouped);
    let decided: u64 = hour.iter().flat_map(|minute| minute.decisions).sum();
    let clock = since.rfc3339();
    let since = format!("since {} UTC, on this instance", clock.get(11..16).unwrap_or_default());
    let tile = |label: &str, number: String, note: String, href: &str| context! { label, number, note, href };
    vec![
        tile("Decisions", grouped(decided), "in the last hour, on this instance".to_owned(), "/activity"),
        tile(
            "Refused today",
            grouped(today.of(REFUSED)),
            since.clone(),
            "/activity?what=decision%3Aforbidden",
        ),
        tile(
            "Sign-ins today",
            grouped(today.sign_ins),
            match today.sign_ins_refused {
                0 => since,
                refused => format!("and {} refused, {since}", grouped(refused)),
            },
            "/activity?what=session%3Asign_in",
        ),
        tile("Signed in now", known(sessions), format!("sessions, of {} users", known(users)), "/sessions"),
    ]
}

fn thing(kind: &'static str, text: String, more: Vec<Value>) -> Value {
    context! { kind, text, more }
}

fn line(text: String, href: Option<String>, note: Option<String>) -> Value {
    context! { text, href, note }
}

async fn attention(site: &Site<'_>, texts: &Texts) -> Vec<Value> {
    let state = site.visit.state;
    let mut things = Vec::new();
    if let Some(fault) = texts.faults.first() {
        let text = format!("The policy file was changed and refused: {} faults.", texts.faults.len());
        let more = line(clip(&fault.to_string(), 200), Some("/policy/file?refused=1".to_owned()), None);
        things.push(thing("bad", text.replace("1 faults", "1 fault"), vec![more]));
    }
    things.extend(ending_tokens(site).await);
    let policy = state.policy.load();
    let silent: Vec<_> = policy.rules().iter().filter(|rule| !rule.ever_spoke()).collect();
    let settled = site.visit.now.since(state.metrics.policy_loaded_at()) >= SETTLED;
    if settled && !silent.is_empty() {
        let mut more: Vec<Value> = silent
            .iter()
            .take(NAMED)
            .map(|rule| {
                let href = (rule.line > 0).then(|| format!("/policy/file#L{}", rule.line));
                line(clip(&rule.id, LONGEST), href, None)
            })
            .collect();
        if silent.len() > NAMED {
            more.push(line(format!("and {} more", silent.len() - NAMED), None, None));
        }
        let text = match silent.len() {
            1 => "One rule never matched since the policy was loaded.".to_owned(),
            many => format!("{many} rules never matched since the policy was loaded."),
        };
        things.push(thing("warn", text, more));
    }
    things.extend(shadowed(site).await);
    things.extend(state.config.warnings.iter().map(|warning| thing("warn", clip(warning, 300), Vec::new())));
    things
}

/// Tokens that end soon: somebody may miss them.
async fn ending_tokens(site: &Site<'_>) -> Option<Value> {
    let soon = TokenFilter { ends_before: Some(site.visit.now.plus(SOON)), ..TokenFilter::default() };
    let first = Part { offset: 0, limit: u32::try_from(NAMED).unwrap_or(u32::MAX) };
    let found = site.admin.tokens(&soon, TokenOrder::Ends, first).await.ok()?;
    let text = match found.total {
        0 => return None,
        1 => format!("A token ends within {SOON_DAYS} days."),
        many => format!("{} tokens end within {SOON_DAYS} days.", grouped(many)),
    };
    let named = found.items.iter().map(|token| {
        let end = token.expires_at.map(|end| format!("ends {}", super::until(site.visit.now, end)));
        let note = end.map(|end| if token.replaced_at.is_some() { format!("replaced, {end}") } else { end });
        line(title(token), Some(format!("/tokens/{}", token.digest)), note)
    });
    let mut more: Vec<Value> = named.collect();
    if found.total > NAMED as u64 {
        let all = Some("/tokens?soon=1&sort=ends".to_owned());
        more.push(line(format!("and {} more", grouped(found.total - NAMED as u64)), all, None));
    }
    Some(thing("warn", text, more))
}

/// What enforcement would have refused, of services in shadow.
async fn shadowed(site: &Site<'_>) -> Option<Value> {
    let state = site.visit.state;
    let refused = state.metrics.shadow_refusals();
    if refused == 0 || !state.policy.load().has_shadow() {
        return None;
    }
    let search = r#""shadow":"forbidden""#;
    let filter = ActivityFilter {
        event: Some("decision".to_owned()),
        search: search.to_owned(),
        ..ActivityFilter::default()
    };
    let part = Part { offset: 0, limit: u32::try_from(NAMED).unwrap_or(u32::MAX) };
    let last = site.admin.activity(&filter, part).await.ok();
    let mut more: Vec<Value> = last
        .iter()
        .flat_map(|found| &found.items)
        .filter_map(|event| {
            let text = |name: &str| event.line.get(name).and_then(serde_json::Value::as_str);
            let what = format!("{} {}{}", text("method")?, text("host")?, text("path")?);
            let href = event.decision_id.as_ref();
            let href = href.map(|id| site.address_with("/policy/explain", &[("decision", id)]));
            let base = site.address("");
            Some(line(clip(&what, LONGEST), href.map(|href| href.replacen(&base, "", 1)), None))
        })
        .collect();
    more.push(line(
        "Look at them all".to_owned(),
        Some("/activity?q=%22shadow%22%3A%22forbidden%22".to_owned()),
        None,
    ));
    let text = format!(
        "Shadow mode let {} requests through that the policy would refuse, since the start.",
        grouped(refused)
    );
    Some(thing("warn", text, more))
}
