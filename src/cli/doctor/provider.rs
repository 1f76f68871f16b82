//! Does each provider answer, is it who it is said to be, can its signatures be checked, and does it take the request that a
//! sign-in begins with?

use url::Url;

use super::ask::{Asker, Question};
use super::change::Topic;
use super::report::Check;
use super::{Case, authority};
use crate::clock::{Clock as _, SystemClock};
use crate::config::ProviderKind;
use crate::identity::discovery::Discovery;
use crate::identity::jwks::KeySet;
use crate::identity::outgoing::{Outgoing, OutgoingError};
use crate::identity::refresh::Asker as WhoAsks;

/// A provider that was asked.
pub(super) struct Known {
    pub(super) id: String,
    /// Where browsers are sent.
    authorization: Option<Url>,
    /// By how many seconds its clock is ahead of ours.
    pub(super) ahead: Option<i64>,
}

#[cfg(test)]
impl Known {
    pub(super) fn with_clock(id: &str, ahead: Option<i64>) -> Self {
        Self { id: id.to_owned(), authorization: None, ahead }
    }
}

/// What is asked of one.
struct Issuer<'a> {
    id: &'a str,
    issuer: &'a str,
    /// What its document calls it; another name where one document is for all tenants.
    named: &'a str,
    endpoint_hosts: &'a [String],
    algorithms: &'a [String],
    outgoing: Outgoing,
}

pub(super) async fn look(case: &Case, checks: &mut Vec<Check>) -> Vec<Known> {
    let usual = ["RS256", "PS256", "ES256", "ES384", "EdDSA"].map(str::to_owned);
    let mut known = Vec::new();
    if let Some(issuer) = &case.issuer {
        let issuer = Issuer {
            id: issuer,
            issuer,
            named: issuer,
            endpoint_hosts: &[],
            algorithms: &usual,
            outgoing: case.outgoing.clone(),
        };
        known.extend(issuer.look(case, checks).await);
    }
    let Some(config) = &case.config else {
        if case.issuer.is_none() {
            let give = "Give --config FILE or --issuer URL.";
            checks.push(Check::unchecked("provider", "no provider was named", give));
        }
        return known;
    };
    for provider in &config.providers {
        let outgoing = case.outgoing.allowing_http(provider.insecure_http);
        if provider.kind == ProviderKind::Github {
            known.extend(github(case, provider, outgoing, checks).await);
            continue;
        }
        let issuer = Issuer {
            id: &provider.id,
            issuer: &provider.issuer,
            named: provider
                .tenants
                .as_ref()
                .and_then(|tenants| tenants.issuers.as_deref())
                .unwrap_or(&provider.issuer),
            endpoint_hosts: &provider.endpoint_hosts,
            algorithms: &provider.algorithms,
            outgoing,
        };
        known.extend(issuer.look(case, checks).await);
    }
    let signs_in = |issuer: &str| config.providers.iter().any(|provider| provider.issuer == issuer);
    for bearer in config.issuers.iter().filter(|bearer| !signs_in(&bearer.issuer)) {
        let issuer = Issuer {
            id: &bearer.id,
            issuer: &bearer.issuer,
            named: &bearer.issuer,
            endpoint_hosts: &bearer.endpoint_hosts,
            algorithms: &bearer.algorithms,
            outgoing: case.outgoing.allowing_http(bearer.insecure_http),
        };
        known.extend(issuer.look(case, checks).await);
    }
    known
}

impl Issuer<'_> {
    async fn look(&self, case: &Case, checks: &mut Vec<Check>) -> Option<Known> {
        let (outcome, authorization) = self.answers().await;
        let there = outcome.is_ok();
        checks.push(
            match outcome {
                Ok(keys) => Check::ok("provider", format!("{} answers, with {keys} keys", self.issuer)),
                Err(error) => fault(case, &error),
            }
            .about(self.id),
        );
        if !there && authorization.is_none() {
            return None;
        }
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let ahead = match Url::parse(&address) {
            Ok(url) => clock_of(&self.outgoing, &url).await,
            Err(_) => None,
        };
        Some(Known { id: self.id.to_owned(), authorization, ahead })
    }

    /// The number of usable keys, and where browsers are sent.
    async fn answers(&self) -> (Result<usize, OutgoingError>, Option<Url>) {
        let now = SystemClock.now();
        let asked = self.outgoing.clone();
        let discovery = match Discovery::named(self.issuer, self.named, self.endpoint_hosts, asked) {
            Ok(discovery) => discovery,
            Err(fault) => return (Err(OutgoingError::BadAnswer(fault)), None),
        };
        let metadata = match discovery.get(now, WhoAsks::Person).await {
            Ok(metadata) => metadata,
            Err(error) => return (Err(error), None),
        };
        let keys = KeySet::new(discovery, self.outgoing.clone()).usable(self.algorithms, now).await;
        let keys = keys.and_then(|count| match count {
            0 => {
                let algorithms = self.algorithms.join(", ");
                Err(OutgoingError::BadAnswer(format!("{} has no key for {algorithms}", metadata.jwks_uri)))
            }
            count => Ok(count),
        });
        (keys, metadata.authorization_endpoint.clone())
    }
}

/// GitHub says nothing about itself: whether its API is there is all that can be asked.
async fn github(
    case: &Case,
    provider: &crate::config::Provider,
    outgoing: Outgoing,
    checks: &mut Vec<Check>,
) -> Option<Known> {
    let api = provider.api_url.as_ref()?;
    let asker = Asker::new(outgoing, api.clone(), None);
    match asker.ask(Question::program(api)).await {
        Ok(answer) if answer.status < 500 => {
            checks.push(Check::ok("provider", format!("{api} answers")).about(&provider.id));
            let authorization =
                Url::parse(&format!("{}/login/oauth/authorize", provider.issuer.trim_end_matches('/')));
            Some(Known {
                id: provider.id.clone(),
                authorization: authorization.ok(),
                ahead: answer.clock_ahead(),
            })
        }
        Ok(answer) => {
            let error = OutgoingError::Unavailable(format!("{api} answered {}", answer.status));
            checks.push(fault(case, &error).about(&provider.id));
            None
        }
        Err(error) => {
            checks.push(fault(case, &error).about(&provider.id));
            None
        }
    }
}

fn fault(case: &Case, error: &OutgoingError) -> Check {
    let (why, lines) = match error {
        OutgoingError::Unavailable(_) => (
            "nobody can sign in while it is away, and tokens by new keys are refused",
            "it runs, and this machine reaches it (DNS, firewall, HTTPS_PROXY, SSL_CERT_FILE)",
        ),
        OutgoingError::BadAnswer(_) => (
            "nobody can sign in: Doorward believes no provider that is not who it should be",
            "issuer, endpoint_hosts, algorithms: as the provider's /.well-known/openid-configuration has them, to the letter",
        ),
    };
    let change = case.change(&Topic::Other(
        "`providers` in doorward.yaml, or the provider",
        lines,
        "docs/configuration.md",
    ));
    Check::finding("provider", error.to_string(), why, change)
}

async fn clock_of(outgoing: &Outgoing, url: &Url) -> Option<i64> {
    let asker = Asker::new(outgoing.clone(), url.clone(), None);
    asker.ask(Question::program(url)).await.ok()?.clock_ahead()
}

/// Whether the provider takes the request of a sign-in. It says so to browsers alone, each provider in its own way; what is
/// known of those ways is looked for.
pub(super) async fn accepts(case: &Case, to: &Url, back: &Url, providers: &[Known]) -> Check {
    const ID: &str = "provider-accepts";
    let leads = |known: &&Known| {
        known
            .authorization
            .as_ref()
            .is_some_and(|url| authority(url) == authority(to) && url.path() == to.path())
    };
    let Some(known) = providers.iter().find(leads) else {
        let says = format!("whether {} takes {back} as its redirect address", authority(to));
        return Check::unchecked(
            ID,
            says,
            "Give --config FILE or --issuer URL: no other provider's address is asked.",
        );
    };
    let asker = Asker::new(case.outgoing.clone(), to.clone(), None);
    let answer = match asker.ask(Question::person(to)).await {
        Ok(answer) => answer,
        Err(error) => return fault(case, &error),
    };
    match refusal(answer.status, answer.location().as_ref(), &answer.text(), back) {
        None => Check::ok(ID, format!("{} shows its sign-in for {back}, and no error", known.id)),
        Some(how) => {
            let says = format!("{} refuses the sign-in: {how}", known.id);
            let lines = format!("redirect address, to the letter: {back}\nand client_id as in doorward.yaml");
            let change =
                case.change(&Topic::Other("the client at the provider", &lines, "docs/configuration.md"));
            Check::finding(
                ID,
                says,
                "everybody who wants to sign in ends on the provider's error page",
                change,
            )
        }
    }
}

/// How a provider says no to an authorization request.
fn refusal(status: u16, location: Option<&Url>, body: &str, back: &Url) -> Option<String> {
    if status >= 400 {
        // Keycloak, GitHub, most.
        return Some(format!("{status}"));
    }
    if let Some(to) = location {
        let parameter = |wanted: &str| {
            to.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let comes_back = authority(to) == authority(back) && to.path() == back.path();
        if comes_back && let Some(error) = parameter("error") {
            return Some(error);
        }
        // Google.
        if to.path().ends_with("/error") || parameter("authError").is_some() {
            return Some(format!("it leads to {}", to.path()));
        }
        return None;
    }
    // Microsoft: 200, and the code in the page.
    let code: String = body.split("AADSTS").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    (!code.is_empty()).then(|| format!("AADSTS{code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_refusal_is_known_and_a_sign_in_page_is_none() {
        let back = Url::parse("https://a.example.com/rbac/callback").unwrap();
        let url = |text: &str| Url::parse(text).unwrap();
        let ask = |status, location: Option<Url>, body: &str| refusal(status, location.as_ref(), body, &back);
        assert_eq!(ask(200, None, "<form>redirect_uri=…</form>"), None);
        assert_eq!(ask(302, Some(url("https://idp.example.com/signin?redirect_uri=x")), ""), None);
        assert_eq!(ask(302, Some(url("https://a.example.com/rbac/callback?code=x&state=y")), ""), None);
        assert_eq!(ask(400, None, ""), Some("400".into()));
        let error = url("https://a.example.com/rbac/callback?error=invalid_scope&state=y");
        assert_eq!(ask(302, Some(error), ""), Some("invalid_scope".into()));
        let google = url("https://accounts.google.com/signin/oauth/error?authError=abc&client_id=x");
        assert!(ask(302, Some(google), "").is_some());
        assert_eq!(ask(200, None, "<p>AADSTS50011: the redirect URI"), Some("AADSTS50011".into()));
    }
}
