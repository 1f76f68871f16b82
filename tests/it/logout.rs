//! Signing out: here, at the provider, and by the provider's word.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{APP, Browser, Gateway, HOME, Idp, Setup, query};

const HOST: &str = "auth.example.test";
const LOGOUT: &str = "https://auth.example.test/rbac/logout";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn csrf_of(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn signed_in(gateway: &Gateway, email: &str) -> Browser {
    let mut browser = Browser::new(gateway);
    assert!(browser.sign_in(APP, email).await.served);
    browser
}

#[actix_web::test]
async fn the_button_ends_it_here_and_at_the_provider() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let saved = ada.clone();
    let page = ada.get(LOGOUT).await;
    assert_eq!((page.status, page.set_cookies().len()), (200, 0));
    assert!(page.body.contains("ada@example.com"), "{}", page.body);
    assert!(page.header("content-security-policy").contains(&idp.issuer), "the form may lead there");
    let out = ada.post(LOGOUT, &[("csrf", &csrf_of(&page.body))]).await;
    assert_eq!(out.status, 303);
    let gone = out.set_cookies().into_iter().find(|line| line.starts_with("__Host-doorward=;")).unwrap();
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=0"] {
        assert!(gone.contains(attribute) && !gone.contains("Domain"), "{gone}");
    }
    let there = out.location();
    assert!(there.starts_with(&idp.at("/end_session?")), "{there}");
    let told = query(&there);
    assert_eq!(told["post_logout_redirect_uri"], LOGOUT);
    assert_eq!(told["client_id"], "doorward");
    assert_eq!(told["id_token_hint"].split('.').count(), 3);
    assert_eq!(idp.seen().await["sessions"], 1);
    let back = ada.visit(&there).await;
    assert_eq!((back.url.as_str(), back.status), (LOGOUT, 200));
    assert!(back.body.contains("igned out"), "{}", back.body);
    assert_eq!(idp.seen().await["sessions"], 0, "it is over there, too");
    // Neither this browser nor a copy of its cookie is let in.
    let mut copy = saved;
    assert_eq!((ada.get(APP).await.status, copy.get(APP).await.status), (302, 302));
    // Once more, by somebody who is nobody now.
    let again = copy.post(LOGOUT, &[("csrf", "x")]).await;
    assert_eq!((again.status, again.location().as_str()), (303, LOGOUT));
    gateway.stop().await;
}

#[actix_web::test]
async fn nobody_is_signed_out_from_elsewhere() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let csrf = csrf_of(&ada.get(LOGOUT).await.body);
    let foreign = csrf_of(&grace.get(LOGOUT).await.body);
    let cookies = ada.cookies_for(HOST);
    let own = "https://auth.example.test";
    let good = format!("csrf={csrf}");
    let cases: [(&[(&str, &str)], &str); 15] = [
        (&[("origin", "https://evil.test")], &good),
        (&[("origin", "https://app.example.test")], &good),
        (&[("origin", "http://auth.example.test")], &good),
        (&[("origin", "https://auth.example.test:8443")], &good),
        (&[("origin", "null")], &good),
        (&[("origin", own), ("origin", "https://evil.test")], &good),
        (&[("sec-fetch-site", "cross-site")], &good),
        (&[("sec-fetch-site", "same-site"), ("origin", own)], &good),
        (&[("origin", "https://evil.test")], ""),
        (&[("origin", own)], ""),
        (&[("sec-fetch-site", "same-origin")], ""),
        (&[("referer", "https://evil.test/")], ""),
        (&[("origin", own)], "csrf=wrong"),
        (&[], "csrf=wrong"),
        (&[("origin", own)], "csrf="),
    ];
    for (headers, body) in cases {
        let mut request = gateway.page(Method::POST, "/logout").header("cookie", &cookies);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 403, "{headers:?} {body}");
        assert!(answer.headers().get("set-cookie").is_none(), "{headers:?} {body}");
    }
    let answer = ada.post(LOGOUT, &[("csrf", &foreign)]).await;
    assert_eq!(answer.status, 403, "a token of another session");
    let answer = ada.post(LOGOUT, &[("csrf", &csrf), ("csrf", &csrf)]).await;
    assert_eq!(answer.status, 400);
    // An image that points there only gets the page that asks.
    for site in ["cross-site", "same-site"] {
        let image = gateway.page(Method::GET, "/logout").header("cookie", &cookies);
        let image =
            image.header("sec-fetch-site", site).header("sec-fetch-dest", "image").send().await.unwrap();
        assert_eq!(image.status(), 200);
    }
    assert!(ada.get(APP).await.served && grace.get(APP).await.served, "all of that changed nothing");
    // A program that was given the cookie needs no form.
    let program = gateway.page(Method::POST, "/logout").header("cookie", &cookies).send().await.unwrap();
    assert_eq!(program.status(), 303);
    assert_eq!(ada.get(APP).await.status, 302);
    gateway.stop().await;
}

async fn tell(gateway: &Gateway, body: String) -> u16 {
    let request = gateway.page(Method::POST, "/backchannel-logout");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = request.send().await.unwrap();
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("no-store"));
    answer.status().as_u16()
}

/// `sub` and `sid` of this person's newest session.
async fn named(gateway: &Gateway, email: &str) -> (String, String) {
    let state = gateway.state();
    let user = state.store.users_named(email).await.unwrap().remove(0);
    let session = state.store.sessions_of(&user.id, state.clock.now()).await.unwrap().remove(0);
    (session.subject.clone(), session.provider_sid.clone().unwrap())
}

fn overlaid(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[actix_web::test]
async fn a_bad_logout_token_ends_nothing() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let (sub, sid) = named(&gateway, "ada@example.com").await;
    let good = json!({ "sub": sub, "sid": sid, "aud": "doorward", "jti": "j1", "events": { EVENT: {} } });
    let now = gateway.state().clock.now().secs();
    let typ = json!({ "typ": "logout+jwt" });
    let with = |more: Value| overlaid(&typ, &more);
    for (changes, more) in [
        (json!({}), json!({ "typ": "JWT" })),
        (json!({}), json!({ "typ": "at+jwt" })),
        (json!({ "events": null }), typ.clone()),
        (json!({ "events": {} }), typ.clone()),
        (json!({ "events": { "https://other": {} } }), typ.clone()),
        (json!({ "events": { EVENT: true } }), typ.clone()),
        (json!({ "events": [EVENT] }), typ.clone()),
        (json!({ "nonce": "n" }), typ.clone()),
        (json!({ "iat": null }), typ.clone()),
        (json!({ "iat": now - 3600 }), typ.clone()),
        (json!({ "iat": now + 3600 }), typ.clone()),
        (json!({ "exp": now - 60 }), typ.clone()),
        (json!({ "jti": null }), typ.clone()),
        (json!({ "jti": "" }), typ.clone()),
        (json!({ "jti": 1 }), typ.clone()),
        (json!({ "aud": "other" }), typ.clone()),
        (json!({ "aud": null }), typ.clone()),
        (json!({ "iss": "https://evil.test" }), typ.clone()),
        (json!({ "iss": null }), typ.clone()),
        (json!({ "sub": null, "sid": null }), typ.clone()),
        (json!({ "sub": 7 }), typ.clone()),
        (json!({}), with(json!({ "alg": "none" }))),
        (json!({}), with(json!({ "alg": "HS256" }))),
        (json!({}), with(json!({ "alg": "HS256-pem" }))),
        (json!({}), with(json!({ "alg": "ES256" }))),
        (json!({}), with(json!({ "alg": "unknown-key" }))),
        (json!({}), with(json!({ "alg": "unknown-key-same-kid" }))),
    ] {
        let token = idp.mint(overlaid(&good, &changes), more.clone()).await;
        assert_eq!(tell(&gateway, format!("logout_token={token}")).await, 400, "{changes} {more}");
    }
    let token = idp.mint(good.clone(), typ.clone()).await;
    for body in [
        String::new(),
        "logout_token=".to_owned(),
        "logout_token=a.b.c".to_owned(),
        format!("logout_token={token}&logout_token={token}"),
        format!("token={token}"),
    ] {
        assert_eq!(tell(&gateway, body.clone()).await, 400, "{body}");
    }
    assert!(ada.get(APP).await.served, "the session lives");
    // Somebody else's session is not named by a sid that is not theirs.
    let mixed = idp.mint(overlaid(&good, &json!({ "sub": "somebody-else", "jti": "j2" })), typ.clone()).await;
    assert_eq!(tell(&gateway, format!("logout_token={mixed}")).await, 200);
    assert!(ada.get(APP).await.served, "there is no such session");
    assert_eq!(tell(&gateway, format!("logout_token={token}")).await, 200, "and the good one works");
    assert_eq!(ada.get(APP).await.status, 302);
    // Once: the next session of the same person survives the same token.
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    assert_eq!(tell(&gateway, format!("logout_token={token}")).await, 400, "replayed");
    assert!(ada.get(APP).await.served);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_logout_token_ends_what_it_names() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut first = signed_in(&gateway, "ada@example.com").await;
    let (sub, sid) = named(&gateway, "ada@example.com").await;
    let mut second = signed_in(&gateway, "ada@example.com").await;
    let mut third = signed_in(&gateway, "ada@example.com").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let send = async |order: Value| {
        let mut order = order;
        order["uri"] = json!(gateway.at("/rbac/backchannel-logout"));
        let answer = super::support::idp::client().post(idp.at("/control/backchannel")).json(&order);
        let answer: Value = answer.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["sent"][0]["status"], 200, "{answer}");
    };
    send(json!({ "sid": sid })).await;
    assert_eq!(first.get(APP).await.status, 302, "the session named");
    assert!(second.get(APP).await.served && third.get(APP).await.served && grace.get(APP).await.served);
    send(json!({ "sub": sub })).await;
    assert_eq!((second.get(APP).await.status, third.get(APP).await.status), (302, 302), "all of hers");
    assert!(grace.get(APP).await.served, "nobody else's");
    gateway.stop().await;
}

#[actix_web::test]
async fn a_provider_that_is_away_keeps_nobody_from_signing_out() {
    let idp = Idp::start();
    let gateway = Setup::with(&idp).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    drop(idp);
    let csrf = csrf_of(&ada.get(LOGOUT).await.body);
    assert_eq!(ada.post(LOGOUT, &[("csrf", &csrf)]).await.status, 303);
    assert_eq!((ada.get(APP).await.status, ada.session(HOST)), (302, None));
    assert_eq!(ada.get(HOME).await.status, 302);
    gateway.stop().await;
}
