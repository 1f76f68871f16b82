//! `doorward doctor` in front of the real Traefik: nothing is wrong with the demo, and each thing that is broken on purpose
//! is found, named, and told with the line to change, and nothing else is.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::support::{PATIENCE, Person, Setup, Stack, client, until};

/// A public page of foo's that answers with the request as it arrived.
const ECHO: &str = "/foo/public/x";
/// Of doorward's pages, one that needs nothing.
const KEYS: &str = "/rbac/.well-known/jwks.json";

/// What doctor said.
struct Told {
    status: i32,
    json: Value,
}

impl Told {
    fn of(&self, outcome: &str) -> Vec<&Value> {
        self.json["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == outcome).collect()
    }

    fn ids(&self, outcome: &str) -> BTreeSet<&str> {
        self.of(outcome).into_iter().map(|check| check["id"].as_str().unwrap()).collect()
    }

    fn finds_nothing(&self, unchecked: &[&str]) {
        assert_eq!(self.ids("finding"), BTreeSet::new(), "{:#}", self.json);
        assert_eq!(self.ids("unchecked"), unchecked.iter().copied().collect(), "{:#}", self.json);
        assert_eq!((self.status, &self.json["ok"]), (0, &json!(true)));
    }

    /// Exactly these are findings, each with a reason and a line; together they say all of `parts`.
    fn finds(&self, ids: &[&str], parts: &[&str]) {
        assert_eq!(self.ids("finding"), ids.iter().copied().collect(), "{:#}", self.json);
        assert_eq!((self.status, &self.json["ok"]), (1, &json!(false)));
        let findings = self.of("finding");
        for finding in &findings {
            let lines = finding["change"]["lines"].as_str().unwrap_or_default();
            assert!(!lines.is_empty() && finding["why"].is_string(), "{finding:#}");
        }
        let all = json!(findings).to_string();
        for part in parts {
            assert!(all.contains(part), "{part} is not in {:#}", json!(findings));
        }
    }
}

impl Stack {
    fn doctor(&self, url: &str, args: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .env_clear()
            .current_dir(self.folder())
            .args(["doctor", url, "--json"])
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
        });
        Told { status: output.status.code().unwrap(), json }
    }

    /// From outside, with an echo.
    fn seen_outside(&self) -> Told {
        self.doctor(&self.at("/foo/x?a=b"), &["--echo", &self.at(ECHO)])
    }

    /// With the configuration too.
    fn seen_inside(&self) -> Told {
        self.doctor(&self.at("/foo/x?a=b"), &["--echo", &self.at(ECHO), "--config", "doorward.yaml"])
    }
}

#[tokio::test]
async fn nothing_is_wrong_with_the_demo_and_what_was_not_seen_is_not_claimed() {
    let stack = Setup::demo().start().await;
    let told = stack.seen_inside();
    // The address is this machine's own: that its other ports answer says nothing.
    told.finds_nothing(&["listeners"]);
    assert_eq!(told.json["proxy"], "traefik");
    stack.seen_outside().finds_nothing(&["gateway", "listeners", "provider", "provider-accepts"]);
    let told = stack.doctor(&stack.at("/foo/"), &[]);
    told.finds_nothing(&["gateway", "identity-headers", "listeners", "provider", "provider-accepts"]);
    for check in told.of("unchecked") {
        assert!(
            check["give"].as_str().is_some_and(|give| give.contains("--") || give.contains("Run")),
            "{check:#}"
        );
    }
    let told = stack.doctor(&stack.at("/foo/"), &["--issuer", &stack.issuer()]);
    told.finds_nothing(&["gateway", "identity-headers", "listeners"]);
    let inside = format!("http://127.0.0.1:{}", stack.inside);
    let told = stack.doctor(&stack.at("/foo/"), &["--inside", &inside, "--proxy", "caddy"]);
    told.finds_nothing(&["identity-headers", "listeners", "provider", "provider-accepts"]);
    assert_eq!((&told.json["proxy"], &told.json["proxy_by"]), (&json!("caddy"), &json!("--proxy")));
    let log = stack.doorward_log();
    let cancelled = log.matches("sign_in_refused").count();
    assert_eq!(cancelled, 5, "one for each run: {log}");
}

#[tokio::test]
async fn a_credential_is_tried_on_its_own_host_and_never_shown() {
    let stack = Setup::demo().start().await;
    let ada = Person::signed_in(&stack, "ada@example.com").await;
    std::fs::write(stack.folder().join("cookie"), ada.cookie_line() + "\n").unwrap();
    std::fs::write(stack.folder().join("token"), "dw_nonsense").unwrap();
    let echo = stack.at("/foo/api/echo");
    let config = ["--config", "doorward.yaml", "--cookie-file", "cookie", "--echo", &echo];
    let told = stack.doctor(&stack.at("/foo/"), &config);
    told.finds_nothing(&["listeners"]);
    let said = told.json.to_string();
    assert!(said.contains("the session's cookie is kept from the service"), "{said}");
    assert!(!said.contains(&ada.session()));
    let told = stack.doctor(&stack.at("/foo/"), &["--token-file", "token", "--echo", &stack.at(ECHO)]);
    told.finds(&["signed-in"], &["not accepted: 401"]);
    assert!(!told.json.to_string().contains("nonsense"));
    // Signed out meanwhile.
    std::fs::write(stack.folder().join("cookie"), "doorward=forged").unwrap();
    stack.doctor(&stack.at("/foo/"), &["--cookie-file", "cookie"]).finds(&["signed-in"], &["not accepted"]);
}

#[tokio::test]
async fn bad_usage_is_status_2_and_sends_nothing() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .env_clear()
            .arg("doctor")
            .args(args)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file = std::env::current_dir().unwrap().join("Cargo.toml");
    let file = file.to_str().unwrap();
    for (args, part) in [
        (&["app.example.com"][..], "write it whole"),
        (&["ftp://app.example.com/"], "it must begin with https://"),
        (&["https://ada:secret@app.example.com/"], "no password goes into an address"),
        (&["https://app.example.com/", "--echo", "x"], "--echo"),
        (&["http://app.example.com/", "--token-file", file], "must be one line"),
        (&["https://app.example.com/", "--cookie-file", "/nowhere"], "--cookie-file /nowhere"),
        (&["https://app.example.com/", "--proxy", "apache"], "possible values: traefik, nginx, caddy, envoy"),
        (&["https://app.example.com/", "--config", "/nowhere.yaml"], "1 fault in the configuration"),
    ] {
        let (status, said) = run(args);
        assert_eq!(status, Some(2), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {part} is not in {said}");
    }
    let folder = tempfile::TempDir::new().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "dw_x").unwrap();
    let (status, said) = run(&["http://app.example.com/", "--token-file", token.to_str().unwrap()]);
    assert!(status == Some(2) && said.contains("--insecure-http"), "{said}");
}

// --- Traefik's part

#[tokio::test]
async fn finds_a_router_without_the_middleware() {
    let stack = Setup::demo().replacing("middlewares: [doorward]\n", "middlewares: []\n").start().await;
    let told = stack.doctor(&stack.at("/foo/"), &[]);
    told.finds(&["asked"], &["not asked", "gets 200", "middlewares: [doorward]"]);
    let told = stack.seen_outside();
    told.finds(&["asked", "identity-headers"], &["X-Auth-User, X-User-Id, X-Auth-Email"]);
}

#[tokio::test]
async fn finds_an_identity_header_that_is_not_replaced() {
    let stack = Setup::demo().replacing("          - X-Auth-Roles\n", "").start().await;
    stack
        .seen_outside()
        .finds(&["identity-headers"], &["into X-Auth-Roles reaches", "authResponseHeaders: [X-Auth-Roles"]);
}

#[tokio::test]
async fn finds_aliases_that_are_left_to_the_gateway() {
    let stack =
        Setup::demo().replacing("aliasHeadersStrategy: reject", "aliasHeadersStrategy: keep").start().await;
    let parts = ["passes on X_Auth_User", "aliasHeadersStrategy: reject"];
    stack.seen_outside().finds(&["aliases"], &parts);
    stack.doctor(&stack.at("/foo/"), &[]).finds(&["aliases"], &parts);
}

#[tokio::test]
async fn finds_a_proxy_that_believes_everybody() {
    let stack = Setup::demo().replacing("trustedIPs: []", "insecure: true").start().await;
    let parts = ["a client's X-Forwarded-Host", "a client's X-Forwarded-Uri", "trustedIPs: []"];
    stack.seen_outside().finds(&["forwarded-headers"], &parts);
}

#[tokio::test]
async fn finds_headers_that_the_gateway_is_not_shown() {
    let stack = Setup::demo()
        .replacing(
            "trustForwardHeader: true",
            "trustForwardHeader: true\n        authRequestHeaders: [Cookie]",
        )
        .start()
        .await;
    stack.seen_outside().finds(&["headers-shown"], &["leave authRequestHeaders out"]);
}

#[tokio::test]
async fn finds_that_the_question_is_routed() {
    let stack = Setup::demo()
        .replacing("\"PathPrefix(`/rbac`)\"", "\"PathPrefix(`/rbac`) || PathPrefix(`/auth`)\"")
        .start()
        .await;
    let told = stack.seen_outside();
    told.finds(&["inside-routes"], &["/auth leads to Doorward", "no rule that leads /auth"]);
    let about: Vec<&str> = told.of("finding").iter().map(|check| check["about"].as_str().unwrap()).collect();
    assert_eq!(about, ["/auth", "/auth/nginx", "/auth/envoy/foo/x", "/authenticate"]);
}

#[tokio::test]
async fn finds_that_metrics_are_routed() {
    let stack = Setup::demo()
        .replacing("ops: { listen: \"127.0.0.1:${OPS}\" }", "ops: { listen: none }")
        .replacing("\"PathPrefix(`/rbac`)\"", "\"PathPrefix(`/rbac`) || Path(`/metrics`)\"")
        .start()
        .await;
    stack.seen_outside().finds(&["metrics"], &["/metrics shows Doorward's metrics"]);
}

#[tokio::test]
async fn finds_that_the_pages_are_not_routed() {
    let stack =
        Setup::demo().replacing("\"PathPrefix(`/rbac`)\"", "\"PathPrefix(`/elsewhere`)\"").start().await;
    let parts = ["is not Doorward's page: it answers 404", "PathPrefix(`/rbac/`)"];
    stack.seen_outside().finds(&["login"], &parts);
}

#[tokio::test]
async fn finds_that_the_gateway_is_asked_about_its_own_pages() {
    let stack = Setup::demo()
        .replacing("\"PathPrefix(`/rbac`)\"", "\"PathPrefix(`/elsewhere`)\"")
        .replacing("\"PathPrefix(`/foo`)\"", "\"PathPrefix(`/foo`) || PathPrefix(`/rbac`)\"")
        .replacing("default: deny", "default: authenticated")
        .start()
        .await;
    stack.seen_outside().finds(&["login"], &["a sign-in would need a sign-in"]);
}

// --- doorward.yaml

#[tokio::test]
async fn finds_a_proxy_that_is_not_trusted() {
    let setup =
        Setup::demo().replacing("trusted_proxies: [127.0.0.1]", "trusted_proxies: [192.0.2.1]").open_at(KEYS);
    let stack = setup.start().await;
    stack.seen_outside().finds(&["trusted-proxies"], &["untrusted peer", "trusted_proxies: [ADDRESS"]);
}

#[tokio::test]
async fn finds_an_external_url_of_another_scheme() {
    let setup = Setup::demo()
        .replacing("\"http://localhost:${PORT}\"", "\"https://localhost:${PORT}\"")
        .open_at(KEYS);
    let stack = setup.start().await;
    stack
        .seen_outside()
        .finds(&["scheme"], &["external URL is https", "external_url: \\\"http://localhost:"]);
}

#[tokio::test]
async fn finds_an_external_url_of_another_host() {
    let setup = Setup::demo().replacing("\"http://localhost:${PORT}\"", "\"http://127.0.0.1:${PORT}\"");
    let stack = setup.start().await;
    let told = stack.seen_outside();
    told.finds(&["return"], &["neither shares its cookie with localhost:", "return_hosts: [\\\"localhost:"]);
    assert!(
        told.ids("unchecked").contains("login"),
        "the other host is not asked unless it is named: {:#}",
        told.json
    );
    // Named, it is looked at as well: what is left is that nobody comes back, and that the provider knows no such address.
    stack.seen_inside().finds(&["provider-accepts", "return"], &["http://127.0.0.1:"]);
}

/// Hosts of a domain, by their names, over plain http.
async fn with_domain(domain: &'static str) -> Stack {
    Setup::demo()
        .replacing(
            "external_url: \"http://localhost:${PORT}\"",
            "external_url: http://auth.example.test\n  insecure_http_external_url: true",
        )
        .and(&format!("session: {{ cookie_domain: {domain} }}"))
        .open_at(KEYS)
        .registered("http://auth.example.test")
        .start()
        .await
}

#[tokio::test]
async fn finds_a_cookie_domain_that_does_not_reach_the_service() {
    let url = "http://app.example.test/foo/";
    for (domain, found) in [("example.test", &["scheme"][..]), ("auth.example.test", &["return", "scheme"])] {
        let stack = with_domain(domain).await;
        let connect = format!("127.0.0.1:{}", stack.port);
        let args = ["--connect", &connect, "--external-url", "http://auth.example.test"];
        stack.doctor(url, &args).finds(found, &["the address is plain http"]);
        // By these names, the ports of the configuration are past the proxy.
        let args = ["--connect", &connect, "--config", "doorward.yaml"];
        let told = stack.doctor(url, &args);
        told.finds(&[found, &["listeners"]].concat(), &["server.listen", "ops.listen", "is Doorward itself"]);
    }
}

#[tokio::test]
async fn finds_cookies_that_get_lost_and_cookies_that_get_through() {
    let stack = Setup::demo().replacing("strip_credentials: true", "strip_credentials: false").start().await;
    stack.seen_outside().finds(&["credentials"], &["no cookie reaches the service"]);
    let stack = Setup::demo().replacing("          - Cookie\n", "").start().await;
    let ada = Person::signed_in(&stack, "ada@example.com").await;
    std::fs::write(stack.folder().join("cookie"), ada.cookie_line()).unwrap();
    let args = ["--config", "doorward.yaml", "--cookie-file", "cookie", "--echo", &stack.at(ECHO)];
    let told = stack.doctor(&stack.at("/foo/"), &args);
    told.finds(&["credentials"], &["although forward_auth.strip_credentials is true"]);
}

#[tokio::test]
async fn finds_an_address_that_the_policy_opens_or_closes_for_all() {
    let stack = Stack::shared().await;
    let told = stack.doctor(&stack.at("/foo/public"), &[]);
    told.finds(&["asked"], &["the policy makes this address public", "doorward explain"]);
    let setup = Setup::demo().replacing("prefix: /foo\n", "prefix: /bar\n").replacing("- { as", "# - { as");
    let stack = setup.replacing("tests:", "# tests:").open_at(KEYS).start().await;
    stack.doctor(&stack.at("/foo/"), &[]).finds(&["asked"], &["the policy lets nobody in here"]);
}

// --- everybody else

#[tokio::test]
async fn finds_a_redirect_address_that_is_not_registered() {
    let stack = Setup::demo().registered("http://localhost:1").start().await;
    let back = stack.at("/rbac/callback");
    stack.seen_inside().finds(&["provider-accepts"], &["refuses the sign-in: 400", &back]);
}

#[tokio::test]
async fn finds_a_provider_that_is_another_one_or_has_no_keys_or_another_time_or_is_away() {
    let mut stack = Setup::demo().two_providers().start().await;
    let told = stack.seen_inside();
    told.finds_nothing(&["listeners"]);
    let accepted: Vec<&Value> =
        told.of("ok").into_iter().filter(|check| check["id"] == "provider-accepts").collect();
    assert_eq!(accepted.iter().map(|check| &check["about"]).collect::<Vec<_>>(), ["p0", "p1"]);

    stack.misbehave(&json!({ "discovery": { "issuer": "http://127.0.0.1:1" } })).await;
    let parts = ["names the issuer", "the two must be equal to the letter", "\"about\":\"p0\""];
    stack.seen_inside().finds(&["provider"], &parts);
    stack.misbehave(&json!({ "discovery": {}, "garbage": { "jwks": "{\"keys\": []}" } })).await;
    stack.seen_inside().finds(&["provider"], &["has no key for"]);
    stack.misbehave(&json!({})).await;

    stack.misbehave(&json!({ "clock_ahead": 3600 })).await;
    stack.seen_inside().finds(&["clock"], &["s behind the provider's (p0)", "NTP"]);
    stack.misbehave(&json!({ "clock_ahead": -3600 })).await;
    stack.seen_inside().finds(&["clock"], &["s ahead of the provider's (p0)"]);
    stack.misbehave(&json!({})).await;

    stack.stop_provider();
    stack.seen_inside().finds(&["provider"], &["failed", "it runs, and this machine reaches it"]);
    // Begun anew, the gateway knows nothing of the provider, and says so to whoever looks from outside.
    stack.stop_doorward();
    stack.start_doorward().await;
    let parts = ["Doorward gets no answer from the provider"];
    stack.seen_outside().finds(&["provider"], &parts);
}

#[tokio::test]
async fn finds_that_the_store_or_the_gateway_is_away() {
    let mut stack = Setup::demo().start().await;
    let file = stack.folder().join("data/doorward.db");
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.busy_timeout(PATIENCE).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    stack.seen_outside().finds(&["store"], &["the store does not answer"]);
    drop(lock);
    stack.seen_outside().finds_nothing(&["gateway", "listeners", "provider", "provider-accepts"]);
    let aside = stack.folder().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    let health = format!("http://127.0.0.1:{}/healthz", stack.inside);
    until("the store is away", async || {
        (client().get(&health).send().await.ok()?.status() == 503).then_some(())
    })
    .await;
    stack.seen_inside().finds(&["store"], &["the gateway says of its store: failing"]);
    std::fs::rename(&aside, &file).unwrap();
    stack.stop_doorward();
    stack.seen_outside().finds(&["asked"], &["the proxy answers 500, and Doorward had no word in it"]);
    let told = stack.doctor("http://127.0.0.1:1/", &[]);
    told.finds(&["reachable"], &["nothing answers"]);
}

#[tokio::test]
async fn people_read_a_table_and_what_to_do() {
    let stack = Stack::shared().await;
    let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .env_clear()
        .args(["doctor", &stack.at("/foo/public")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "proxy: traefik",
        "FINDING",
        "1. asked: ",
        "   why     ",
        "   change  ",
        "could not be checked:\n- ",
        "1 finding, ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
