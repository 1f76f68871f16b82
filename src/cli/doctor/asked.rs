//! Is Doorward asked about the address, in a way that it can answer, and is nobody let in who is not signed in?

use url::Url;

use super::ask::{Answer, Question};
use super::change::Topic;
use super::report::Check;
use super::said::{Login, Said};
use super::{Case, authority};
use crate::identity::outgoing::is_loopback;

/// How the address answers somebody who is not signed in.
pub(super) struct Seen {
    /// To a browser.
    pub(super) person: Answer,
    /// What a program is told.
    pub(super) said: Said,
    /// Doorward is asked, and does not see the client's headers.
    pub(super) hidden: bool,
    pub(super) login: Option<Login>,
}

/// `None`: nothing answers, so that there is no more to see.
pub(super) async fn look(case: &Case, checks: &mut Vec<Check>) -> Option<Seen> {
    let question = Question::program(&case.url);
    // Doorward says what it thinks of such a method to everybody, on public addresses too; a service hardly.
    let overriding = question.clone().with("x-http-method-override", "PATCH");
    let (program, person) =
        match (case.asker.ask(question).await, case.asker.ask(Question::person(&case.url)).await) {
            (Ok(program), Ok(person)) => (program, person),
            (Err(error), _) | (_, Err(error)) => {
                checks.push(unreachable(case, &error.to_string()));
                return None;
            }
        };
    checks.push(Check::ok("reachable", format!("{} answers {}", case.url, person.outcome())));
    let overridden = match case.asker.ask(overriding).await {
        Ok(answer) => Said::of(&answer),
        Err(_) => Said::Stranger,
    };
    let said = Said::of(&program);
    checks.push(match cached(case, &person, &said) {
        Some(check) => check,
        None => asked(case, &program, &said, &overridden),
    });
    if let Said::Challenge(_) = said {
        checks.push(headers_shown(case, &overridden));
    }
    let login = match (Said::of(&person), &said) {
        (Said::Challenge(Some(login)), _) => Some(login),
        (_, Said::Challenge(Some(login))) => Some(login.clone()),
        _ => None,
    };
    match (&login, &said) {
        (Some(login), _) => checks.extend(address(case, login)),
        (None, Said::PlainHttp) => checks.push(plain_http(case)),
        (None, Said::Challenge(None)) => checks.push(Check::unchecked(
            "login",
            "no sign-in by browser is set up",
            "If people should sign in, set server.external_url and providers in doorward.yaml.",
        )),
        (None, _) => checks.push(Check::unchecked(
            "login",
            "the address sends nobody to sign in",
            "Mend the findings before, or give an address that is protected.",
        )),
    }
    let hidden = matches!((&said, &overridden), (Said::Challenge(_), Said::Challenge(_)));
    Some(Seen { person, said, hidden, login })
}

fn unreachable(case: &Case, error: &str) -> Check {
    let lines = "the name leads to the proxy, the proxy listens there, and its certificate is one that this machine trusts \
                 (SSL_CERT_FILE=FILE names a private authority; --connect IP:PORT goes past the DNS)";
    let change =
        case.change(&Topic::Other("DNS, the proxy's listener and its certificate", lines, "docs/doctor.md"));
    Check::finding(
        "reachable",
        format!("nothing answers: {error}"),
        "nobody gets anywhere, and nothing else can be seen",
        change,
    )
}

/// A program is refused, and a browser is let in: nobody asked Doorward about it.
fn cached(case: &Case, person: &Answer, said: &Said) -> Option<Check> {
    let let_in = (200..300).contains(&person.status) && !Said::of(person).is_doorwards();
    (let_in && said.is_doorwards()).then(|| {
        let says = format!("a program is refused, and a browser gets {} without Doorward", person.outcome());
        let why =
            "a cache, or a rule about headers, answers for the service: everybody reads what others may read";
        Check::finding("asked", says, why, case.change(&Topic::NotAsked))
    })
}

/// The heart of it.
fn asked(case: &Case, program: &Answer, said: &Said, overridden: &Said) -> Check {
    const ID: &str = "asked";
    let shown = program.outcome();
    let not_asked = "the service is open to everybody, and believes whatever X-Auth-User a client writes";
    match said {
        Said::Challenge(_) => {
            Check::ok(ID, format!("Doorward is asked, and who is not signed in gets {shown}"))
        }
        Said::Untrusted => {
            let why = "Doorward answers 403 to every question of the proxy, so nothing gets through";
            Check::finding(
                "trusted-proxies",
                "the proxy may not ask: Doorward calls it an untrusted peer",
                why,
                case.change(&Topic::TrustedProxies),
            )
        }
        Said::PlainHttp => Check::ok(ID, "Doorward is asked, and lets nobody in"),
        Said::NoQuestion(message) => {
            let why = "Doorward cannot tell what is asked for and refuses, so nothing gets through";
            Check::finding(
                ID,
                format!("the proxy's question is not one: {message}"),
                why,
                case.change(&Topic::BadQuestion),
            )
        }
        Said::Forbidden(message) => {
            let why = "everybody is refused, signed in or not";
            Check::finding(
                ID,
                format!("Doorward is asked, and the policy lets nobody in here: {message}"),
                why,
                case.change(&Topic::Policy),
            )
        }
        Said::Unavailable => {
            let change = case.change(&Topic::Other(
                "the store",
                "store.url in doorward.yaml, and the server that it names",
                "docs/store.md",
            ));
            Check::finding(
                "store",
                "Doorward is asked, and cannot check: 503",
                "nobody gets in until the store answers",
                change,
            )
        }
        Said::TooMany => {
            Check::unchecked(ID, "Doorward answers 429: too many requests", "Try again in a minute.")
        }
        Said::Bad(_) | Said::Alias | Said::Override | Said::Invalid | Said::Allowed => Check::unchecked(
            ID,
            format!("Doorward answers {shown}, which says nothing about who is let in"),
            "Give another address of the service: a plain path, without anything that a server could read in two ways.",
        ),
        Said::Stranger if overridden.is_doorwards() => {
            let why = "if this address should be protected, everybody can read it";
            Check::finding(
                ID,
                format!(
                    "Doorward is asked, and lets everybody in ({shown}): the policy makes this address public"
                ),
                why,
                case.change(&Topic::Policy),
            )
        }
        Said::Stranger if program.status >= 500 => {
            let why = "nothing gets through: the proxy gets no answer from Doorward, or the service is down";
            Check::finding(
                ID,
                format!("the proxy answers {shown}, and Doorward had no word in it"),
                why,
                case.change(&Topic::BadQuestion),
            )
        }
        Said::Stranger if matches!(program.status, 401 | 403) => {
            let why = "nobody is sent to sign in: this refusal is the proxy's or the service's own";
            Check::finding(
                ID,
                format!("{shown}, but it is not Doorward that says so"),
                why,
                case.change(&Topic::BadQuestion),
            )
        }
        Said::Stranger => Check::finding(
            ID,
            format!("Doorward is not asked: who is not signed in gets {shown}"),
            not_asked,
            case.change(&Topic::NotAsked),
        ),
    }
}

/// A proxy that keeps headers back from Doorward keeps back cookies, aliases and overrides too.
fn headers_shown(case: &Case, overridden: &Said) -> Check {
    const ID: &str = "headers-shown";
    match overridden {
        Said::Override => Check::ok(ID, "Doorward sees the client's headers"),
        Said::Challenge(_) => {
            let why = "it sees no cookie or cannot tell people from programs, and does not refuse what only it would refuse";
            Check::finding(
                ID,
                "the proxy does not show Doorward the client's headers",
                why,
                case.change(&Topic::HeadersHidden),
            )
        }
        _ => Check::unchecked(
            ID,
            "a request with X-HTTP-Method-Override was refused on the way",
            "Nothing: that is safe.",
        ),
    }
}

/// Whether what Doorward decides on is what was asked for.
fn address(case: &Case, login: &Login) -> Vec<Check> {
    let mut checks = Vec::new();
    match &login.rd {
        Some(rd) if *rd == case.url => {
            checks.push(Check::ok("address", "Doorward decides on the address asked for"));
        }
        Some(rd) if rd.scheme() != case.url.scheme() => checks.push(wrong_scheme(case, rd)),
        Some(rd) => {
            let why = "the decision is about another address than the one that is served";
            let says = format!("asked for {}, and Doorward decided on {rd}", case.url);
            checks.push(Check::finding("address", says, why, case.change(&Topic::Address)));
        }
        None => {
            let why = "people sign in, and end on the account page instead of where they wanted to be";
            let says = format!("a sign-in does not return to {}", authority(&case.url));
            checks.push(Check::finding(
                "return",
                says,
                why,
                case.change(&Topic::ReturnHost(&authority(&case.url))),
            ));
        }
    }
    checks.push(scheme(case, &login.url));
    checks
}

fn wrong_scheme(case: &Case, rd: &Url) -> Check {
    let why = "cookies and redirects are made for the wrong scheme: sign-ins are lost or lead to plain http";
    let says = format!("asked for {}, and the proxy told Doorward {}", case.url.scheme(), rd.scheme());
    let topic = if case.url.scheme() == "https" { Topic::PlainHttp } else { Topic::Address };
    Check::finding("scheme", says, why, case.change(&topic))
}

fn scheme(case: &Case, login: &Url) -> Check {
    const ID: &str = "scheme";
    match (case.url.scheme(), login.scheme()) {
        ("https", "http") => {
            let mut right = login.clone();
            let _ = right.set_scheme("https");
            let why = "the sign-in goes over plain http, and its cookie is readable on the way";
            let says = format!(
                "the address is https, and people are sent to sign in at {}",
                login.origin().ascii_serialization()
            );
            Check::finding(
                ID,
                says,
                why,
                case.change(&Topic::ExternalUrl(&right.origin().ascii_serialization())),
            )
        }
        ("http", _) if !is_loopback(&case.url) => {
            let why = "whoever is on the way reads the session and becomes that person";
            Check::finding(ID, "the address is plain http", why, case.change(&Topic::PlainHttp))
        }
        (scheme, _) => Check::ok(ID, format!("{scheme} all the way")),
    }
}

/// Doorward has an https external URL and was told `http`.
fn plain_http(case: &Case) -> Check {
    let https = case.url.scheme() == "https";
    let says = if https {
        "the address is https, and the proxy told Doorward http".to_owned()
    } else {
        "the address is http, and Doorward's external URL is https".to_owned()
    };
    let why = "Doorward refuses with 400, as the session's cookie would not be sent; nothing gets through";
    let own = case.url.origin().ascii_serialization();
    // On this machine http may be what is meant.
    let topic = if !https && is_loopback(&case.url) { Topic::ExternalUrl(&own) } else { Topic::PlainHttp };
    Check::finding("scheme", says, why, case.change(&topic))
}
