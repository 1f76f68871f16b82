//! What of a client reaches the service? Only the service can tell: an address whose answer shows the headers that it got.
//! That it does is proved first, with a header that nobody has reason to stop.

use url::Url;

use super::ask::{Answer, Credential, Question};
use super::asked::Seen;
use super::change::Topic;
use super::report::Check;
use super::said::Said;
use super::{Case, random_name};

/// All that services believe.
pub(super) const IDENTITY: [&str; 8] = [
    "X-Auth-User",
    "X-User-Id",
    "X-Auth-Email",
    "X-Auth-Name",
    "X-Auth-Roles",
    "X-Auth-Permissions",
    "X-Auth-Method",
    "X-Auth-Assertion",
];
/// What a careless server reads as `-`.
const SIGNS: [&str; 3] = ["_", ".", "!"];
/// An address for documentation (RFC 5737), which no client has.
const SOMEBODY: &str = "203.0.113.77";

pub(super) async fn look(case: &Case, seen: &Seen, checks: &mut Vec<Check>) {
    if case.asker.credential().is_some() {
        checks.push(signed_in(case).await);
    }
    let Some(echo) = &case.echo else {
        let give = "Give --echo URL: an address behind this proxy whose answer shows the headers that the service got, such as \
             a whoami. If it is protected, --cookie-file or --token-file too.";
        checks.push(Check::unchecked("identity-headers", "only a service can tell what reaches it", give));
        checks.push(aliases_without(case).await);
        return;
    };
    match shows(case, echo).await {
        Ok(()) => {}
        Err(why) => {
            for id in ["identity-headers", "aliases"] {
                let give = "Give an --echo that is public, or --cookie-file or --token-file, and whose answer has the request's \
                     headers in it.";
                checks.push(Check::unchecked(id, &why, give));
            }
            return;
        }
    }
    checks.push(identity(case, echo).await);
    checks.push(aliases(case, seen, echo).await);
    checks.push(client_address(case, echo).await);
    checks.extend(credentials(case, echo).await);
}

/// What became of a request with something made up in it.
enum Tried {
    /// The service got it.
    Through,
    /// The service got the request without it.
    Dropped,
    /// Nobody got anything.
    Refused(Said),
    /// None of these was seen.
    Unclear,
}

/// Every request carries a marker, so that an answer is known to be about it.
async fn ask(case: &Case, question: Question) -> Option<Answer> {
    let marker = random_name();
    let answer = case.asker.ask(question.signed_in().with("x-doctor", &marker)).await.ok()?;
    (answer.status == 400 || answer.text().contains(&marker)).then_some(answer)
}

async fn try_header(case: &Case, echo: &Url, name: &str) -> Tried {
    let canary = random_name();
    match ask(case, Question::program(echo).with(name, &canary)).await {
        None => Tried::Unclear,
        Some(answer) if answer.text().contains(&canary) => Tried::Through,
        Some(answer) if answer.status == 400 => Tried::Refused(Said::of(&answer)),
        Some(_) => Tried::Dropped,
    }
}

fn unclear(id: &'static str) -> Check {
    Check::unchecked(id, "a request was answered by neither the echo nor a refusal", "Try again.")
}

/// Whether the echo is one.
async fn shows(case: &Case, echo: &Url) -> Result<(), String> {
    let marker = random_name();
    let question = Question::program(echo).signed_in().with("x-doctor", &marker);
    let answer = case.asker.ask(question).await.map_err(|error| error.to_string())?;
    if answer.text().contains(&marker) {
        return Ok(());
    }
    Err(if Said::of(&answer).is_doorwards() {
        format!("{echo} is protected: it answers {}", answer.outcome())
    } else {
        format!("{echo} answers {}, without the headers of the request", answer.outcome())
    })
}

/// The eight under their own names: each in a request of its own, as one that is refused would hide the others.
async fn identity(case: &Case, echo: &Url) -> Check {
    const ID: &str = "identity-headers";
    let mut through = Vec::new();
    let mut all_clear = true;
    for name in IDENTITY {
        match try_header(case, echo, name).await {
            Tried::Through => through.push(name),
            Tried::Dropped | Tried::Refused(_) => {}
            Tried::Unclear => all_clear = false,
        }
    }
    if !through.is_empty() {
        let names = through.join(", ");
        let why = "anybody is whoever they say they are, with the roles that they say they have";
        let says = format!("what a client writes into {names} reaches the service");
        return Check::finding(ID, says, why, case.change(&Topic::IdentityHeaders(&names)));
    }
    if !all_clear {
        return unclear(ID);
    }
    Check::ok(ID, "none of the eight that a client makes up reaches the service")
}

/// The same in spellings that many servers and languages take for the name.
fn spellings() -> impl Iterator<Item = String> {
    IDENTITY.iter().flat_map(|name| SIGNS.iter().map(move |sign| name.replace('-', sign)))
}

async fn aliases(case: &Case, seen: &Seen, echo: &Url) -> Check {
    const ID: &str = "aliases";
    let (mut through, mut passed, mut all_clear) = (Vec::new(), false, true);
    for name in spellings() {
        match try_header(case, echo, &name).await {
            Tried::Through => through.push(name),
            Tried::Refused(said) => passed |= said == Said::Alias && name.contains('_'),
            Tried::Dropped => {}
            Tried::Unclear => all_clear = false,
        }
    }
    if !through.is_empty() {
        let says = format!("{} of a client reaches the service", through.join(", "));
        let why = "a service that reads `_` or `.` as `-` (CGI, WSGI, PHP and many others do) believes it";
        // Where Doorward is asked and shown all headers, it refuses whatever the proxy leaves to it.
        let topic = match through.iter().any(|name| name.contains('_')) {
            true => Topic::Aliases,
            false if seen.hidden => Topic::HeadersHidden,
            false => Topic::NotAsked,
        };
        return Check::finding(ID, says, why, case.change(&topic));
    }
    if passed {
        return passed_on(case);
    }
    if !all_clear {
        return unclear(ID);
    }
    Check::ok(ID, "X_Auth_User, X.Auth.User and their like are refused or dropped")
}

/// Doorward stops an alias where it is asked. No proxy with the files of `deployment/` leaves that to it for `_`.
fn passed_on(case: &Case) -> Check {
    let says = "the proxy passes on X_Auth_User, and Doorward alone refuses it";
    let why = "routes about which Doorward is not asked have no such wall: a service there that reads `_` as `-` believes it";
    Check::finding("aliases", says, why, case.change(&Topic::Aliases))
}

/// Without an echo: that an alias is refused is seen, that it was dropped is not.
async fn aliases_without(case: &Case) -> Check {
    const ID: &str = "aliases";
    let Ok(usual) = case.asker.ask(Question::program(&case.url)).await else {
        return Check::unchecked(ID, "no answer", "Try again.");
    };
    let mut refused = true;
    for name in spellings() {
        let Ok(answer) = case.asker.ask(Question::program(&case.url).with(&name, "nobody")).await else {
            return Check::unchecked(ID, "no answer", "Try again.");
        };
        let said = Said::of(&answer);
        if said == Said::Alias && name.contains('_') {
            return passed_on(case);
        }
        refused &=
            said == Said::Alias || said == Said::Stranger && answer.status == 400 && usual.status != 400;
    }
    if refused {
        return Check::ok(ID, "X_Auth_User, X.Auth.User and their like are refused");
    }
    let says = "an alias is not refused: it was dropped on the way, or Doorward is not shown it";
    Check::unchecked(ID, says, "Give --echo URL.")
}

/// The last address of `X-Forwarded-For` is the one that counts, and the proxy must have written it.
async fn client_address(case: &Case, echo: &Url) -> Check {
    const ID: &str = "client-address";
    let Some(answer) = ask(case, Question::program(echo).with("X-Forwarded-For", SOMEBODY)).await else {
        return unclear(ID);
    };
    let text = answer.text();
    match text.split_once(SOMEBODY) {
        Some((_, rest)) if !rest.trim_start().starts_with(',') => {
            let says = "the service gets a client's X-Forwarded-For as it was written";
            let why = "anybody comes from any address: in logs, audit lines and limits";
            Check::finding(ID, says, why, case.change(&Topic::ForwardedHeaders))
        }
        Some(_) => Check::ok(ID, "the proxy adds the client's address to X-Forwarded-For"),
        None => Check::ok(ID, "X-Forwarded-For of a client does not reach the service"),
    }
}

/// Whether cookies of the service's own arrive, and Doorward's do not where they should not.
async fn credentials(case: &Case, echo: &Url) -> Vec<Check> {
    const ID: &str = "credentials";
    let strip = case.config.as_ref().map(|config| config.forward_auth.strip_credentials);
    let pair = format!("doctor={}", random_name());
    let Some(answer) =
        ask(case, Question::program(echo).cookie(&pair)).await.filter(|answer| answer.status != 400)
    else {
        return vec![unclear(ID)];
    };
    let text = answer.text();
    let mut checks = Vec::new();
    if text.contains(&pair) {
        checks.push(Check::ok(ID, "services get their own cookies"));
    } else {
        let why = "services lose their own sessions, languages and baskets";
        checks.push(Check::finding(
            ID,
            "no cookie reaches the service",
            why,
            case.change(&Topic::Credentials),
        ));
    }
    let (secret, what) = match case.asker.credential().filter(|_| echo.origin() == case.url.origin()) {
        Some(Credential::Cookie(line)) => {
            (own_cookie(line.to_str().unwrap_or_default()), "the session's cookie")
        }
        Some(Credential::Token(token)) => (
            token.to_str().ok().and_then(|token| token.strip_prefix("Bearer ")).map(str::to_owned),
            "the token",
        ),
        None => (None, ""),
    };
    let Some(secret) = secret else { return checks };
    let shared = secret.starts_with("__Secure-");
    match (text.contains(&secret), strip) {
        (false, _) => checks.push(Check::ok(ID, format!("{what} is kept from the service"))),
        (true, Some(true)) => {
            let says = format!("{what} reaches the service, although forward_auth.strip_credentials is true");
            let why = "the service can act as everybody who visits it";
            checks.push(Check::finding(ID, says, why, case.change(&Topic::Credentials)));
        }
        (true, _) if shared => {
            let says = "the session's cookie, which is good on every host of its domain, reaches the service";
            let why = "the service can act as everybody who visits it, on every other host";
            checks.push(Check::finding(ID, says, why, case.change(&Topic::Credentials)));
        }
        (true, _) => checks.push(Check::ok(
            ID,
            format!("{what} reaches the service, as forward_auth.strip_credentials is not set"),
        )),
    }
    checks
}

/// The session's cookie out of a `Cookie` header.
fn own_cookie(line: &str) -> Option<String> {
    let names = ["__Host-doorward=", "__Secure-doorward=", "doorward="];
    let own = |pair: &&str| names.iter().any(|name| pair.starts_with(name));
    line.split(';').map(str::trim).find(own).map(str::to_owned)
}

/// Whether the credential is accepted where it belongs.
async fn signed_in(case: &Case) -> Check {
    const ID: &str = "signed-in";
    let answer = match case.asker.ask(Question::program(&case.url).signed_in()).await {
        Ok(answer) => answer,
        Err(error) => return Check::unchecked(ID, error.to_string(), "Try again."),
    };
    match Said::of(&answer) {
        Said::Stranger => {
            Check::ok(ID, format!("the credential is accepted: the service answers {}", answer.status))
        }
        Said::Forbidden(message) => {
            Check::ok(ID, format!("the credential is known, and this is not allowed: {message}"))
        }
        Said::Unavailable => {
            let change = case.change(&Topic::Other(
                "the store",
                "store.url in doorward.yaml, and the server that it names",
                "docs/store.md",
            ));
            Check::finding(
                "store",
                "the credential cannot be checked: 503",
                "nobody gets in until the store answers",
                change,
            )
        }
        Said::Challenge(_) | Said::Invalid => {
            let says = format!("the credential is not accepted: {}", answer.outcome());
            let lines = "a credential that is still good and was made for this host; and a proxy that shows Doorward the headers \
                 Cookie and Authorization";
            let why = "either it has ended, or nobody who signs in gets in";
            Check::finding(
                ID,
                says,
                why,
                case.change(&Topic::Other("the credential, or the proxy", lines, "docs/doctor.md")),
            )
        }
        said => Check::unchecked(ID, format!("Doorward answers {said:?}"), "Mend the findings before."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_are_those_that_doorward_sends() {
        let source = include_str!("../../http/identity_headers.rs");
        for name in IDENTITY {
            assert!(source.contains(&format!("from_static(\"{}\")", name.to_lowercase())), "{name}");
        }
        assert_eq!(source.matches("HeaderName::from_static(\"").count(), IDENTITY.len());
        assert_eq!(spellings().count(), 24);
        assert!(spellings().any(|name| name == "X_Auth_User") && spellings().any(|name| name == "X.User.Id"));
    }

    #[test]
    fn the_own_cookie_is_found_among_others() {
        assert_eq!(own_cookie("a=1; __Host-doorward=v; b=2").as_deref(), Some("__Host-doorward=v"));
        assert_eq!(own_cookie("a=doorward=1; __Host-doorward-login=x"), None);
    }
}
