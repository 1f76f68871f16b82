//! What happened lately: the audit log's lines, as people say them.

use minijinja::{Value, context};
use serde_json::Value as Json;

use super::list::List;
use super::{Answer, LONGEST, Site, clip};
use crate::admin::view::ActivityView;
use crate::store::activity::ActivityFilter;

/// What may be looked for: kind of event, and how it ended or what was done.
const CHOICES: [(&str, &str); 12] = [
    ("", "Everything"),
    ("decision:forbidden", "Refused: not allowed"),
    ("decision:unauthorized", "Refused: wrong credential"),
    ("decision:unreadable", "Refused: not readable"),
    ("decision:bad_request", "Refused: bad question"),
    ("decision:untrusted", "Refused: no trusted proxy"),
    ("decision:unavailable", "Could not be checked"),
    ("decision:rate_limited", "Refused: over a limit"),
    ("session:sign_in", "Sign-ins"),
    ("session:sign_in_refused", "Sign-ins refused"),
    ("session", "Sign-ins and sign-outs"),
    ("admin", "Changes by administrators"),
];

/// `GET /activity`.
pub(super) async fn list(site: &Site<'_>) -> Answer {
    let list = List::asked(site, "/activity", &[], &["what", "live"]);
    let (event, what) = match list.filter("what").map(|what| what.split_once(':').ok_or(what)) {
        None => (None, None),
        Some(Ok((event, what))) => (Some(event), Some(what)),
        Some(Err(event)) => (Some(event), None),
    };
    let filter = ActivityFilter {
        event: event.map(str::to_owned),
        what: what.map(str::to_owned),
        search: list.q.clone(),
        decision_id: None,
    };
    let found = site.admin.activity(&filter, list.part()).await;
    let found = found.map_err(|refusal| site.refused("activity", refusal, ("/activity", "All activity")))?;
    if let Some(last) = list.beyond(found.total) {
        return Ok(site.visit.redirect(&last));
    }
    let live = list.filter("live").is_some();
    let page = context! {
        events => found.items.iter().map(|event| row(site, event)).collect::<Vec<_>>(),
        choices => CHOICES.iter().map(|(value, label)| context! { value => *value, label => *label }).collect::<Vec<_>>(),
        what => list.filter("what").unwrap_or_default(),
        live,
        live_href => list.with("live", if live { "" } else { "1" }),
        list => list.value(found.total, &["what"], &[]),
    };
    Ok(site.show("activity", "admin-activity.html", page))
}

/// A row: what happened, in words.
pub(super) fn row(site: &Site<'_>, event: &ActivityView) -> Value {
    let text = |name: &str| event.line.get(name).and_then(Json::as_str);
    let (what, why) = match event.event.as_str() {
        "decision" => decision(&text),
        "session" => (session(site, &event.what, &text), text("reason").map(str::to_owned)),
        _ => (plain(&event.what), about(&text)),
    };
    let (outcome, kind) = outcome(&event.event, &event.what);
    let shadowed = text("shadow").filter(|shadow| *shadow != event.what && *shadow != "anonymous");
    let why = match (why, shadowed) {
        (why, Some(shadow)) => {
            let would = format!("in shadow; enforced it would be {shadow}");
            Some(why.map_or(would.clone(), |why| format!("{why}; {would}")))
        }
        (why, None) => why,
    };
    let id = text("user_id").or(text("actor")).or(event.who.as_deref());
    let who = text("user").or(text("actor_name")).or(id);
    // Whose page there is: an administrator by session is a user too.
    let acts_as_user = text("auth_method") == Some("session");
    let user_id = text("user_id").or(text("actor").filter(|_| acts_as_user));
    let user_id = user_id.filter(|id| !id.starts_with("token/"));
    context! {
        at => site.ago(event.at),
        what => clip(&what, 160),
        why => why.map(|why| clip(&why, 240)),
        who => who.map(|who| clip(who, LONGEST)),
        who_id => id.filter(|id| Some(*id) != who).map(|id| clip(id, LONGEST)),
        who_href => user_id.map(|id| site.user_address(id)),
        from => text("client").map(|client| clip(client, 48)),
        outcome,
        kind,
        decision => event.decision_id.as_ref().map(|id| clip(id, 8)),
        explain => event.decision_id.as_ref().filter(|_| event.event == "decision")
            .map(|id| site.address_with("/policy/explain", &[("decision", id)])),
    }
}

fn decision<'l>(text: &impl Fn(&str) -> Option<&'l str>) -> (String, Option<String>) {
    let what = match (text("method"), text("host"), text("path")) {
        (Some(method), Some(host), path) => format!("{method} {host}{}", path.unwrap_or_default()),
        (None, Some(host), _) => host.to_owned(),
        _ => "A question that could not be read".to_owned(),
    };
    let why = match (text("reason"), text("rule")) {
        (Some(reason), Some(rule)) => Some(format!("{reason}; rule {rule}")),
        (reason, rule) => reason.map(str::to_owned).or_else(|| rule.map(|rule| format!("rule {rule}"))),
    };
    (what, why)
}

fn session<'l>(site: &Site<'_>, what: &str, text: &impl Fn(&str) -> Option<&'l str>) -> String {
    let with = text("provider").map(|id| format!(" with {}", site.provider(id))).unwrap_or_default();
    match what {
        "sign_in" => format!("Signed in{with}"),
        "sign_in_refused" => format!("Sign-in refused{with}"),
        "sign_out" => "Signed out".to_owned(),
        "sessions_ended" => "Signed out everywhere".to_owned(),
        "csrf_refused" => "A form that was not ours".to_owned(),
        other => plain(other),
    }
}

/// To what, and what exactly.
fn about<'l>(text: &impl Fn(&str) -> Option<&'l str>) -> Option<String> {
    match (text("target"), text("details")) {
        (Some(target), Some(details)) => Some(format!("{target}: {details}")),
        (target, details) => target.or(details).map(str::to_owned),
    }
}

/// `role_granted`, with a capital and spaces.
fn plain(word: &str) -> String {
    let spaced = word.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// The outcome in a word or two, and how it is coloured.
fn outcome(event: &str, what: &str) -> (String, &'static str) {
    let (word, kind) = match (event, what) {
        ("decision", "allowed") => ("allowed", "good"),
        ("decision", "anonymous") => ("open", "plain"),
        ("decision", "challenged") => ("asked to sign in", "plain"),
        ("decision", "unauthorized") => ("wrong credential", "bad"),
        ("decision", "forbidden") => ("refused", "bad"),
        ("decision", "unavailable") => ("not checked", "warn"),
        ("decision", "rate_limited") => ("too many", "warn"),
        ("decision", other) => return (other.replace('_', " "), "bad"),
        (_, "sign_in_refused" | "csrf_refused") => ("refused", "bad"),
        _ => ("done", "good"),
    };
    (word.to_owned(), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_word() {
        for known in crate::telemetry::metrics::Outcome::ALL {
            let (word, _) = outcome("decision", known.as_str());
            assert!(!word.is_empty() && !word.contains('_'), "{word}");
        }
        assert_eq!(outcome("admin", "role_granted"), ("done".to_owned(), "good"));
        assert_eq!(plain("role_granted"), "Role granted");
    }
}
