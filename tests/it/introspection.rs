//! Tokens that neither the store knows nor a key can check: their issuer is asked (RFC 7662).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use doorward::store::token::TokenRecord;
use serde_json::{Value, json};

use super::support::{Gateway, Idp, Setup};

const APP: &str = "https://auth.example.test/app/page";

/// An issuer that knows one token, `opaque-1`, until it takes it back.
#[derive(Clone)]
struct Issuer {
    url: String,
    active: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn start() -> (Self, ServerHandle) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self { url, active: Arc::new(AtomicBool::new(true)), asked: Arc::default() };
        let state = web::Data::new(issuer.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .route("/.well-known/openid-configuration", web::get().to(discovery))
                .route("/jwks", web::get().to(|| async { HttpResponse::Ok().json(json!({ "keys": [] })) }))
                .route("/introspect", web::post().to(introspect))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        (issuer, handle)
    }
}

async fn discovery(issuer: web::Data<Issuer>) -> HttpResponse {
    let at = |path: &str| format!("{}/{path}", issuer.url);
    HttpResponse::Ok().json(json!({
        "issuer": issuer.url, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
        "jwks_uri": at("jwks"), "introspection_endpoint": at("introspect"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn introspect(
    issuer: web::Data<Issuer>,
    request: HttpRequest,
    form: web::Form<std::collections::HashMap<String, String>>,
) -> HttpResponse {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    // `asker:asker-secret-canary`, as RFC 6749 §2.3.1 has it.
    let credential = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if credential != Some("Basic YXNrZXI6YXNrZXItc2VjcmV0LWNhbmFyeQ==") {
        return HttpResponse::Unauthorized().json(json!({ "error": "invalid_client" }));
    }
    let known = form.get("token").is_some_and(|token| token == "opaque-1");
    let body: Value = if known && issuer.active.load(Ordering::SeqCst) {
        json!({ "active": true, "sub": "u-1", "aud": "api", "roles": ["reader"], "token_type": "Bearer" })
    } else {
        json!({ "active": false })
    };
    HttpResponse::Ok().json(body)
}

async fn gateway(issuer: &Issuer) -> Gateway {
    let bearer = format!(
        "bearer:\n  issuers:\n    - {{ issuer: \"{}\", audiences: [api], roles_claims: [roles], \
         introspection_client_id: asker, introspection_client_secret: asker-secret-canary }}",
        issuer.url
    );
    let policy = "services:\n  app: { prefix: /app, roles: [reader] }\n";
    Setup::with(Idp::shared()).and(&bearer).policy(policy).clock_stands_still().start().await
}

async fn status(gateway: &Gateway, authorization: &str) -> u16 {
    let answer = gateway.ask("GET", APP).header("authorization", authorization).send().await.unwrap();
    answer.status().as_u16()
}

#[actix_web::test]
async fn a_token_that_the_issuer_takes_back_works_half_a_minute_at_most() {
    let (issuer, server) = Issuer::start();
    let gateway = gateway(&issuer).await;
    for _ in 0..3 {
        assert_eq!(status(&gateway, "Bearer opaque-1").await, 200);
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "it is asked once");
    issuer.active.store(false, Ordering::SeqCst);
    gateway.later(Duration::from_secs(29));
    assert_eq!(status(&gateway, "Bearer opaque-1").await, 200, "its word counts");
    gateway.later(Duration::from_secs(2));
    assert_eq!(status(&gateway, "Bearer opaque-1").await, 401, "for half a minute");
    server.stop(false).await;
    gateway.stop().await;
}

#[actix_web::test]
async fn the_issuer_is_asked_about_what_may_be_its_own_alone() {
    let (issuer, server) = Issuer::start();
    let gateway = gateway(&issuer).await;
    // One of ours by its look, a JWT, and one that comes by another way.
    for other in ["Bearer dw_opaque-1", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic b3BhcXVlLTE6b3BhcXVlLTE="] {
        assert_eq!(status(&gateway, other).await, 401, "{other}");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 0);
    assert_eq!(status(&gateway, "Bearer opaque-2").await, 401);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    server.stop(false).await;
    assert_eq!(status(&gateway, "Bearer opaque-2").await, 401, "its word counts when it is gone, too");
    assert_eq!(status(&gateway, "Bearer opaque-1").await, 503, "about this one nobody can say anything");
    gateway.stop().await;
}

#[actix_web::test]
async fn the_store_comes_first() {
    let (issuer, server) = Issuer::start();
    let gateway = gateway(&issuer).await;
    let state = gateway.state();
    // Known to both, as another tool's token may be: it has no role here, whatever the issuer says.
    let record = TokenRecord {
        digest: state.tokens.peppers().digest("opaque-1"),
        id: None,
        name: None,
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
    };
    state.store.put_token(&record).await.unwrap();
    assert_eq!(status(&gateway, "Bearer opaque-1").await, 403);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 0);
    state.store.revoke_token(&record.digest).await.unwrap();
    state.known.token_changed(&record.digest);
    assert_eq!(status(&gateway, "Bearer opaque-1").await, 200, "from here on it is the issuer's to say");
    server.stop(false).await;
    gateway.stop().await;
}
