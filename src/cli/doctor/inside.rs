//! What the gateway says of itself, to whoever asks it directly.

use std::net::{IpAddr, Ipv4Addr};

use url::Url;

use super::Case;
use super::ask::{Asker, Question};
use super::change::Topic;
use super::report::Check;
use super::said::own_page;
use crate::config::Config;

/// Where the gateway of a configuration answers on its own machine.
pub(super) fn of_config(config: &Config) -> Option<Url> {
    let mut listen = config.server.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Url::parse(&format!("http://{listen}/")).ok()
}

/// Returns how far its clock is ahead of ours.
pub(super) async fn look(case: &Case, checks: &mut Vec<Check>) -> Option<i64> {
    const ID: &str = "gateway";
    let Some(inside) = &case.inside else {
        checks.push(Check::unchecked(
            ID,
            "the gateway itself was not asked",
            "Give --config FILE on its machine, or --inside URL.",
        ));
        return None;
    };
    let url = own_page(inside, "", "/readyz");
    let asker = Asker::new(case.outgoing.clone(), inside.clone(), None);
    let answer = match asker.ask(Question::program(&url)).await {
        Ok(answer) => answer,
        Err(error) => {
            let give = "If it runs on another machine, give --inside URL; if it should run here, start it.";
            checks.push(Check::unchecked(ID, error.to_string(), give));
            return None;
        }
    };
    let json = answer.json();
    let Some(lines) = json.get("checks").and_then(serde_json::Value::as_array) else {
        checks.push(Check::unchecked(
            ID,
            format!("{url} answers {}, which is not Doorward's", answer.outcome()),
            "Give --inside URL.",
        ));
        return None;
    };
    let text = |line: &serde_json::Value, name: &str| {
        line.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let mut well = true;
    for line in lines {
        let (name, status) = (text(line, "name"), text(line, "status"));
        if matches!(status.as_str(), "ok" | "not asked yet") {
            continue;
        }
        well = false;
        checks.push(failing(case, &name, &status));
    }
    if well {
        checks.push(Check::ok(ID, "it says that its store, its providers and its policy are well"));
    }
    answer.clock_ahead()
}

fn failing(case: &Case, name: &str, status: &str) -> Check {
    let (id, why, place, lines, page) = match name.split(' ').next() {
        Some("store") => (
            "store",
            "nobody can sign in, and sessions end when their grace is over",
            "the store",
            "store.url in doorward.yaml, the server or file that it names, and room on its disk",
            "docs/store.md",
        ),
        Some("policy") => (
            "gateway",
            "the policy of before is in force, not the one in the file",
            "the policy file",
            "`doorward check --config FILE` says what is wrong, by line",
            "docs/policy.md",
        ),
        _ => (
            "provider",
            "nobody can sign in with it, or its tokens cannot be checked",
            "`providers` and `bearer` in doorward.yaml, or the provider",
            "the gateway's log says what went wrong",
            "docs/configuration.md",
        ),
    };
    let change = case.change(&Topic::Other(place, lines, page));
    Check::finding(id, format!("the gateway says of its {name}: {status}"), why, change)
}
