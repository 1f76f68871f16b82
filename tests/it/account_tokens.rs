//! People's own API tokens on their account page: made with no more than they have, shown once, and revoked by them
//! alone.

use doorward::store::page::Slice;
use doorward::store::token::{TokenFilter, TokenOrder, TokenRecord};
use reqwest::Method;

use super::support::{APP, Answer, Browser, Gateway, HOME, Idp, Setup};

const HOST: &str = "auth.example.test";
const NEW: &str = "https://auth.example.test/rbac/tokens/new";
const REVOKE: &str = "https://auth.example.test/rbac/tokens/revoke";

async fn gateway(more: &str) -> Gateway {
    Setup::with(Idp::shared()).and(more).clock_stands_still().start().await
}

async fn signed_in(gateway: &Gateway, email: &str) -> Browser {
    let mut browser = Browser::new(gateway);
    assert!(browser.sign_in(APP, email).await.served);
    browser
}

async fn csrf(browser: &Browser) -> String {
    let page = browser.clone().get(&format!("{HOME}logout")).await.body;
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Sends the form for a new one.
async fn make(browser: &mut Browser, fields: &[(&str, &str)]) -> Answer {
    let token = csrf(browser).await;
    let mut form = vec![("csrf", token.as_str())];
    form.extend(fields);
    browser.post(NEW, &form).await
}

/// The token on the page that shows it.
fn shown(page: &Answer) -> String {
    assert_eq!(page.status, 200, "{}", page.body);
    page.body.split("<code id=\"token\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

async fn all(gateway: &Gateway) -> Vec<TokenRecord> {
    let state = gateway.state();
    let slice = Slice { offset: 0, limit: 100 };
    let filter = TokenFilter::default();
    state.store.tokens(&filter, TokenOrder::Newest, slice, state.clock.now()).await.unwrap().items
}

async fn used(gateway: &Gateway, token: &str) -> Answer {
    let url = "https://app.example.test/app";
    let response =
        gateway.ask("GET", url).header("authorization", format!("Bearer {token}")).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { url: url.into(), status, headers, body: response.text().await.unwrap(), served: status == 200 }
}

#[actix_web::test]
async fn i_make_a_token_use_it_and_revoke_it() {
    let gateway = gateway("").await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    assert!(ada.get(HOME).await.body.contains("None yet."));
    let form = ada.get(NEW).await;
    for text in ["value=\"admin-role\"", "value=\"staff\"", "after 90 days", "<textarea id=\"hosts\""] {
        assert!(form.body.contains(text), "{text}: {}", form.body);
    }
    let fields =
        [("name", "laptop"), ("hosts", "App.example.test, *.apps.example.test\r\n"), ("role", "staff")];
    let page = make(&mut ada, &[&fields[..], &[("ttl_seconds", "86400")]].concat()).await;
    let token = shown(&page);
    assert!(token.starts_with("dw_") && token.len() == 36, "{token}");
    assert!(
        page.body.contains(&format!("Bearer {token}&#x27; https:&#x2f;&#x2f;app.example.test&#x2f;")),
        "{}",
        page.body
    );
    assert!(page.header("cache-control").contains("no-store"));
    assert!(page.header("content-security-policy").contains("script-src https://auth.example.test"));

    let allowed = used(&gateway, &token).await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    assert_eq!(allowed.header("x-auth-user"), "ada@example.com/laptop", "no other name than their own");
    assert_eq!(allowed.header("x-auth-email"), "ada@example.com");
    assert_eq!(allowed.header("x-auth-roles"), "staff");
    let record = all(&gateway).await.remove(0);
    assert_eq!(record.hosts, ["app.example.test", "*.apps.example.test"]);
    assert_eq!(record.expires_at.unwrap().since(record.created_at.unwrap()).as_secs(), 86_400);
    assert_eq!((record.vested.len(), record.scopes.len(), record.limit), (1, 0, None));

    // From now on there is its name, and not the token.
    gateway.state().known.flush().await;
    let home = ada.get(HOME).await;
    for text in ["laptop", "app.example.test", "*.apps.example.test", "in 1 day", "just now"] {
        assert!(home.body.contains(text), "{text}: {}", home.body);
    }
    let digest = record.digest.to_string();
    let ask = ada.get(&format!("{REVOKE}?token={digest}")).await;
    assert!(ask.body.contains("Revoke “laptop”?") && ask.body.contains("app.example.test"), "{}", ask.body);
    for page in [&home, &ask, &ada.get(NEW).await] {
        assert!(!page.body.contains(&token) && !page.body.contains(&token[3..]), "{}", page.url);
        assert!(!page.body.contains("<script"), "{}", page.url);
    }
    let csrf = csrf(&ada).await;
    let done = ada.post(REVOKE, &[("csrf", &csrf), ("token", &digest)]).await;
    assert_eq!((done.status, done.location().as_str()), (303, HOME));
    assert_eq!(used(&gateway, &token).await.status, 401, "at once, here");
    assert!(ada.get(HOME).await.body.contains("None yet."));
    // Once more changes nothing, and there is nothing to ask about.
    assert_eq!(ada.post(REVOKE, &[("csrf", &csrf), ("token", &digest)]).await.status, 303);
    assert_eq!(ada.get(&format!("{REVOKE}?token={digest}")).await.status, 404);
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    for action in ["token_created", "token_revoked"] {
        let line = log.lines().find(|line| line.contains(action)).unwrap();
        assert!(line.contains(&record.stable_id()) && line.contains("laptop"), "{line}");
    }
    assert!(!log.contains(&token[3..]));
    gateway.stop().await;
}

#[actix_web::test]
async fn nobody_makes_a_token_of_more_than_they_have() {
    let gateway = gateway("tokens: { max_ttl_seconds: 86400 }").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let fine = [("name", "x"), ("hosts", "app.example.test"), ("ttl_seconds", "3600")];
    for (field, value, told) in [
        ("role", "admin-role", "is none of yours"),
        ("roles", "doorward-admin", "is none of yours"),
        ("role", "*", "is no role"),
        ("ttl_seconds", "86401", "must be 1 to 86400"),
        ("ttl_seconds", "0", "must be 1 to 86400"),
        ("ttl_seconds", "-1", "must be seconds"),
        ("ttl_seconds", "99999999999", "must be seconds"),
        ("ttl_seconds", "99999999999999999999", "must be seconds"),
        ("hosts", "https://app.example.test", "is no host"),
        ("hosts", "app.example.test:8443", "is no host"),
        ("name", "root@example.com", "may not contain"),
        ("name", "ada/laptop", "may not contain"),
        ("name", "", "is missing"),
        ("name", "a\u{1b}[2J", "must be one line"),
    ] {
        let mut form: Vec<(&str, &str)> = fine.iter().filter(|(name, _)| *name != field).copied().collect();
        form.push((field, value));
        let answer = make(&mut grace, &form).await;
        assert_eq!(answer.status, 400, "{field} {value}");
        assert!(answer.body.contains(told), "{field} {value}: {}", answer.body);
        assert!(answer.body.contains("No token was made"));
    }
    // What no form has is not there: scopes, limits, another's e-mail, another owner.
    let more = [("scopes", "admin"), ("limit", "0"), ("email", "ada@example.com"), ("owner", "u-1")];
    shown(&make(&mut grace, &[&fine[..], &more[..]].concat()).await);
    let record = all(&gateway).await.remove(0);
    assert_eq!(
        (record.scopes.len(), record.limit, record.email.as_deref()),
        (0, None, Some("grace@example.com"))
    );
    assert_eq!(record.name.as_deref(), Some("grace@example.com/x"));
    assert!(record.roles.is_empty());
    // No hosts is nowhere, and not everywhere.
    let nowhere = shown(&make(&mut grace, &[("name", "y"), ("hosts", "")]).await);
    assert_eq!(used(&gateway, &nowhere).await.status, 403);
    for n in 2..10 {
        shown(&make(&mut grace, &[("name", &format!("n{n}")), ("hosts", "*")]).await);
    }
    let answer = make(&mut grace, &fine).await;
    assert!(answer.status == 400 && answer.body.contains("you have 10 tokens"), "{}", answer.body);
    assert_eq!(all(&gateway).await.len(), 10);
    gateway.stop().await;
}

#[actix_web::test]
async fn what_is_granted_counts_while_it_is() {
    let gateway = gateway("").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let store = &gateway.state().store;
    let user = store.users_named("grace@example.com").await.unwrap()[0].id.clone();
    store.grant(&user, "auditor").await.unwrap();
    gateway.state().known.user_changed(&user);
    let token = shown(&make(&mut grace, &[("name", "x"), ("hosts", "*"), ("role", "auditor")]).await);
    assert_eq!(all(&gateway).await[0].vested.len(), 0, "an admin's word is no possession");
    assert_eq!(used(&gateway, &token).await.header("x-auth-roles"), "auditor");
    store.ungrant(&user, "auditor").await.unwrap();
    gateway.state().known.user_changed(&user);
    assert_eq!(used(&gateway, &token).await.header("x-auth-roles"), "");
    store.set_disabled(&user, true).await.unwrap();
    gateway.state().known.user_changed(&user);
    assert_eq!(used(&gateway, &token).await.status, 401);
    gateway.stop().await;
}

#[actix_web::test]
async fn a_token_makes_no_token_and_forms_from_elsewhere_make_none() {
    let gateway = gateway("").await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let token = shown(&make(&mut ada, &[("name", "x"), ("hosts", "*"), ("role", "admin-role")]).await);
    let form = "name=y&hosts=*";
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", format!("Basic {}", base64_of(&format!("x:{token}")))),
        ("cookie", format!("__Host-doorward={token}")),
    ] {
        let request = gateway.page(Method::POST, "/tokens/new").header(name, value).body(form);
        let answer =
            request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert_eq!(answer.status(), 302, "to sign in: {name}");
    }
    for (path, body) in [
        ("/tokens/new", form.to_owned()),
        ("/tokens/revoke", format!("token={}", all(&gateway).await[0].digest)),
    ] {
        for (name, value) in [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")] {
            let request = gateway.page(Method::POST, path).header("cookie", ada.cookies_for(HOST));
            let request =
                request.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
            assert_eq!(request.header(name, value).send().await.unwrap().status(), 403, "{path} {name}");
        }
        for wrong in ["", "wrong"] {
            let fields = [("csrf", wrong), ("name", "y"), ("hosts", "*")];
            assert_eq!(ada.post(&format!("https://{HOST}/rbac{path}"), &fields).await.status, 403, "{path}");
        }
    }
    // A link makes nothing and revokes nothing.
    assert_eq!(ada.get(&format!("{NEW}?{form}")).await.status, 200);
    let digest = all(&gateway).await[0].digest.to_string();
    assert_eq!(ada.get(&format!("{REVOKE}?token={digest}")).await.status, 200);
    assert_eq!(all(&gateway).await.len(), 1);
    gateway.stop().await;
}

fn base64_of(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

#[actix_web::test]
async fn somebody_elses_token_cannot_be_seen_or_revoked() {
    let gateway = gateway("").await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let mut grace = signed_in(&gateway, "grace@example.com").await;
    let token = shown(&make(&mut ada, &[("name", "of-ada"), ("hosts", "*")]).await);
    let digest = all(&gateway).await[0].digest.to_string();
    assert!(!grace.get(HOME).await.body.contains("of-ada"));
    assert_eq!(grace.get(&format!("{REVOKE}?token={digest}")).await.status, 404);
    let hers = csrf(&grace).await;
    assert_eq!(grace.post(REVOKE, &[("csrf", &hers), ("token", &digest)]).await.status, 303);
    for wrong in ["", "x", &token] {
        assert_eq!(grace.post(REVOKE, &[("csrf", &hers), ("token", wrong)]).await.status, 400, "{wrong}");
    }
    assert_eq!(used(&gateway, &token).await.status, 200, "it was not Grace's to revoke");
    gateway.stop().await;
}

#[actix_web::test]
async fn an_operator_may_keep_tokens_for_admins() {
    let gateway = gateway("tokens: { self_service: false }").await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    assert!(!ada.get(HOME).await.body.contains("API tokens"));
    assert_eq!(ada.get(NEW).await.status, 404);
    assert_eq!(make(&mut ada, &[("name", "x"), ("hosts", "*")]).await.status, 404);
    assert!(all(&gateway).await.is_empty());
    gateway.stop().await;
}

#[actix_web::test]
async fn what_somebody_wrote_stays_text() {
    let gateway = gateway("").await;
    let mut ada = signed_in(&gateway, "ada@example.com").await;
    let name = "\"><script>alert(1)<\\script>{{7*7}}";
    let wrong = make(&mut ada, &[("name", name), ("hosts", "<img src=x>"), ("role", "<b>")]).await;
    assert_eq!(wrong.status, 400);
    shown(&make(&mut ada, &[("name", name), ("hosts", "*")]).await);
    let home = ada.get(HOME).await;
    for page in [&wrong, &home] {
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{}", page.body);
        for raw in ["<script>", "<img", "<b>", "49\""] {
            assert!(!page.body.contains(raw), "{raw}: {}", page.body);
        }
    }
    gateway.stop().await;
}
