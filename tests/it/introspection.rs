//! Bearers that are no JWT: the store is asked first, and their issuer (RFC 7662) only about those that it does not know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::{Data, Form};
use actix_web::{App, HttpResponse, HttpServer, web};
use doorward::store::token::TokenRecord;
use serde_json::json;

use super::support::{APP, Gateway, Idp, Setup};

/// An endpoint that knows `theirs-…` and nothing else, and remembers what it was asked about.
#[derive(Default)]
struct Issuer {
    asked: Mutex<Vec<String>>,
    away: Mutex<bool>,
}

impl Issuer {
    fn asked_about(&self, token: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == token).count()
    }
}

async fn introspect(issuer: Data<Issuer>, form: Form<BTreeMap<String, String>>) -> HttpResponse {
    let token = form.get("token").cloned().unwrap_or_default();
    issuer.asked.lock().unwrap().push(token.clone());
    match (*issuer.away.lock().unwrap(), token.strip_prefix("theirs-")) {
        (true, _) => HttpResponse::ServiceUnavailable().finish(),
        (false, None) => HttpResponse::Ok().json(json!({ "active": false })),
        (false, Some(name)) => HttpResponse::Ok()
            .json(json!({ "active": true, "sub": name, "aud": "api", "token_type": "Bearer" })),
    }
}

/// A token of another tool.
fn foreign(gateway: &Gateway, text: &str) -> TokenRecord {
    TokenRecord {
        digest: gateway.state().tokens.peppers().digest(text),
        id: None,
        name: Some("of the store".into()),
        email: None,
        comment: None,
        hosts: vec!["*".into()],
        roles: vec![],
        scopes: vec![],
        owner: None,
        vested: vec![],
        limit: None,
        created_at: None,
        expires_at: None,
        last_used_at: None,
        replaced_at: None,
    }
}

/// Status, and who services are told it is.
async fn asks(gateway: &Gateway, token: &str) -> (u16, String) {
    let answer = gateway.ask("GET", APP).bearer_auth(token).send().await.unwrap();
    let user = answer.headers().get("x-user-id").map(|id| id.to_str().unwrap().to_owned());
    (answer.status().as_u16(), user.unwrap_or_default())
}

#[actix_web::test]
async fn an_issuer_is_asked_only_about_what_the_store_does_not_know() {
    let issuer = Data::from(Arc::new(Issuer::default()));
    let its = issuer.clone();
    let server = HttpServer::new(move || {
        App::new().app_data(its.clone()).route("/introspect", web::post().to(introspect))
    })
    .workers(1)
    .bind(("127.0.0.1", 0))
    .unwrap();
    let endpoint = format!("http://{}/introspect", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let idp = Idp::start();
    idp.control(json!({ "discovery": { "introspection_endpoint": endpoint } })).await;
    let bearer = format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], introspection_client_id: gw, \
         introspection_client_secret: s3cret }}] }}\nrate_limit: {{ failures: 0 }}",
        idp.issuer
    );
    let gateway = Setup::with(&idp).and(&bearer).clock_stands_still().start().await;

    // Known to the store, to the issuer, to both, to neither.
    for text in ["ours-1", "theirs-both"] {
        gateway.state().store.put_token(&foreign(&gateway, text)).await.unwrap();
    }
    let (status, who) = asks(&gateway, "ours-1").await;
    assert!((status, who.starts_with("token/")) == (200, true), "{status} {who}");
    let (status, who) = asks(&gateway, "theirs-both").await;
    assert!((status, who.starts_with("token/")) == (200, true), "the store comes first: {status} {who}");
    assert_eq!(asks(&gateway, "theirs-1").await, (200, "1".to_owned()));
    assert_eq!(asks(&gateway, "nobodys").await.0, 401);
    // What looks like ours is sent to nobody.
    assert_eq!(asks(&gateway, "dw_2rX7aQ0LkV9tYc3BnPz8WfGmHs51dXb").await.0, 401);
    let unknown = doorward::identity::api_token::Plain::new().unwrap();
    assert_eq!(asks(&gateway, unknown.expose()).await.0, 401);
    let asked = issuer.asked.lock().unwrap().clone();
    assert_eq!(asked, ["theirs-1", "nobodys"], "nothing else leaves the gateway");

    // One that the store learns of later is its own from then on, and revoked it is the issuer's to say again.
    gateway.state().store.put_token(&foreign(&gateway, "theirs-1")).await.unwrap();
    gateway.later(Duration::from_secs(2));
    assert!(asks(&gateway, "theirs-1").await.1.starts_with("token/"));
    let digest = foreign(&gateway, "ours-1").digest;
    gateway.state().store.revoke_token(&digest).await.unwrap();
    gateway.state().known.token_changed(&digest);
    assert_eq!(asks(&gateway, "ours-1").await.0, 401);
    assert_eq!(issuer.asked_about("ours-1"), 1);

    // An issuer that does not answer leaves it open: 503, and those of the store are none the worse.
    *issuer.away.lock().unwrap() = true;
    assert_eq!(asks(&gateway, "theirs-2").await.0, 503);
    assert_eq!(asks(&gateway, "theirs-both").await.0, 200);
    gateway.stop().await;
    handle.stop(true).await;
}
