//! Can people sign in, and come back? The sign-in is begun as a browser begins it, up to the provider's door, and cancelled
//! there, which shows whether the cookie comes back and whether the callback is routed.

use url::Url;

use super::ask::{Answer, Question};
use super::change::Topic;
use super::cookie::SetCookie;
use super::provider::{self, Known};
use super::report::Check;
use super::said::{Login, Said};
use super::{Case, session};

/// Providers that are tried, at most.
const MOST: usize = 10;
/// What the cookie of a sign-in on its way is called, with and without TLS.
const LOGIN_COOKIES: [&str; 2] = ["__Host-doorward-login", "doorward-login"];

/// Returns how far the gateway's clock is ahead of ours, as its pages tell it.
pub(super) async fn look(
    case: &Case,
    login: &Login,
    providers: &[Known],
    checks: &mut Vec<Check>,
) -> Option<i64> {
    if !case.is_named(&login.url) {
        let origin = login.url.origin().ascii_serialization();
        if case.external.is_some() {
            let says = format!(
                "people are sent to sign in at {origin}, which is not the external URL that you named"
            );
            let why = "the gateway that answers has another configuration than you think";
            let own =
                case.external.as_ref().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
            checks.push(Check::finding("login", says, why, case.change(&Topic::ExternalUrl(&own))));
        } else {
            let says = format!(
                "the sign-in is on another host, {origin}, which is not asked anything unless you name it"
            );
            let give = format!("Give --external-url {origin} if that is yours.");
            checks.push(Check::unchecked("login", says, give));
        }
        checks.extend(session::returns(case, login, None).await);
        return None;
    }
    let session = session::cookie(case, login, checks).await;
    checks.extend(session::returns(case, login, session.as_deref()).await);
    let first = match case.asker.ask(Question::program(&login.url)).await {
        Ok(answer) => answer,
        Err(error) => {
            let says = format!("nothing answers where people sign in: {error}");
            let own = case.url.origin().ascii_serialization();
            checks.push(Check::finding(
                "login",
                says,
                "nobody can sign in",
                case.change(&Topic::ExternalUrl(&own)),
            ));
            return None;
        }
    };
    let ahead = first.clock_ahead();
    match page(case, login, &first) {
        Door::Open(to) => {
            checks.push(Check::ok("login", format!("{} leads to the provider", login.page("/login"))));
            begun(case, login, None, &first, &to, providers, checks).await;
        }
        Door::Choice(ids) => {
            checks.push(Check::ok(
                "login",
                format!("{} lets choose: {}", login.page("/login"), ids.join(", ")),
            ));
            for id in ids.iter().skip(MOST) {
                let says = format!("only the first {MOST} providers are tried");
                checks.push(Check::unchecked("login", says, "Sign in with it by hand.").about(id));
            }
            for id in ids.iter().take(MOST) {
                let mut url = login.url.clone();
                url.query_pairs_mut().append_pair("idp", id);
                let unclear = |says: &str| Check::unchecked("login", says, "Try again.").about(id);
                let answer = match case.asker.ask(Question::program(&url)).await {
                    Ok(answer) => answer,
                    Err(error) => {
                        checks.push(unclear(&error.to_string()));
                        continue;
                    }
                };
                match page(case, login, &answer) {
                    Door::Open(to) => begun(case, login, Some(id), &answer, &to, providers, checks).await,
                    Door::Choice(_) => checks.push(unclear("the page to choose came again")),
                    Door::Shut(check) => checks.push(check.about(id)),
                }
            }
        }
        Door::Shut(check) => checks.push(*check),
    }
    ahead
}

/// What stands at the sign-in's address.
enum Door {
    /// It leads to a provider.
    Open(Url),
    /// People choose one of these.
    Choice(Vec<String>),
    Shut(Box<Check>),
}

fn page(case: &Case, login: &Login, answer: &Answer) -> Door {
    const ID: &str = "login";
    let shut = |check: Check| Door::Shut(Box::new(check));
    if Said::of(answer).is_doorwards() {
        let says = format!(
            "Doorward is asked whether {} may be seen: a sign-in would need a sign-in",
            login.page("/login")
        );
        let why = "the browser is sent round and round";
        return shut(Check::finding(ID, says, why, case.change(&Topic::BasePath(&login.base))));
    }
    if let Some(to) = answer.location() {
        let asks = to.query_pairs().any(|(name, _)| name == "client_id");
        let sets = login_cookie(answer).is_some();
        if asks || sets {
            return Door::Open(to);
        }
    }
    let trouble = answer.member("error").unwrap_or_default();
    let provider = |says: &str, lines| {
        let change = case.change(&Topic::Other(
            "the provider, and `providers` in doorward.yaml",
            lines,
            "docs/configuration.md",
        ));
        shut(Check::finding("provider", says, "nobody can sign in", change))
    };
    match (answer.status, trouble.as_str()) {
        (504, "provider_silent") => provider(
            "Doorward gets no answer from the provider",
            "it runs, and the gateway's machine reaches it (DNS, firewall, HTTPS_PROXY, SSL_CERT_FILE)",
        ),
        (502, "provider_broken") => provider(
            "Doorward cannot use what the provider says about itself",
            "issuer: to the letter as the provider's /.well-known/openid-configuration has it; the log says what is wrong",
        ),
        (_, "too_many_requests" | "too_many_tries") => {
            shut(Check::unchecked(ID, "too many sign-ins just now", "Try again in a minute."))
        }
        (200, _) => {
            let ids = choices(&answer.text());
            if ids.is_empty() { shut(not_routed(case, login, answer)) } else { Door::Choice(ids) }
        }
        (503, "sign_in_not_configured") => {
            let change = case.change(&Topic::Other(
                "doorward.yaml",
                "server.external_url and providers",
                "docs/configuration.md",
            ));
            shut(Check::finding(ID, "no provider is configured", "nobody can sign in", change))
        }
        _ => shut(not_routed(case, login, answer)),
    }
}

fn not_routed(case: &Case, login: &Login, answer: &Answer) -> Check {
    let says = format!("{} is not Doorward's page: it answers {}", login.page("/login"), answer.outcome());
    Check::finding("login", says, "nobody can sign in", case.change(&Topic::BasePath(&login.base)))
}

/// The providers in the page to choose one: `…/login?idp=ID`.
fn choices(page: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for part in page.split("idp=").skip(1) {
        let id: String =
            part.chars().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn login_cookie(answer: &Answer) -> Option<SetCookie<'_>> {
    answer.all("set-cookie").filter_map(SetCookie::parse).find(|cookie| LOGIN_COOKIES.contains(&cookie.name))
}

/// A sign-in that has begun: its cookie, the address that the provider is to send back to, and the way back.
async fn begun(
    case: &Case,
    login: &Login,
    idp: Option<&str>,
    answer: &Answer,
    to: &Url,
    providers: &[Known],
    checks: &mut Vec<Check>,
) {
    let mut add = |check: Check| checks.push(if let Some(idp) = idp { check.about(idp) } else { check });
    let cookie = login_cookie(answer);
    match &cookie {
        None => {
            let why =
                "the sign-in is forgotten on its way, and ends with \"your browser did not keep a cookie\"";
            add(Check::finding(
                "login-cookie",
                "the sign-in sets no cookie: somebody on the way removed it",
                why,
                case.change(&Topic::Cookies),
            ));
        }
        Some(cookie) => {
            for fault in cookie.faults(&answer.url) {
                let why = "the sign-in is lost, or can be taken over";
                let says = format!("the cookie {}: {fault}", cookie.name);
                add(Check::finding("login-cookie", says, why, case.change(&Topic::Cookies)));
            }
        }
    }
    let parameter =
        |wanted: &str| to.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    let back = parameter("redirect_uri").and_then(|uri| Url::parse(&uri).ok());
    let expected = login.page("/callback");
    let fits = back.as_ref().is_some_and(|back| {
        back == &expected
            || back.as_str().strip_prefix(expected.as_str()).is_some_and(|rest| rest.starts_with('/'))
    });
    let Some(back) = back.filter(|_| fits) else {
        let says = format!("the provider is asked to send back to another address than {expected}");
        let why = "the provider refuses, or people come back where nobody waits for them";
        let own = login.url.origin().ascii_serialization();
        add(Check::finding("redirect-address", says, why, case.change(&Topic::ExternalUrl(&own))));
        return;
    };
    add(provider::accepts(case, to, &back, providers).await);
    let (Some(cookie), Some(state)) = (cookie, parameter("state")) else { return };
    for check in comes_back(case, login, &back, &cookie, &state).await {
        add(check);
    }
}

/// Comes back as from a provider where the person pressed "cancel".
async fn comes_back(
    case: &Case,
    login: &Login,
    back: &Url,
    cookie: &SetCookie<'_>,
    state: &str,
) -> Vec<Check> {
    let mut url = back.clone();
    url.query_pairs_mut().append_pair("error", "access_denied").append_pair("state", state);
    let question = Question::program(&url).cookie(&format!("{}={}", cookie.name, cookie.value));
    let answer = match case.asker.ask(question).await {
        Ok(answer) => answer,
        Err(error) => {
            let change = case.change(&Topic::BasePath(&login.base));
            return vec![Check::finding(
                "redirect-address",
                error.to_string(),
                "nobody comes back from the provider",
                change,
            )];
        }
    };
    let routed = || Check::ok("redirect-address", format!("{back} is Doorward's"));
    let trouble = answer.member("error").unwrap_or_default();
    match (Said::of(&answer).is_doorwards(), trouble.as_str()) {
        (false, "provider_said_no") => vec![
            routed(),
            Check::ok("login-cookie", format!("{} is set and comes back", cookie.name)),
            Check::ok("store", "it answers: a sign-in on its way was used up in it"),
        ],
        (false, "store_down") => {
            let lines = "store.url in doorward.yaml, the server or file that it names, and room on its disk";
            let change = case.change(&Topic::Other("the store", lines, "docs/store.md"));
            let why = "nobody can sign in, and sessions end when their grace is over";
            vec![routed(), Check::finding("store", "the store does not answer", why, change)]
        }
        (false, "cookie_not_stored" | "link_too_old") => {
            let why = "every sign-in ends with \"your browser did not keep a cookie\"";
            let lines = "let the header Cookie through to Doorward's pages; several gateways need one session.keys_file";
            let change = case.change(&Topic::Other(
                "the proxy's route to Doorward, and doorward.yaml",
                lines,
                "docs/configuration.md",
            ));
            vec![
                routed(),
                Check::finding(
                    "login-cookie",
                    format!("{} was sent and did not arrive", cookie.name),
                    why,
                    change,
                ),
            ]
        }
        (false, "too_many_requests") => {
            vec![Check::unchecked("redirect-address", "too many requests just now", "Try again in a minute.")]
        }
        _ => {
            let says = format!("{back} is not Doorward's page: it answers {}", answer.outcome());
            let why = "people come back from the provider and nobody takes them in";
            vec![Check::finding("redirect-address", says, why, case.change(&Topic::BasePath(&login.base)))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_out_of_the_page() {
        let page = r#"<a href="/rbac/login?idp=google&amp;rd=x">G</a><a href="…?idp=key-cloak2&rd">K</a><a href="?idp=google">"#;
        assert_eq!(choices(page), ["google", "key-cloak2"]);
        assert_eq!(choices("<p>no idp= here</p>"), Vec::<String>::new());
    }
}
