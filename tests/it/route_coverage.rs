//! Every route, by every method, for everybody: a table. A route without a row fails.

use std::collections::BTreeSet;
use std::net::IpAddr;

use reqwest::{Client, Method};

use super::support::idp::client;
use super::support::world::{POLICY, World};
use super::support::{Browser, Idp, Setup};

/// The source of the routes: what is served is what is written there.
const ROUTES: &str = include_str!("../../src/http/mod.rs");
/// Those below the base path that are written elsewhere.
const ADMIN_ROUTES: [&str; 2] =
    [include_str!("../../src/http/admin/api/mod.rs"), include_str!("../../src/http/admin/pages/mod.rs")];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A route, by some of its methods: the status for nobody, for somebody signed in, and for an address that is no
/// trusted proxy.
struct Row {
    path: &'static str,
    /// What to ask for, where the path has a parameter or needs a query.
    asked: &'static str,
    methods: &'static [&'static str],
    expected: [u16; 3],
    /// By every method that no row of the path has, whoever asks.
    others: u16,
}

const fn row(
    path: &'static str,
    asked: &'static str,
    methods: &'static [&'static str],
    expected: [u16; 3],
    others: u16,
) -> Row {
    Row { path, asked, methods, expected, others }
}

/// Of the REST API for administrators.
const fn api(path: &'static str, asked: &'static str, methods: &'static [&'static str]) -> Row {
    row(path, asked, methods, [401, 403, 401], 405)
}

/// Of the pages for administrators; grace is none.
const fn page(path: &'static str, asked: &'static str, methods: &'static [&'static str]) -> Row {
    row(path, asked, methods, [302, 403, 302], 405)
}

const ALL: &[&str] = &METHODS;
const ASK: &[&str] = &["GET", "HEAD", "POST"];
const GET: &[&str] = &["GET"];
const READ: &[&str] = &["GET", "HEAD"];
const POST: &[&str] = &["POST"];

// Of services and proxies: an address that is no trusted proxy gets 403, whoever asks.
const TABLE: &[Row] = &[
    row("/auth", "/auth", ALL, [302, 200, 403], 0),
    row("/auth/nginx", "/auth/nginx", ALL, [401, 200, 403], 0),
    row("/auth/nginx/refusal", "/auth/nginx/refusal", ALL, [302, 503, 403], 0),
    // The method asked about is the request's own.
    row("/auth/envoy/{asked:.*}", "/auth/envoy/x", READ, [302, 200, 403], 0),
    row(
        "/auth/envoy/{asked:.*}",
        "/auth/envoy/x",
        &["POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        [401, 200, 403],
        0,
    ),
    row("/authenticate", "/authenticate", &["GET", "HEAD", "POST"], [401, 200, 403], 405),
    row("/authorize", "/authorize", POST, [400, 400, 403], 405),
    row("/access/v1/evaluation", "/access/v1/evaluation", POST, [400, 400, 403], 405),
    row("/access/v1/evaluations", "/access/v1/evaluations", POST, [400, 400, 403], 405),
    row(
        "/.well-known/authzen-configuration",
        "/.well-known/authzen-configuration",
        READ,
        [200, 200, 403],
        405,
    ),
    row("/healthz", "/healthz", READ, [200; 3], 405),
    row("/readyz", "/readyz", READ, [200; 3], 405),
    // On the listener of `ops.listen`, and not here.
    row("/metrics", "/metrics", GET, [404; 3], 404),
    row("/", "/", READ, [302; 3], 405),
    row("/rbac", "/rbac", READ, [302, 200, 302], 405),
    row("/rbac/", "/rbac/", READ, [302, 200, 302], 405),
    row("/rbac/userinfo", "/rbac/userinfo", READ, [401, 200, 401], 405),
    row("/rbac/login", "/rbac/login", READ, [302; 3], 405),
    row("/rbac/callback", "/rbac/callback", GET, [400; 3], 405),
    row("/rbac/callback/{id}", "/rbac/callback/p0", GET, [400; 3], 405),
    row("/rbac/continue", "/rbac/continue", GET, [421; 3], 405),
    row("/rbac/logout", "/rbac/logout", READ, [200; 3], 405),
    row("/rbac/logout", "/rbac/logout", POST, [303; 3], 405),
    row("/rbac/sessions/end", "/rbac/sessions/end", POST, [302, 400, 302], 405),
    row("/rbac/sessions/end-all", "/rbac/sessions/end-all", READ, [302, 200, 302], 405),
    row("/rbac/sessions/end-all", "/rbac/sessions/end-all", POST, [302, 303, 302], 405),
    row("/rbac/tokens/new", "/rbac/tokens/new", READ, [302, 200, 302], 405),
    row("/rbac/tokens/new", "/rbac/tokens/new", POST, [302, 400, 302], 405),
    row("/rbac/tokens/revoke", "/rbac/tokens/revoke", READ, [302, 404, 302], 405),
    row("/rbac/tokens/revoke", "/rbac/tokens/revoke", POST, [302, 400, 302], 405),
    row("/rbac/backchannel-logout", "/rbac/backchannel-logout", POST, [400; 3], 405),
    row("/rbac/.well-known/jwks.json", "/rbac/.well-known/jwks.json", READ, [200; 3], 405),
    row("/rbac/assets/{name}", "/rbac/assets/{name}", READ, [200; 3], 405),
    page("/create_token", "/create_token", POST),
    page("/delete_token", "/delete_token", POST),
    page("/rbac/api/v1", "/rbac/api/v1", READ),
    page("/rbac/api/v1/", "/rbac/api/v1/", READ),
    api("/rbac/api/v1/openapi.json", "/rbac/api/v1/openapi.json", READ),
    api("/rbac/api/v1/tokens", "/rbac/api/v1/tokens", ASK),
    api("/rbac/api/v1/tokens/{digest}", "/rbac/api/v1/tokens/0", &["GET", "HEAD", "DELETE"]),
    api("/rbac/api/v1/tokens/{digest}/rotate", "/rbac/api/v1/tokens/0/rotate", POST),
    api("/rbac/api/v1/users", "/rbac/api/v1/users", READ),
    api("/rbac/api/v1/users/{id}", "/rbac/api/v1/users/a%2Fb", &["GET", "HEAD", "PATCH"]),
    api(
        "/rbac/api/v1/users/{id}/roles",
        "/rbac/api/v1/users/a%2Fb/roles",
        &["GET", "HEAD", "POST", "DELETE"],
    ),
    api("/rbac/api/v1/sessions", "/rbac/api/v1/sessions", &["GET", "HEAD", "DELETE"]),
    api("/rbac/api/v1/sessions/{id}", "/rbac/api/v1/sessions/0", &["DELETE"]),
    api("/rbac/api/v1/policy", "/rbac/api/v1/policy", READ),
    api("/rbac/api/v1/explain", "/rbac/api/v1/explain", READ),
    api("/rbac/api/v1/activity", "/rbac/api/v1/activity", READ),
    page("/rbac/admin", "/rbac/admin", READ),
    page("/rbac/admin/", "/rbac/admin/", READ),
    // There is no password here.
    row("/rbac/admin/password", "/rbac/admin/password", READ, [404; 3], 405),
    page("/rbac/admin/tokens", "/rbac/admin/tokens", READ),
    page("/rbac/admin/tokens/new", "/rbac/admin/tokens/new", ASK),
    page("/rbac/admin/tokens/{digest}", "/rbac/admin/tokens/0", READ),
    page("/rbac/admin/tokens/{digest}/revoke", "/rbac/admin/tokens/0/revoke", ASK),
    page("/rbac/admin/tokens/{digest}/rotate", "/rbac/admin/tokens/0/rotate", ASK),
    page("/rbac/admin/users", "/rbac/admin/users", READ),
    page("/rbac/admin/users/one", "/rbac/admin/users/one", READ),
    page("/rbac/admin/users/grant", "/rbac/admin/users/grant", ASK),
    page("/rbac/admin/users/ungrant", "/rbac/admin/users/ungrant", ASK),
    page("/rbac/admin/users/disable", "/rbac/admin/users/disable", ASK),
    page("/rbac/admin/users/enable", "/rbac/admin/users/enable", ASK),
    page("/rbac/admin/users/sign-out", "/rbac/admin/users/sign-out", ASK),
    page("/rbac/admin/sessions", "/rbac/admin/sessions", READ),
    page("/rbac/admin/sessions/end", "/rbac/admin/sessions/end", ASK),
    page("/rbac/admin/policy", "/rbac/admin/policy", READ),
    page("/rbac/admin/policy/file", "/rbac/admin/policy/file", READ),
    page("/rbac/admin/policy/tests", "/rbac/admin/policy/tests", READ),
    page("/rbac/admin/policy/explain", "/rbac/admin/policy/explain", READ),
    page("/rbac/admin/activity", "/rbac/admin/activity", READ),
];

/// The stylesheet's path, which has a hash in it.
async fn stylesheet(world: &World) -> String {
    let page = world.gateway.page(Method::GET, "/logout").send().await.unwrap().text().await.unwrap();
    let page = page.replace("&#x2f;", "/");
    let rest =
        page.split("https://auth.example.test/rbac/assets/").find(|rest| rest.contains(".css")).unwrap();
    format!("/rbac/assets/{}", page_name(rest))
}

fn page_name(rest: &str) -> &str {
    rest.split('"').next().unwrap()
}

/// The paths of the routes, as written: those of the gateway's own pages with `/rbac` in front.
fn written() -> BTreeSet<String> {
    let (outside, inside) = ROUTES.split_once("web::scope(&base)").unwrap();
    let mut paths = BTreeSet::new();
    let admin = ADMIN_ROUTES.map(|text| (text, "/rbac"));
    for (text, base) in [(outside, ""), (inside, "/rbac")].into_iter().chain(admin) {
        for opening in [".route(\"", "web::resource(\"", "asks(\""] {
            for rest in text.split(opening).skip(1) {
                paths.insert(format!("{base}{}", rest.split('"').next().unwrap()));
            }
        }
    }
    if outside.contains("web::resource(&base)") {
        paths.insert("/rbac".to_owned());
    }
    paths
}

async fn status(client: &Client, world: &World, method: &str, path: &str, cookies: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    // Envoy's question is the request itself.
    let host = if path.starts_with("/auth/envoy/") { "app.example.test" } else { "auth.example.test" };
    let mut request = client
        .request(method, world.gateway.at(path))
        .header("host", host)
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("accept", "text/html");
    if path != "/auth" && !path.starts_with("/auth/") {
        request = request.header("x-forwarded-host", "auth.example.test");
    } else {
        request = request
            .header("x-forwarded-host", "app.example.test")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/x")
            .header("x-original-method", "GET")
            .header("x-original-url", "https://app.example.test/x");
    }
    if !cookies.is_empty() {
        request = request.header("cookie", cookies);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    assert!(!headers.contains_key("server") && !headers.contains_key("access-control-allow-origin"));
    if status >= 400 {
        assert!(headers.get_all("set-cookie").iter().next().is_none(), "{path}");
        let body = answer.text().await.unwrap();
        for inside in ["sqlite", "actix", "panicked", "src/", env!("CARGO_PKG_VERSION"), "127.0.0.1"] {
            assert!(!body.to_lowercase().contains(inside), "{path} tells {inside}: {body}");
        }
    }
    status
}

#[test]
fn every_route_has_a_row() {
    let rows: BTreeSet<String> = TABLE.iter().map(|row| row.path.to_owned()).collect();
    assert_eq!(written(), rows);
}

#[actix_web::test]
async fn every_route_answers_as_the_table_says() {
    let setup = Setup::with(Idp::shared())
        .policy(POLICY)
        .and("session: { cookie_domain: example.test }")
        .env("DOORWARD_SERVER_TRUSTED_PROXIES", "127.0.0.2/32,127.0.0.1/32");
    let world = World::of(setup).await;
    let stranger = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .local_address(IpAddr::from([127, 0, 0, 3]))
        .build()
        .unwrap();
    let proxy = client();
    let mut grace = Browser::new(&world.gateway);
    assert!(grace.sign_in("https://app.example.test/", "grace@example.com").await.served);
    let mut wrong = Vec::new();
    let stylesheet = stylesheet(&world).await;
    for row in TABLE {
        let asked = row.asked.replace("/rbac/assets/{name}", &stylesheet);
        let of_the_path = TABLE.iter().filter(|other| other.path == row.path).flat_map(|other| other.methods);
        let listed: Vec<&str> = of_the_path.copied().collect();
        for method in METHODS {
            let expected = match (row.methods.contains(&method), listed.contains(&method)) {
                (true, _) => row.expected,
                (false, true) => continue,
                (false, false) => [row.others; 3],
            };
            let cookies = grace.cookies_for("auth.example.test");
            let got = [
                status(&proxy, &world, method, &asked, "").await,
                status(&proxy, &world, method, &asked, &cookies).await,
                status(&stranger, &world, method, &asked, "").await,
            ];
            if got != expected {
                wrong.push(format!("{method} {asked}: {got:?} where the table says {expected:?}"));
            }
        }
        if row.methods == POST && row.path.starts_with("/rbac/") {
            // It may have ended the session: that is what it is for.
            grace = Browser::new(&world.gateway);
            assert!(grace.sign_in("https://app.example.test/", "grace@example.com").await.served);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    world.ends_well().await;
}

#[actix_web::test]
async fn what_is_no_route_is_a_page_without_a_route() {
    let world = World::start().await;
    for path in [
        "/auth/",
        "/auth/x",
        "/rbac/admin/x",
        "/rbac/api/v1/x",
        "/rbac/login/",
        "/rbac//login",
        "/x",
        "/AUTH",
    ] {
        for method in METHODS {
            assert_eq!(status(&client(), &world, method, path, "").await, 404, "{method} {path}");
        }
    }
    world.ends_well().await;
}
