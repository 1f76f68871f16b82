//! Does the proxy believe what anybody says about their own request? `X-Forwarded-*` of a client must die at the proxy: what
//! Doorward decides on is told by them. They did not die if the answer is another one.

use super::ask::Question;
use super::asked::Seen;
use super::change::Topic;
use super::report::Check;
use super::said::Said;
use super::{Case, random_name};

pub(super) async fn look(case: &Case, seen: &Seen, checks: &mut Vec<Check>) {
    const ID: &str = "forwarded-headers";
    let made_up = format!("{}.invalid", random_name().to_ascii_lowercase().replace(['_', '-'], "x"));
    let path = format!("/{made_up}");
    let other_scheme = if case.url.scheme() == "https" { "http" } else { "https" };
    let whole = format!("{}://{made_up}{path}", case.url.scheme());
    let forwarded = format!("for=127.0.0.1;host={made_up};proto={other_scheme}");
    let claims: [(&str, &str); 9] = [
        ("X-Forwarded-Host", &made_up),
        ("X-Forwarded-Proto", other_scheme),
        ("X-Forwarded-Uri", &path),
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Prefix", &path),
        ("X-Original-URL", &whole),
        ("X-Original-Method", "POST"),
        ("Forwarded", &forwarded),
    ];
    let usual = (seen.person.status, seen.person.location());
    let mut died = 0;
    let before = checks.len();
    for (name, value) in claims {
        let Ok(answer) = case.asker.ask(Question::person(&case.url).with(name, value)).await else {
            checks.push(Check::unchecked(ID, "no answer", "Try again.").about(name));
            continue;
        };
        if (answer.status, answer.location()) == usual {
            died += 1;
            continue;
        }
        match Said::of(&answer) {
            // Refused on the way, or by Doorward because it came twice: nobody believed it.
            Said::Stranger if (400..429).contains(&answer.status) => died += 1,
            Said::NoQuestion(_) | Said::Bad(_) | Said::Alias => died += 1,
            Said::Stranger if answer.status >= 429 => {
                let says = format!("the proxy answers {}", answer.outcome());
                checks.push(Check::unchecked(ID, says, "Try again.").about(name));
            }
            Said::TooMany | Said::Unavailable => {
                checks.push(
                    Check::unchecked(ID, format!("answered {}", answer.outcome()), "Try again.").about(name),
                );
            }
            _ => {
                let says =
                    format!("the proxy believes a client's {name}: the answer became {}", answer.outcome());
                let why = "anybody chooses what Doorward decides on, and is served something else. (Run from an address that the \
                     proxy rightly trusts, such as a load balancer's, this is no finding)";
                checks.push(Check::finding(ID, says, why, case.change(&Topic::ForwardedHeaders)).about(name));
            }
        }
    }
    if checks.len() == before {
        checks.push(Check::ok(ID, format!("{died} headers of a client change nothing")));
    }
}
