//! The signed-in person's own pages: what they say, and that they act for this person alone.

use reqwest::Method;
use serde_json::Value;

use super::support::{APP, Answer, Browser, Gateway, HOME, Idp, Setup};

const HOST: &str = "auth.example.test";
const END: &str = "https://auth.example.test/rbac/sessions/end";
const END_ALL: &str = "https://auth.example.test/rbac/sessions/end-all";

async fn signed_in(gateway: &Gateway, email: &str) -> Browser {
    let mut browser = Browser::new(gateway);
    assert!(browser.sign_in(APP, email).await.served);
    browser
}

async fn json_at(browser: &Browser, url: &str) -> Answer {
    let mut program = browser.clone();
    program.headers[0].1 = "application/json".into();
    program.get(url).await
}

/// The ids of this person's sessions, the one that asks first.
async fn session_ids(browser: &Browser) -> Vec<String> {
    let mut sessions = json_at(browser, HOME).await.json()["sessions"].as_array().unwrap().clone();
    sessions.sort_by_key(|session| session["current"] != true);
    sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

async fn csrf(browser: &Browser) -> String {
    let page = browser.clone().get(&format!("{HOME}logout")).await.body;
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[actix_web::test]
async fn it_says_who_i_am() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let page = ada.get(HOME).await;
    assert_eq!((page.status, page.header("x-auth-user").as_str()), (200, "ada@example.com"));
    for text in
        ["Ada Lovelace", "ada@example.com", "Provider 0", "admin-role", "staff", "This one", "Firefox"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{:?}", page.headers);
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert!(page.header("cache-control").contains("no-store") && !page.header("x-request-id").is_empty());
    assert_eq!(ada.get("https://auth.example.test/rbac").await.status, 200);

    let other = signed_in(&gateway, "ada@example.com").await;
    let answer = json_at(&ada, HOME).await;
    assert_eq!(answer.header("x-auth-user"), "ada@example.com");
    assert!(answer.header("content-type").starts_with("application/json"));
    let told = answer.json();
    assert_eq!(told["user"], "ada@example.com");
    assert_eq!(told["roles"], serde_json::json!(["admin-role", "staff"]));
    assert!(told["expires_at"].as_str().unwrap().ends_with('Z'), "{told}");
    let sessions = told["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    for session in sessions {
        for name in ["id", "created_at", "last_seen_at", "expires_at"] {
            assert!(session[name].is_string(), "{name} in {session}");
        }
        assert_eq!(session["address"], "203.0.113.9");
        assert!(session["agent"].as_str().unwrap().contains("Firefox"));
    }
    assert_eq!(session_ids(&other).await.len(), 2);
    let info = json_at(&ada, "https://auth.example.test/rbac/userinfo").await;
    let info: Value = info.json();
    assert_eq!(
        (&info["email"], &info["name"], &info["method"]),
        (&"ada@example.com".into(), &"Ada Lovelace".into(), &"session".into())
    );
    assert_eq!(info["expires_at"], told["expires_at"]);
    gateway.stop().await;
}

#[actix_web::test]
async fn nobody_is_told_so() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut nobody = Browser::new(&gateway);
    let page = nobody.get(HOME).await;
    assert_eq!(
        page.location(),
        "https://auth.example.test/rbac/login?rd=https%3A%2F%2Fauth.example.test%2Frbac%2F"
    );
    for path in ["", "userinfo"] {
        let answer = json_at(&nobody, &format!("{HOME}{path}")).await;
        assert_eq!((answer.status, answer.header("x-auth-user").as_str()), (401, ""), "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.json()["login_url"], "https://auth.example.test/rbac/login");
    }
    // Programs ask for the session without an `Accept` too.
    assert_eq!(nobody.get("https://auth.example.test/rbac/userinfo").await.status, 401);
    nobody.jar.entry(HOST.into()).or_default().insert("__Host-doorward".into(), "forged".into());
    assert_eq!(json_at(&nobody, HOME).await.status, 401);
    gateway.stop().await;
}

#[actix_web::test]
async fn one_of_my_sessions_can_be_ended() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut here = signed_in(&gateway, "ada@example.com").await;
    let mut there = signed_in(&gateway, "ada@example.com").await;
    let csrf = csrf(&here).await;
    let id = session_ids(&there).await.remove(0);
    let ended = here.post(END, &[("csrf", &csrf), ("id", &id)]).await;
    assert_eq!((ended.status, ended.location().as_str()), (303, HOME));
    assert_eq!((there.get(APP).await.status, here.get(APP).await.status), (302, 200));
    assert_eq!(session_ids(&here).await.len(), 1);
    // The same again changes nothing; my own is a sign-out.
    assert_eq!(here.post(END, &[("csrf", &csrf), ("id", &id)]).await.status, 303);
    let own = session_ids(&here).await.remove(0);
    let ended = here.post(END, &[("csrf", &csrf), ("id", &own)]).await;
    assert_eq!(ended.location(), format!("{HOME}logout"));
    assert_eq!((here.session(HOST), here.get(APP).await.status), (None, 302));
    gateway.stop().await;
}

#[actix_web::test]
async fn somebody_elses_session_cannot_be_ended() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let hers = session_ids(&grace).await.remove(0);
    let token = csrf(&ada).await;
    ada.post(END, &[("csrf", &token), ("id", &hers)]).await;
    assert!(grace.get(APP).await.served, "it was not Ada's to end");
    for form in [
        vec![("csrf", token.as_str())],
        vec![("csrf", &token), ("id", "")],
        vec![("csrf", &token), ("id", "../../etc")],
        vec![("csrf", &token), ("id", &hers), ("id", &hers)],
    ] {
        assert_eq!(ada.post(END, &form).await.status, 400, "{form:?}");
    }
    // Forms from elsewhere, or with the token of another session, of the same person even.
    let own = session_ids(&ada).await.remove(0);
    let elsewhere = csrf(&signed_in(&gateway, "ada@example.com").await).await;
    for url in [END, END_ALL] {
        for bad in ["", "wrong", &elsewhere] {
            assert_eq!(ada.post(url, &[("csrf", bad), ("id", &own)]).await.status, 403, "{url} {bad}");
        }
        for (name, value) in [("origin", "https://evil.test"), ("sec-fetch-site", "same-site")] {
            let path = url.strip_prefix("https://auth.example.test/rbac").unwrap();
            let request = gateway.page(Method::POST, path).header("cookie", ada.cookies_for(HOST));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer =
                request.header(name, value).body(format!("csrf={token}&id={own}")).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{url} {name}");
        }
    }
    assert!(ada.get(APP).await.served);
    gateway.stop().await;
}

#[actix_web::test]
async fn all_of_mine_can_be_ended() {
    let gateway = Setup::with(Idp::shared()).start().await;
    let mut here = signed_in(&gateway, "ada@example.com").await;
    let mut there = signed_in(&gateway, "ada@example.com").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let ask = here.get(END_ALL).await;
    assert_eq!(ask.status, 200, "{}", ask.body);
    let token = csrf(&here).await;
    let ended = here.post(END_ALL, &[("csrf", &token)]).await;
    assert_eq!((ended.status, here.session(HOST)), (303, None));
    assert_eq!((here.get(APP).await.status, there.get(APP).await.status), (302, 302));
    assert!(grace.get(APP).await.served);
    // Everything of it was written down.
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    assert!(log.contains("sessions_ended") && log.contains("all 2 of their own"), "{log}");
    gateway.stop().await;
}
