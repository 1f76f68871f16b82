//! What is open that must not be: addresses of Doorward's for proxies and services, its metrics, its listeners.

use url::Url;

use super::ask::{Answer, Question};
use super::asked::Seen;
use super::change::Topic;
use super::report::Check;
use super::said::{Said, own_page};
use super::{Case, authority};
use crate::identity::outgoing::is_loopback;

pub(super) async fn look(case: &Case, seen: &Seen, checks: &mut Vec<Check>) {
    let mut sites = vec![case.url.clone()];
    if let Some(external) = &case.external
        && authority(external) != authority(&case.url)
    {
        sites.push(external.clone());
    }
    for site in &sites {
        inside_routes(case, site, seen, checks).await;
        metrics(case, site, checks).await;
    }
    checks.extend(listeners(case).await);
}

async fn inside_routes(case: &Case, site: &Url, seen: &Seen, checks: &mut Vec<Check>) {
    const ID: &str = "inside-routes";
    let envoy = format!("/auth/envoy{}", case.url.path());
    let before = checks.len();
    for path in ["/auth", "/auth/nginx", &envoy, "/authenticate", "/readyz"] {
        let url = own_page(site, "", path);
        let answer = match case.asker.ask(Question::program(&url)).await {
            Ok(answer) if Said::of(&answer) != Said::TooMany => answer,
            _ => {
                checks.push(Check::unchecked(ID, format!("{url} gave no answer"), "Try again.").about(path));
                continue;
            }
        };
        if is_open(path, &answer, seen) {
            let says = format!("{url} leads to Doorward: it answers {}", answer.outcome());
            let why = if path.starts_with("/auth") {
                "the proxy vouches for whatever a client asks there: who may see what, and who has which credential, can be found out"
            } else {
                "everybody reads how the inside is"
            };
            checks.push(Check::finding(ID, says, why, case.change(&Topic::Exposed(path))).about(path));
        }
    }
    if checks.len() == before {
        checks.push(Check::ok(ID, format!("/auth and its like lead nowhere at {}", authority(site))));
    }
}

/// Whether Doorward answers at this path, and not the proxy, the service, or Doorward's word about the service.
fn is_open(path: &str, answer: &Answer, seen: &Seen) -> bool {
    if path == "/readyz" {
        let json = answer.json();
        return json.get("leaving").is_some() && json.get("checks").is_some();
    }
    if answer.header("x-auth-redirect").is_some() {
        return true;
    }
    match Said::of(answer) {
        Said::Stranger => false,
        // Allowed means that the answer is the decision itself. What a proxy asks with comes from the proxy.
        Said::Allowed | Said::NoQuestion(_) => !matches!(seen.said, Said::NoQuestion(_)),
        // Where the proxy asks about this path as about any other, the sign-in leads back to it.
        Said::Challenge(Some(login)) => login.rd.is_some_and(|rd| rd != answer.url),
        // It has no sign-in to offer, which the rest of this site has.
        Said::Challenge(None) => seen.login.is_some(),
        Said::Untrusted => seen.said != Said::Untrusted,
        _ => false,
    }
}

async fn metrics(case: &Case, site: &Url, checks: &mut Vec<Check>) {
    const ID: &str = "metrics";
    let url = own_page(site, "", "/metrics");
    match case.asker.ask(Question::program(&url)).await {
        Ok(answer) if is_metrics(&answer) => {
            let why = "everybody reads who is refused how often, and what is slow";
            checks.push(Check::finding(
                ID,
                format!("{url} shows Doorward's metrics"),
                why,
                case.change(&Topic::Exposed("/metrics")),
            ));
        }
        Ok(answer) => checks.push(Check::ok(ID, format!("{url} answers {}", answer.outcome()))),
        Err(error) => checks.push(Check::unchecked(ID, error.to_string(), "Try again.")),
    }
}

fn is_metrics(answer: &Answer) -> bool {
    answer.status == 200 && answer.text().contains("doorward_")
}

/// Whether the ports that the configuration names can be reached past the proxy.
async fn listeners(case: &Case) -> Vec<Check> {
    const ID: &str = "listeners";
    let host = case.url.host_str().unwrap_or_default();
    let Some(config) = &case.config else {
        let give = format!(
            "Give --config FILE, which has its ports; or see from elsewhere that http://{host}:9000/metrics and http://{host}:8000/healthz do not answer."
        );
        return vec![Check::unchecked(
            ID,
            "whether Doorward's own ports can be reached past the proxy",
            give,
        )];
    };
    if is_loopback(&case.url) {
        let give = "Run doctor from another machine.";
        return vec![Check::unchecked(
            ID,
            "the address is this machine's own, which reaches all of its ports",
            give,
        )];
    }
    let mut checks = Vec::new();
    let base = &config.server.base_path;
    let main = (config.server.listen.port(), format!("{base}/.well-known/jwks.json"), "server.listen");
    let ops = config.ops.listen.map(|address| (address.port(), "/metrics".to_owned(), "ops.listen"));
    for (port, path, key) in [Some(main), ops].into_iter().flatten() {
        let mut url = own_page(&case.url, "", &path);
        let _ = url.set_scheme("http");
        let _ = url.set_port(Some(port));
        if authority(&url) == authority(&case.url) {
            continue;
        }
        let open = match case.asker.ask(Question::program(&url)).await {
            Ok(answer) => is_metrics(&answer) || answer.json().get("keys").is_some(),
            Err(_) => false,
        };
        checks.push(if open {
            let says = format!("{host}:{port} is Doorward itself, past the proxy, as seen from here");
            let why = "who reaches it asks it what only the proxy should ask, or reads its metrics";
            let lines = format!("{key}: an address that only the proxy (for metrics: only Prometheus) reaches, such as 127.0.0.1:{port}; or a firewall");
            Check::finding(ID, says, why, case.change(&Topic::Other("doorward.yaml", &lines, "docs/security.md")))
        } else {
            Check::ok(ID, format!("{host}:{port} is not reached from here"))
        }.about(key));
    }
    checks
}

#[cfg(test)]
mod tests {
    use openidconnect::http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::*;
    use crate::cli::doctor::said::Login;
    use crate::clock::Timestamp;

    fn answer(path: &str, status: u16, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("x-auth-decision-id", HeaderValue::from_static("1"));
        Answer {
            url: Url::parse(&format!("https://app.example.com{path}")).unwrap(),
            status,
            headers,
            body: body.as_bytes().to_vec(),
            at: Timestamp::default(),
        }
    }

    fn seen() -> Seen {
        let url = Url::parse("https://app.example.com/rbac/login").unwrap();
        let login = Login { url, rd: None, base: "/rbac".into() };
        Seen {
            person: answer("/", 302, ""),
            said: Said::Challenge(Some(login.clone())),
            hidden: false,
            login: Some(login),
        }
    }

    #[test]
    fn a_word_about_a_path_is_told_from_an_answer_at_it() {
        let login = |rd: &str| {
            json!({ "login_url": format!("https://app.example.com/rbac/login?rd={rd}") }).to_string()
        };
        let guarded = "https%3A%2F%2Fapp.example.com%2Fauth";
        assert!(!is_open("/auth", &answer("/auth", 401, &login(guarded)), &seen()));
        let no_rule =
            json!({ "error": "forbidden", "message": "forbidden: no rule allows this" }).to_string();
        assert!(!is_open("/auth", &answer("/auth", 403, &no_rule), &seen()));
        let missing =
            json!({ "error": "bad_request", "message": "the header X-Forwarded-Method is missing" });
        assert!(is_open("/auth", &answer("/auth", 400, &missing.to_string()), &seen()));
        assert!(is_open("/auth", &answer("/auth", 200, "OK"), &seen()));
        let envoy = answer("/auth/envoy/x", 401, &login("https%3A%2F%2Fapp.example.com%2Fx"));
        assert!(is_open("/auth/envoy/x", &envoy, &seen()));
        assert!(is_open("/authenticate", &answer("/authenticate", 401, "{}"), &seen()));
        assert!(is_open(
            "/readyz",
            &answer("/readyz", 200, r#"{"ready":true,"leaving":false,"checks":[]}"#),
            &seen()
        ));
        assert!(!is_open("/readyz", &answer("/readyz", 200, r#"{"ready":true}"#), &seen()));
    }
}
