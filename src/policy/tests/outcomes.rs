//! What is answered, to whom.

use super::{FULL, HOSTS, SHORT, ask, ask_all, policy, target, word};
use crate::policy::decision::{Caller, Decision, Reason, Subject};
use crate::policy::target::Host;
use crate::policy::{Policy, Question, Upgrade};

const ALICE: &str = "user";
const ROOT: &str = "admin,user";

fn app(who: &str, uri: &str) -> &'static str {
    ask(&policy(HOSTS), who, &format!("GET https://app.example.test{uri}"))
}

#[test]
fn no_spelling_of_a_path_meets_the_public_rule() {
    for uri in [
        "/public/../admin/secrets",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/public/%252e%252e%252fadmin",
        "//admin/x",
        "/public//..//admin",
        "//app.example.test/public/x",
        "/public/..%23/admin",
        "/public/..\\admin",
        "/public/%5c..%5cadmin",
        "/admin%3f/public/a",
        "/admin?x=/public/",
        "/admin?/public/a",
        "/publicity",
        "/public.evil",
        "/public-old/x",
        "/healthz/x",
        "/healthzX",
        "/healthz/../admin",
        "/healthz%2f..%2fadmin",
        "/healthz;x/y",
    ] {
        assert_ne!(app("-", uri), "allow", "{uri}");
        assert_ne!(app("-", uri), "deny", "{uri}: the host is known, so people may sign in");
    }
    assert_eq!(app("-", "/public/x"), "allow");
    assert_eq!(app("-", "/public"), "allow");
    assert_eq!(app("-", "/public/"), "allow");
    assert_eq!(app("-", "/healthz"), "allow");
    assert_eq!(app("-", "/publicity"), "login");
}

#[test]
fn no_spelling_of_a_path_gets_around_the_admin_rule() {
    for uri in [
        "/admin",
        "/admin/",
        "/admin/.",
        "/admin//",
        "/admin?",
        "/admin/x",
        "/%61dmin/x",
        "/adm%69n/x",
        "/%2561dmin/x",
        "//admin/x",
        "/public/../admin",
        "/admin;x",
        "/admin;x/y",
        "/admin%3bx/y",
        "/admin%3f/public/a",
        "/admin%23/x",
    ] {
        assert!(matches!(app(ALICE, uri), "deny" | "unreadable"), "{uri}");
    }
    assert_eq!(app(ALICE, "/admin"), "deny");
    assert_eq!(app(ALICE, "/%61dmin/x"), "deny");
    assert_eq!(app(ROOT, "/admin/x"), "allow");
    // Paths are case-sensitive.
    assert_eq!(app(ALICE, "/%41DMIN/x"), app(ALICE, "/ADMIN/x"));
}

#[test]
fn ordinary_paths_are_let_through() {
    for uri in [
        "/caf%C3%A9/a%20b",
        "/docs/v1.2/..hidden/file.tar.gz",
        "/a/.well-known/x",
        "/x?next=/admin&u=..%2f..%2fadmin",
        "/~alice/(1)/a,b;v=1",
        "/c%23/notes",
        "/what%3F",
    ] {
        assert_eq!(app(ALICE, uri), "allow", "{uri}");
    }
    assert_eq!(app(ALICE, "/files/group%2Fproject/raw"), "unreadable");
}

#[test]
fn hosts_are_one_whatever_their_spelling() {
    let policy = policy(HOSTS);
    for (host, uri) in [
        ("SECRET.Apps.Example.Test", "/"),
        ("secret.APPS.example.test", "/"),
        ("secret.apps.example.test.", "/"),
        ("APP.example.test", "/admin/x"),
        ("app.example.test.", "/admin/x"),
        ("app.example.test:443", "/admin/x"),
        ("app.example.test:8443", "/admin/x"),
        ("app.example.test:80", "/admin/x"),
    ] {
        assert_eq!(ask(&policy, ALICE, &format!("GET https://{host}{uri}")), "deny", "{host}");
    }
}

#[test]
fn a_wildcard_ends_at_a_dot() {
    let policy = policy(HOSTS);
    for host in ["evilapps.example.test", "apps.example.test", "x.apps.example.test.evil.test"] {
        assert_eq!(ask(&policy, ALICE, &format!("GET https://{host}/")), "deny", "{host}");
    }
    // Any depth below.
    for host in ["x.apps.example.test", "x.secret.apps.example.test"] {
        assert_eq!(ask(&policy, ALICE, &format!("GET https://{host}/")), "allow", "{host}");
    }
}

#[test]
fn an_unknown_host_is_denied_to_everybody() {
    let policy = policy(HOSTS);
    for host in ["nohost.example.test", "evil.test", "127.0.0.1", "[::1]"] {
        let target = target(&format!("GET https://{host}/"));
        let found = policy.find(&target);
        let known = Subject { roles: &[], permissions: &[], audiences: None };
        for caller in [Caller::Anonymous, Caller::Wrong, Caller::Unchecked, Caller::Known(known)] {
            assert_eq!(found.decide(caller), Decision::Deny(Reason::NoRule), "{host}");
        }
    }
}

#[test]
fn the_method_decides() {
    let policy = policy(HOSTS);
    let reader = |method: &str| ask(&policy, "reader", &format!("{method} https://api.example.test/v1/x"));
    assert_eq!((reader("GET"), reader("HEAD")), ("allow", "allow"));
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "CONNECT", "OPTIONS"] {
        assert_eq!(reader(method), "deny", "{method}");
    }
    assert_eq!(ask(&policy, "reader", "GET https://api.example.test/v1/x?_method=DELETE"), "allow");
    assert_eq!(ask(&policy, "writer", "DELETE https://api.example.test/v1/x"), "allow");
}

#[test]
fn a_rule_with_get_covers_head_unless_one_lists_it() {
    let yaml = |head: &str| {
        format!("services: {{ a: {{ endpoints: [{{ path: /x, methods: [GET], roles: [one] }}{head}] }} }}")
    };
    let plain = policy(&yaml(""));
    assert_eq!(ask(&plain, "one", "HEAD https://a.test/x"), "allow");
    let listed = policy(&yaml(", { path: /x, methods: [HEAD], roles: [two] }"));
    assert_eq!(ask(&listed, "one", "HEAD https://a.test/x"), "deny");
    assert_eq!(ask(&listed, "two", "HEAD https://a.test/x"), "allow");
}

#[test]
fn a_preflight_passes_where_the_service_says_so() {
    let asked = |policy: &Policy, request: &str, preflight: bool| {
        let target = target(request);
        ask_all(policy, "-", Question { target: &target, preflight, upgrade: Upgrade::No })
    };
    let with = policy(&HOSTS.replace("prefix: /v1", "prefix: /v1\n    preflight: true"));
    let without = policy(HOSTS);
    assert_eq!(asked(&with, "OPTIONS https://api.example.test/v1/x", true), "allow");
    assert_eq!(asked(&with, "OPTIONS https://api.example.test/v1/x", false), "login");
    assert_eq!(asked(&with, "GET https://api.example.test/v1/x", true), "login");
    assert_eq!(asked(&with, "OPTIONS https://api.example.test/v2/x", true), "deny");
    assert_eq!(asked(&with, "OPTIONS https://api.example.test/v1/../x", true), "unreadable");
    assert_eq!(asked(&without, "OPTIONS https://api.example.test/v1/x", true), "login");
    assert_eq!(asked(&without, "OPTIONS https://api.example.test/v2/x", true), "deny");
    assert_eq!(ask(&without, "reader", "OPTIONS https://api.example.test/v1/x"), "deny");
    assert_eq!(asked(&without, "OPTIONS https://app.example.test/", true), "login");
}

#[test]
fn a_websocket_is_opened_by_listed_origins_only() {
    let policy = policy(HOSTS);
    let target = target("GET wss://ws.example.test/socket");
    let asked = |who: &str, origin: Option<&str>| {
        let upgrade = Upgrade::WebSocket(origin);
        ask_all(&policy, who, Question { target: &target, preflight: false, upgrade })
    };
    assert_eq!(asked("-", None), "login");
    assert_eq!(asked(ALICE, Some("https://app.example.test")), "allow");
    assert_eq!(asked(ALICE, Some("HTTPS://APP.example.test:443")), "allow");
    for origin in
        ["https://evil.test", "http://app.example.test", "https://app.example.test:8443", "null", ""]
    {
        assert_eq!(asked(ALICE, Some(origin)), "deny", "{origin}");
    }
    assert_eq!(asked(ALICE, None), "deny");
    assert_eq!(ask(&policy, ALICE, "GET https://ws.example.test/socket"), "allow");
}

#[test]
fn the_three_ways_of_not_being_known_stay_apart() {
    let policy = policy(HOSTS);
    let decide = |request: &str, caller: Caller<'_>| word(&policy.find(&target(request)).decide(caller));
    let protected = "GET https://app.example.test/";
    assert_eq!(decide(protected, Caller::Anonymous), "login");
    assert_eq!(decide(protected, Caller::Wrong), "invalid");
    assert_eq!(decide(protected, Caller::Unchecked), "unavailable");
    for caller in [Caller::Anonymous, Caller::Wrong, Caller::Unchecked] {
        assert_eq!(decide("GET https://app.example.test/public/x", caller), "allow");
        assert_eq!(decide("GET https://app.example.test/public//x", caller), "unreadable");
    }
}

#[test]
fn the_short_form() {
    let policy = policy(SHORT);
    let asked = |who: &str, path: &str| ask(&policy, who, &format!("GET https://any.test{path}"));
    for (path, anonymous, admin, auditflow, neither) in [
        ("/api/v1/admin/x", "login", "allow", "deny", "deny"),
        ("/api/v1/auditflow", "login", "allow", "allow", "deny"),
        ("/v3/api-docs/swagger", "allow", "allow", "allow", "allow"),
        ("/api/v1/administrator", "deny", "deny", "deny", "deny"),
        ("/unlisted", "deny", "deny", "deny", "deny"),
    ] {
        let answers = [
            asked("-", path),
            asked("admin-role", path),
            asked("auditflow-role", path),
            asked("signed-in", path),
        ];
        assert_eq!(answers, [anonymous, admin, auditflow, neither], "{path}");
    }
    for public in ["/a: []", "/a:", "/a: [public]"] {
        assert_eq!(ask(&self::policy(public), "-", "GET https://any.test/a/b"), "allow", "{public}");
    }
}

#[test]
fn the_full_form() {
    let policy = policy(FULL);
    let base = "https://labs64.io/api/v1/auditflow";
    for (who, request, answer) in [
        ("auditflow-role", format!("GET {base}/reports/7"), "allow"),
        ("auditflow-role", format!("HEAD {base}/reports/7/"), "allow"),
        ("admin-role", format!("GET {base}/reports/7"), "allow"),
        ("staff", format!("GET {base}/reports/7"), "deny"),
        // No endpoint for this method: the service's own rule.
        ("auditflow-role", format!("DELETE {base}/reports/7"), "allow"),
        ("admin-role", format!("DELETE {base}/reports/7"), "deny"),
        ("-", format!("GET {base}/docs"), "allow"),
        ("-", format!("GET {base}/docs/a/b"), "allow"),
        ("-", format!("GET {base}/docsy"), "login"),
        // Another host, so the default.
        ("signed-in", "GET https://other.test/api/v1/auditflow/reports/7".to_owned(), "allow"),
        ("-", "GET https://other.test/".to_owned(), "login"),
        ("-", "GET https://other.test/actuator/health".to_owned(), "allow"),
    ] {
        assert_eq!(ask(&policy, who, &request), answer, "{who} {request}");
    }
    let target = target(&format!("GET {base}/reports/7"));
    let found = policy.find(&target);
    assert_eq!(found.service(), Some("auditflow"));
    assert_eq!(found.audiences(), ["auditflow-api"]);
    let rule = found.rule().unwrap();
    assert_eq!(
        (rule.id.as_str(), &*rule.file, rule.line),
        ("auditflow GET /reports/{id}", "policy.yaml", 21)
    );
    assert!(!found.is_public() && !found.shadow() && !found.ignores_authorization());
}

#[test]
fn the_most_specific_rule_decides_alone() {
    let policy = policy(
        "
services:
  every: { prefix: /a, roles: [every] }
  wide: { hosts: ['*.test'], prefix: /a, roles: [wide] }
  narrow: { hosts: ['*.b.test'], roles: [narrow] }
  exact:
    hosts: [a.b.test]
    prefix: /a
    endpoints:
      - { path: '/x/y', roles: [literal] }
      - { path: '/{p}/y', roles: [late] }
      - { path: '/x/{p}', roles: [early] }
      - { path: '/x/**', roles: [rest] }
      - { path: '/x/{p}', methods: [PUT], roles: [method] }
",
    );
    for (role, request) in [
        ("literal", "GET https://a.b.test/a/x/y"),
        ("late", "GET https://a.b.test/a/w/y"),
        ("early", "GET https://a.b.test/a/x/z"),
        ("method", "PUT https://a.b.test/a/x/z"),
        ("literal", "PUT https://a.b.test/a/x/y"),
        ("rest", "GET https://a.b.test/a/x"),
        ("rest", "GET https://a.b.test/a/x/y/z"),
        // The exact host has no rule for these: the longer wildcard speaks.
        ("narrow", "GET https://a.b.test/a"),
        ("narrow", "GET https://a.b.test/other"),
        ("narrow", "GET https://c.b.test/a"),
        ("wide", "GET https://c.test/a"),
        ("every", "GET https://c.example/a"),
        ("every", "GET https://b.example/a/b"),
    ] {
        assert_eq!(ask(&policy, role, request), "allow", "{request}");
        for other in ["every", "wide", "narrow", "literal", "late", "early", "rest", "method"] {
            if other != role {
                assert_eq!(ask(&policy, other, request), "deny", "{other} {request}");
            }
        }
    }
}

#[test]
fn parameters_of_a_segment_change_no_rule() {
    let policy = policy(
        "services: { a: { roles: [user], endpoints: [{ path: '/x/{id}', public: true }, { path: /x/me, roles: [me] }] } }",
    );
    let asked = |uri: &str| ask(&policy, "-", &format!("GET https://a.test{uri}"));
    assert_eq!(asked("/x/7;v=1"), "allow");
    assert_eq!(asked("/x;v=1/7"), "unreadable");
    assert_eq!(asked("/x/me;v=1"), "unreadable");
    assert_eq!(asked("/x/me%3Bv=1"), "unreadable");
    assert_eq!(asked("/x/me%23"), "unreadable");
    assert_eq!(asked("/x/7%23"), "allow");
    assert_eq!(asked("/x/7%23/y"), "unreadable");
    // For some the path ends there, with all that follows.
    let secret = super::policy(
        "services: { a: { roles: [user], endpoints: [{ path: '/p/**', public: true }, { path: /p/s, roles: [me] }] } }",
    );
    assert_eq!(ask(&secret, "-", "GET https://a.test/p/s;/x"), "unreadable");
    assert_eq!(ask(&secret, "-", "GET https://a.test/p/s%3B/x"), "unreadable");
    assert_eq!(ask(&secret, "-", "GET https://a.test/p/t;/x"), "allow");
}

#[test]
fn opaque_paths_pass_where_nothing_else_can_be_meant() {
    let policy = policy(
        "
services:
  files: { hosts: [files.test], paths: opaque, roles: [user] }
  gitlab: { hosts: [app.test], prefix: /gitlab, paths: opaque, roles: [user] }
  rest: { hosts: [app.test], roles: [other] }
",
    );
    for uri in ["/a%2Fb", "/a//b", "/a/../b", "/%252e", "/%ff", "/a;x/b", "/a%00"] {
        assert_eq!(ask(&policy, "user", &format!("GET https://files.test{uri}")), "allow", "{uri}");
        assert_eq!(ask(&policy, "-", &format!("GET https://files.test{uri}")), "login", "{uri}");
    }
    for (uri, answer) in [
        ("/gitlab/a%2Fb", "allow"),
        ("/gitlab/a//b", "allow"),
        ("/gitlab/a%2F..%2F..%2Fx", "unreadable"),
        ("/gitlab/../x", "unreadable"),
        ("/gitlab%2Fx", "unreadable"),
        ("/x%2Fy", "unreadable"),
    ] {
        assert_eq!(ask(&policy, "user", &format!("GET https://app.test{uri}")), answer, "{uri}");
    }
}

#[test]
fn shadow_records_and_lets_the_default_speak() {
    let yaml = |default: &str| {
        format!(
            "default: {default}\nservices: {{ new: {{ hosts: [a.test], mode: shadow, roles: [few], endpoints: [{{ path: /open, public: true }}] }} }}"
        )
    };
    let tried = policy(&yaml("authenticated"));
    let target = target("GET https://a.test/x");
    let found = tried.find(&target);
    let known = Caller::Known(Subject { roles: &[], permissions: &[], audiences: None });
    assert!(found.shadow());
    assert_eq!(word(&found.decide(known)), "allow");
    assert_eq!(
        found.decide_shadowed(known),
        Some(Decision::Deny(Reason::MissingRole(vec!["few".to_owned()])))
    );
    assert_eq!(found.decide(Caller::Anonymous), Decision::Challenge);
    assert_eq!(found.decide(Caller::Unchecked), Decision::Unavailable);
    let open = self::target("GET https://a.test/open");
    assert!(!tried.find(&open).is_public());
    assert_eq!(tried.find(&open).decide_shadowed(Caller::Anonymous).as_ref().map(word), Some("allow"));

    let closed = policy(&yaml("deny"));
    assert_eq!(closed.find(&target).decide(known), Decision::Deny(Reason::NoRule));
    assert_eq!(policy(HOSTS).find(&target).decide_shadowed(known), None);
}

#[test]
fn a_service_can_keep_the_authorization_header() {
    let policy = policy(
        "services: { a: { hosts: [a.test], authorization: passthrough, endpoints: [{ path: /x, public: true }] } }",
    );
    assert!(policy.find(&target("GET https://a.test/x")).ignores_authorization());
    // No rule of it covers this, and it receives the request all the same.
    assert!(policy.find(&target("GET https://a.test/y")).ignores_authorization());
    assert!(!policy.find(&target("GET https://b.test/x")).ignores_authorization());
}

#[test]
fn without_a_file_whoever_is_signed_in_may() {
    let policy = Policy::open_to_signed_in(&["/docs".to_owned()]).unwrap();
    assert_eq!(ask(&policy, "-", "GET https://a.test/docs/x"), "allow");
    assert_eq!(ask(&policy, "-", "GET https://a.test/docsx"), "login");
    assert_eq!(ask(&policy, "signed-in", "POST https://a.test/"), "allow");
    assert!(!policy.names_roles() && policy.knows_role("whatever") && policy.knows_group("whatever"));
    for public in ["docs", "/", "/a/../b", "/a.*"] {
        assert!(Policy::open_to_signed_in(&[public.to_owned()]).is_err(), "{public}");
    }
}

#[test]
fn a_whole_host_is_allowed_when_all_of_it_is() {
    let whole = |policy: &Policy, host: &str, who: &str| {
        let host = Host::parse(host.as_bytes()).unwrap();
        word(&super::as_caller(policy, who, |caller| policy.whole_host(&host).decide(caller)))
    };
    let hosts = policy(HOSTS);
    assert_eq!(whole(&hosts, "app.example.test", ALICE), "deny");
    assert_eq!(whole(&hosts, "app.example.test", ROOT), "allow");
    assert_eq!(whole(&hosts, "app.example.test", "-"), "login");
    assert_eq!(whole(&hosts, "x.apps.example.test", ALICE), "allow");
    // Parts of these two are covered by no rule.
    assert_eq!(whole(&hosts, "api.example.test", "reader,writer"), "deny");
    assert_eq!(whole(&hosts, "api.example.test", "-"), "deny");
    assert_eq!(whole(&hosts, "nohost.test", ROOT), "deny");
    let open = Policy::open_to_signed_in(&[]).unwrap();
    assert_eq!(whole(&open, "a.test", "signed-in"), "allow");
    assert_eq!(whole(&open, "a.test", "-"), "login");
    let site = policy("services: { site: { hosts: [www.test], public: true } }");
    let host = Host::parse(b"www.test").unwrap();
    assert!(site.whole_host(&host).is_public());
    assert_eq!(site.whole_host(&host).service(), Some("site"));
    assert_eq!(site.warnings().len(), 1);
}
