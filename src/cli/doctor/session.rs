//! The session's cookie, and whether a sign-in brings it to the address: by its domain, or by the hand-over to another host.

use super::ask::Question;
use super::change::Topic;
use super::cookie::SetCookie;
use super::report::Check;
use super::said::{Login, own_page};
use super::{Case, authority};

/// What the session's cookie is called and where browsers send it: signing out with nobody signed in takes it away by the
/// same name, path and domain. Returns the domain.
pub(super) async fn cookie(case: &Case, login: &Login, checks: &mut Vec<Check>) -> Option<String> {
    const ID: &str = "session-cookie";
    let answer = case.asker.ask(Question::program(&login.page("/logout")).posting()).await.ok()?;
    let set = answer.all("set-cookie").filter_map(SetCookie::parse);
    let Some(cookie) = set.into_iter().find(|cookie| cookie.name.ends_with("doorward")) else {
        // Where the pages are not routed at all, that is told elsewhere.
        if answer.status == 303 {
            let why = "nobody stays signed in";
            checks.push(Check::finding(
                ID,
                "Doorward's cookies do not arrive: somebody on the way removes Set-Cookie",
                why,
                case.change(&Topic::Cookies),
            ));
        } else {
            checks.push(Check::unchecked(
                ID,
                format!("signing out, which would show it, answers {}", answer.outcome()),
                "Mend the findings about the sign-in.",
            ));
        }
        return None;
    };
    let faults = cookie.faults(&answer.url);
    let own = answer.url.host_str().unwrap_or_default();
    if faults.is_empty() {
        let reach = match cookie.domain() {
            Some(domain) => format!("for every host of {domain}"),
            None => format!("for {own} alone"),
        };
        checks.push(Check::ok(ID, format!("{}, {reach}", cookie.name)));
    }
    for fault in faults {
        let why = "people are not signed in, or their session can be read";
        checks.push(Check::finding(
            ID,
            format!("the cookie {}: {fault}", cookie.name),
            why,
            case.change(&Topic::Cookies),
        ));
    }
    let host = case.url.host_str().unwrap_or_default();
    let shared = cookie.domain().filter(|_| cookie.is_sent_to(host, own));
    shared.map(str::to_owned)
}

/// Whether somebody who has signed in comes back to the address, signed in there. `shared`: the domain of the session's
/// cookie, when that reaches the address.
pub(super) async fn returns(case: &Case, login: &Login, shared: Option<&str>) -> Vec<Check> {
    const ID: &str = "return";
    // Told already.
    if login.rd.is_none() {
        return Vec::new();
    }
    let host = authority(&case.url);
    if authority(&login.url) == host {
        return vec![Check::ok(ID, "the sign-in is on the address's own host")];
    }
    if let Some(domain) = shared.filter(|_| case.url.port().is_none()) {
        return vec![Check::ok(ID, format!("one cookie for {domain}"))];
    }
    // A host with a cookie of its own begins the hand-over here; a host that is none is told so.
    let mut url = own_page(&case.url, &login.base, "/continue");
    url.query_pairs_mut().append_pair("rd", case.url.as_str());
    let answer = match case.asker.ask(Question::program(&url)).await {
        Ok(answer) => answer,
        Err(error) => return vec![Check::unchecked(ID, error.to_string(), "Try again.")],
    };
    let hands_over = answer.location().is_some_and(|to| {
        authority(&to) == authority(&login.url) && to.query_pairs().any(|(name, _)| name == "continue")
    });
    let why = "people sign in and never come back to where they wanted to be";
    if hands_over {
        vec![Check::ok(ID, format!("{host} gets a cookie of its own"))]
    } else if answer.member("error").as_deref() == Some("wrong_host") {
        let says = format!(
            "people sign in at {}, which neither shares its cookie with {host} nor hands over to it",
            authority(&login.url)
        );
        vec![Check::finding(ID, says, why, case.change(&Topic::ReturnHost(&host)))]
    } else if case.is_named(&login.url) {
        let says = format!(
            "{} is not Doorward's page: it answers {}",
            own_page(&case.url, &login.base, "/continue"),
            answer.outcome()
        );
        vec![Check::finding(ID, says, why, case.change(&Topic::BasePath(&login.base)))]
    } else {
        let says = format!("whether people come back to {host} from {}", authority(&login.url));
        let give = format!("Give --external-url {}.", login.url.origin().ascii_serialization());
        vec![Check::unchecked(ID, says, give)]
    }
}
