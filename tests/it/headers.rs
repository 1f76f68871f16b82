//! What a client may put into its headers, and what comes of it: nothing (RFC 9110 §5.3, §7.6.1; RFC 9700 §4.13).

use reqwest::Client;
use serde_json::json;

use super::support::world::{
    IDENTITY, World, assert_allowed, assert_anonymous, assert_kept_out, assert_status,
};
use super::support::{Browser, Idp, Setup};

#[actix_web::test]
async fn only_trusted_proxies_may_ask() {
    let world =
        World::of(World::setup().env("DOORWARD_SERVER_TRUSTED_PROXIES", "127.0.0.2/32,10.0.0.0/8")).await;
    let from = |address: [u8; 4]| {
        Client::builder().no_proxy().local_address(std::net::IpAddr::from(address)).build().unwrap()
    };
    for (address, status) in [([127, 0, 0, 2], 200), ([127, 0, 0, 3], 403), ([127, 0, 0, 1], 403)] {
        for path in ["/auth", "/auth/nginx"] {
            let answer = from(address)
                .get(world.gateway.at(path))
                .header("x-forwarded-for", "127.0.0.2")
                .header("x-forwarded-method", "GET")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-host", "app.example.test")
                .header("x-forwarded-uri", "/public/x")
                .header("x-original-url", "https://app.example.test/public/x")
                .header("x-original-method", "GET")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), status, "{address:?} {path}");
            assert!(status == 200 || IDENTITY.iter().all(|name| !answer.headers().contains_key(*name)));
            assert_eq!(answer.headers()["cache-control"], "no-store");
            if status == 403 {
                let body: serde_json::Value = answer.json().await.unwrap();
                assert_eq!(body["error"], "untrusted_peer");
            }
        }
    }
    world.gateway.stop().await;
}

#[actix_web::test]
async fn identity_headers_of_a_client_are_worth_nothing() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let asks = |uri| {
        let mut ask = world.asks(uri);
        for name in IDENTITY {
            ask = ask.with(name, "root");
        }
        ask.with("x-auth-roles", "admin")
    };
    assert_anonymous(&asks("/public/x").send().await, "public");
    assert_status(&asks("/").send().await, &[302], "anonymous");
    assert_allowed(&asks("/").cookies(&grace).send().await, "grace@example.com", "user", "grace");
    assert_status(&asks("/admin/x").cookies(&grace).send().await, &[403], "admin");
    world.ends_well().await;
}

#[actix_web::test]
async fn names_that_others_read_as_ours_are_refused() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for name in [
        "X_Forwarded_Uri",
        "X_Forwarded_Host",
        "x-forwarded_uri",
        "X.Forwarded.Uri",
        "X_Auth_User",
        "x-auth_roles",
        "X.Auth.Roles",
        "x_auth.roles",
        "X_User_Id",
        "X_Original_Url",
        "X_Auth_Assertion",
    ] {
        for uri in ["/admin/x", "/public/x"] {
            let ask = world.asks(uri).with(name, "/public/x");
            assert_status(&ask.clone().send().await, &[400], name);
            assert_status(&ask.cookies(&grace).send().await, &[400], name);
        }
    }
    assert_anonymous(&world.asks("/public/x").with("x_other", "1").send().await, "a name of no importance");
    world.ends_well().await;
}

#[actix_web::test]
async fn a_proxy_speaks_one_dialect() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let public = "https://app.example.test/public/x";
    let traefik = world
        .asks("/admin/x")
        .with("x-original-url", public)
        .with("x-original-method", "GET")
        .with("x-original-uri", "/public/x")
        .with("x-rewrite-url", "/public/x");
    assert_kept_out(&traefik.clone().send().await, "X-Original-* to Traefik's dialect");
    assert_status(&traefik.cookies(&grace).send().await, &[400, 403], "as grace");
    let nginx = world
        .nginx_asks("https://app.example.test/admin/x")
        .with("x-forwarded-uri", "/public/x")
        .with("x-forwarded-host", "app.example.test")
        .with("x-forwarded-method", "GET")
        .with("x-forwarded-proto", "https");
    assert_status(&nginx.clone().send().await, &[401], "X-Forwarded-* to nginx's dialect");
    assert_status(&nginx.cookies(&grace).send().await, &[403], "as grace");
    world.ends_well().await;
}

#[actix_web::test]
async fn forwarded_of_rfc_7239_decides_nothing() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    let forwarded = "for=127.0.0.1;host=x.apps.example.test;proto=https";
    let ask = world.asks("/admin/x").with("forwarded", forwarded).cookies(&grace);
    assert_status(&ask.send().await, &[403], "host");
    let ask = world.asks("/").but("x-forwarded-proto", "http").with("forwarded", forwarded).cookies(&grace);
    assert_status(&ask.send().await, &[400], "scheme");
    world.ends_well().await;
}

#[actix_web::test]
async fn every_forwarding_header_is_there_once() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for (name, first, second) in [
        ("x-forwarded-uri", "/public/x", "/admin/x"),
        ("x-forwarded-uri", "/admin/x", "/public/x"),
        ("x-forwarded-method", "GET", "DELETE"),
        ("x-forwarded-proto", "https", "https"),
    ] {
        let ask = world.asks("/public/x").but(name, first).with(name, second);
        assert_status(&ask.clone().send().await, &[400], name);
        assert_status(&ask.cookies(&grace).send().await, &[400], name);
    }
    let public = "https://app.example.test/public/x";
    // nginx knows 200, 401 and 403 alone.
    for second in [("x-original-url", public), ("x-original-method", "GET")] {
        let answer = world.nginx_asks(public).with(second.0, second.1).send().await;
        assert_status(&answer, &[403], second.0);
    }
    assert_anonymous(&world.nginx_asks(public).send().await, "once each");
    world.ends_well().await;
}

#[actix_web::test]
async fn schemes_are_four_words() {
    let world = World::start().await;
    let grace = world.sign_in("grace").await;
    for (scheme, status) in [
        ("https", 200),
        ("HTTPS", 200),
        ("wss", 200),
        ("http", 400),
        ("ws", 400),
        ("https, http", 400),
        ("https,https", 400),
        ("javascript", 400),
        ("", 400),
        ("httpss", 400),
    ] {
        let answer = world.asks("/").but("x-forwarded-proto", scheme).cookies(&grace).send().await;
        assert_status(&answer, &[status], scheme);
        // Plain http is refused for what is public as well: a cookie of ours would not come along.
        let answer = world.asks("/public/x").but("x-forwarded-proto", scheme).send().await;
        assert_status(&answer, &[status], scheme);
    }
    world.ends_well().await;
}

/// What a provider claims goes into headers; none of it may become a header or a role of its own.
#[actix_web::test]
async fn claims_make_no_headers_and_no_roles() {
    let idp = Idp::start();
    let policy = r#"
default: authenticated
services:
  app: { hosts: [auth.example.test], endpoints: [{ path: "/admin/**", roles: [admin] }] }
"#;
    let gateway = Setup::with(&idp).policy(policy).start().await;
    for (name, role) in [
        ("bob\r\nX-Auth-Roles: admin", "viewer,admin"),
        ("bob\u{0}", "viewer admin"),
        ("bob\n", "viewer;admin"),
        ("\u{202e}bob\u{2028}", "viewer\nadmin"),
        ("bob", " admin"),
        ("bob", "admin,"),
    ] {
        idp.control(json!({ "id_token": { "name": name, "roles": [role, "viewer"] } })).await;
        let mut bob = Browser::new(&gateway);
        let there = bob.sign_in("https://auth.example.test/x", "bob@example.com").await;
        assert!(there.served, "{name:?} {role:?}: {there:?}");
        for header in IDENTITY {
            assert_eq!(there.headers.get_all(header).iter().count(), 1, "{header}");
        }
        let roles = there.header("x-auth-roles");
        assert!(roles.split([',', ';', ' ']).all(|role| role != "admin"), "{role:?} became {roles:?}");
        assert!(there.header("x-auth-name").bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(bob.get("https://auth.example.test/admin/x").await.status, 403, "{role:?}");
    }
    gateway.stop().await;
}
