//! Why is one request answered as it is?

use minijinja::{Value, context};
use serde_json::Value as Json;

use super::policy::{head, texts};
use super::{Answer, LONGEST, Site, clip, few, sentence};
use crate::admin::{Explained, Question, Refusal};

/// `GET /policy/explain`: the form, and the answer when something was asked.
pub(super) async fn show(site: &Site<'_>) -> Answer {
    let whom = site.asked("as").unwrap_or("anonymous");
    let who = site.asked("who").map(str::trim).filter(|who| !who.is_empty());
    let decision = site.asked("decision").map(str::trim);
    let url = site.asked("url").map(str::trim);
    let mut wrong: [Option<String>; 3] = [None, None, None];
    let question = match (decision, url, whom, who) {
        (None, None, ..) => None,
        (Some(id), ..) => Some(Question { decision_id: Some(id.to_owned()), ..Question::default() }),
        (None, Some(_), "user", None) => {
            wrong[0] = Some("Write an e-mail address or the id of a user.".to_owned());
            None
        }
        (None, url, whom, who) => {
            let who = who.unwrap_or_default();
            let roles = who.split([',', ' ']).filter(|role| !role.is_empty() && whom == "roles");
            Some(Question {
                user: (whom == "user").then(|| who.to_owned()),
                roles: roles.map(str::to_owned).collect(),
                method: site.asked("method").map(str::to_owned),
                url: url.map(str::to_owned),
                ..Question::default()
            })
        }
    };
    let mut answered = None;
    if let Some(question) = question {
        match site.admin.explain(&question).await {
            Ok(explained) => answered = Some(answer(&explained)),
            Err(Refusal::NoSuch(why)) => wrong[2] = Some(clip(&sentence(&why), 300)),
            Err(Refusal::Faults(faults)) => {
                for fault in faults {
                    let at = usize::from(fault.field == "url");
                    if let Some(slot) = wrong.get_mut(at) {
                        *slot = Some(clip(&sentence(&format!("this {}", fault.problem)), 300));
                    }
                }
            }
            Err(refusal) => {
                return Err(site.refused("policy", refusal, ("/policy/explain", "Explain a request")));
            }
        }
    }
    let [wrong_who, wrong_url, wrong_decision] = wrong;
    let texts = texts(site).await;
    let policy = site.visit.state.policy.load();
    let page = context! {
        form => context! {
            as => whom, who => who.unwrap_or_default(), method => site.asked("method").unwrap_or("GET"),
            url => url.unwrap_or_default(), decision => decision.unwrap_or_default(),
        },
        wrong => context! { who => wrong_who, url => wrong_url, decision => wrong_decision },
        answer => answered,
        ..head(site, "explain", &texts, &policy)
    };
    Ok(site.show("policy", "admin-explain.html", page))
}

fn answer(explained: &Explained) -> Value {
    let Explained { explanation, caller, recorded } = explained;
    let (word, kind, said) = match explanation.decision {
        "allow" => ("allowed", "good", "It is let through."),
        "login" => ("sign in", "warn", "A browser is sent to sign in; a program is answered 401."),
        "deny" => ("refused", "bad", "It is refused with 403."),
        "invalid" => ("refused", "bad", "The credential is not valid; it is refused with 401."),
        "unreadable" => {
            ("not readable", "bad", "The path can be read in more than one way; it is refused with 400.")
        }
        other => (other, "warn", "It could not be checked; it is answered with 503."),
    };
    let who = match (caller.kind, &caller.id) {
        ("user" | "token", Some(id)) => Some(format!("Roles of {}", clip(id, LONGEST))),
        ("anonymous", _) => None,
        _ => Some("Roles".to_owned()),
    };
    let mut notes: Vec<String> = caller.notes.iter().map(|note| clip(&sentence(note), 300)).collect();
    if let Some(then) = recorded {
        let text = |name: &str| then.get(name).and_then(Json::as_str).unwrap_or("not known");
        let then = format!(
            "When it was made, at {}, it ended as “{}”{}. The answer above is by the policy of now.",
            text("time"),
            text("outcome"),
            then.get("rule_at").and_then(Json::as_str).map(|at| format!(", by {at}")).unwrap_or_default(),
        );
        notes.insert(0, clip(&then, 300));
    }
    let near: Vec<Value> = explanation
        .near
        .iter()
        .map(|near| context! { id => clip(&near.rule.id, LONGEST), line => near.rule.line, why => near.why.as_str() })
        .collect();
    context! {
        decision => word,
        kind,
        sentence => said,
        request => clip(&explanation.request, 200),
        service => explanation.service.clone(),
        rule => explanation.rule.as_ref().map(|rule| context! { id => clip(&rule.id, LONGEST), line => rule.line }),
        needs => clip(&explanation.needs, 200),
        missing => explanation.missing.as_ref().map(|missing| clip(missing, 200)),
        shadowed => explanation.shadowed,
        caller => who,
        roles => few(&caller.roles, 40).0,
        notes,
        near,
    }
}
