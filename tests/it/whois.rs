//! Services ask who somebody is and what they may.

use serde_json::{Value, json};

use super::support::idp::client;
use super::support::{APP, Browser, Gateway, Idp, Setup};

const POLICY: &str = "\
roles: { reader: [\"reports:read\"] }\n\
public: [/docs]\n\
services:\n\
\x20 app: { prefix: /app, authenticated: true }\n\
\x20 reports: { prefix: /reports, permission: \"reports:read\" }\n";

const HOST: &str = "auth.example.test";

async fn gateway(idp: &Idp) -> Gateway {
    let bearer = format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], roles_claims: [roles] }}] }}",
        idp.issuer
    );
    Setup::with(idp).and(&bearer).policy(POLICY).start().await
}

async fn token(idp: &Idp, roles: &[&str]) -> String {
    let claims = json!({"sub": "u-1", "aud": "api", "roles": roles});
    format!("Bearer {}", idp.mint(claims, json!({})).await)
}

async fn post(gateway: &Gateway, path: &str, credential: Option<(&str, &str)>, body: &str) -> (u16, Value) {
    let mut request = client().post(gateway.at(path)).body(body.to_owned());
    if let Some((name, value)) = credential {
        request = request.header(name, value);
    }
    let response = request.send().await.unwrap();
    assert!(!response.headers()["x-auth-decision-id"].is_empty());
    assert_eq!(response.headers()["cache-control"], "no-store");
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[actix_web::test]
async fn who_is_this() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let reader = token(idp, &["reader"]).await;
    let (status, who) = post(&gateway, "/authenticate", Some(("authorization", &reader)), "").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&who["active"], &who["subject"], &who["user_id"]),
        (&json!(true), &json!("u-1"), &json!("u-1"))
    );
    assert_eq!((&who["roles"], &who["permissions"]), (&json!(["reader"]), &json!(["reports:read"])));
    assert_eq!(who["method"], "jwt");
    assert!(who["expires_at"].as_str().unwrap().ends_with('Z'));

    let (status, body) = post(&gateway, "/authenticate", None, "").await;
    assert_eq!((status, &body["message"]), (401, &json!("missing bearer token")));
    let (status, body) = post(&gateway, "/authenticate", Some(("authorization", "Bearer x")), "").await;
    assert_eq!((status, &body["message"]), (401, &json!("invalid token")));

    // By the cookie that the service was sent; it is bound to its host.
    let mut ada = Browser::new(&gateway);
    assert!(ada.sign_in(APP, "ada@example.com").await.served);
    let cookie = ada.cookies_for(HOST);
    let answer = client()
        .get(gateway.at("/authenticate"))
        .header("cookie", &cookie)
        .header("x-forwarded-host", HOST)
        .send()
        .await
        .unwrap();
    let who: Value = answer.json().await.unwrap();
    assert_eq!((&who["email"], &who["method"]), (&json!("ada@example.com"), &json!("session")));
    let elsewhere = client()
        .get(gateway.at("/authenticate"))
        .header("cookie", &cookie)
        .header("x-forwarded-host", "other.example.test")
        .send()
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), 401);
    gateway.stop().await;
}

#[actix_web::test]
async fn may_they() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let (reader, nobody) = (token(idp, &["reader"]).await, token(idp, &[]).await);
    let route = |path: &str| json!({"method": "GET", "host": HOST, "path": path}).to_string();
    for (credential, path, allow) in [
        (Some(&reader), "/reports/7", true),
        (Some(&nobody), "/reports/7", false),
        (Some(&nobody), "/app", true),
        (Some(&reader), "/nowhere", false),
        (None, "/docs", true),
        (None, "/app", false),
    ] {
        let credential = credential.map(|token| ("authorization", token.as_str()));
        let (status, body) = post(&gateway, "/authorize", credential, &route(path)).await;
        assert_eq!((status, &body["allow"]), (200, &json!(allow)), "{path}: {body}");
        assert!(body["reason"].is_string() && body["decision_id"].is_string(), "{body}");
        // The same as a proxy is told.
        let mut asked = gateway.ask("GET", &format!("https://{HOST}{path}"));
        if let Some((name, value)) = credential {
            asked = asked.header(name, value);
        }
        assert_eq!(asked.send().await.unwrap().status() == 200, allow, "{path}");
    }
    let by = Some(("authorization", reader.as_str()));
    let (_, body) = post(&gateway, "/authorize", by, "{\"permission\":\"reports:read\"}").await;
    assert_eq!(body["allow"], true);
    let checks = json!({"checks": [
        {"permission": "reports:write"},
        {"method": "GET", "host": HOST, "path": "/reports/7"},
        {"host": HOST, "path": "/nowhere"},
    ]});
    let (_, body) = post(&gateway, "/authorize", by, &checks.to_string()).await;
    let allowed: Vec<bool> =
        body.as_array().unwrap().iter().map(|one| one["allow"].as_bool().unwrap()).collect();
    assert_eq!(allowed, [false, true, false]);
    assert!(body[1]["rule"].as_str().unwrap().contains("reports"), "{body}");
    assert!(body[0]["reason"].as_str().unwrap().contains("reports:write"), "{body}");
    let wrong = Some(("authorization", "Bearer x"));
    assert_eq!(post(&gateway, "/authorize", wrong, &route("/docs")).await.0, 401);
    // The log tells a question from a refusal.
    let log = std::fs::read_to_string(gateway.dir.join("audit.log")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refused: Vec<Value> = lines.filter(|line| line["outcome"] == "forbidden").collect();
    let asked = refused.iter().filter(|line| line["only_asked"] == true).count();
    assert!(asked > 0 && asked < refused.len(), "{refused:?}");
    gateway.stop().await;
}

/// The answers tell about people, and about the policy: who is not in the list is told neither, whatever they bring.
#[actix_web::test]
async fn only_trusted_peers_may_ask() {
    let idp = Idp::shared();
    let bearer = format!(
        "bearer: {{ issuers: [{{ issuer: \"{}\", audiences: [api], roles_claims: [roles] }}] }}",
        idp.issuer
    );
    let setup = Setup::with(idp).and(&bearer).policy(POLICY);
    let gateway = setup.env("DOORWARD_SERVER_TRUSTED_PROXIES", "127.0.0.2/32,10.0.0.0/8").start().await;
    let reader = token(idp, &["reader"]).await;
    let evaluation = json!({"subject": {"type": "user", "id": "u-1"}, "action": {"name": "GET"},
        "resource": {"type": "permission", "id": "reports:read"}});
    let batch = json!({"evaluations": [evaluation]});
    for (address, trusted) in [([127, 0, 0, 2], true), ([127, 0, 0, 3], false), ([127, 0, 0, 1], false)] {
        let client = reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from(address));
        let client = client.build().unwrap();
        for (method, path, body) in [
            ("GET", "/authenticate", String::new()),
            ("POST", "/authenticate", String::new()),
            ("POST", "/authorize", json!({"permission": "reports:read"}).to_string()),
            ("POST", "/authorize", json!({"checks": [{"host": HOST, "path": "/docs"}]}).to_string()),
            ("POST", "/authorize", "nonsense".to_owned()),
            ("POST", "/access/v1/evaluation", evaluation.to_string()),
            ("POST", "/access/v1/evaluations", batch.to_string()),
        ] {
            for credential in [Some(&reader), None] {
                let mut request = client
                    .request(method.parse().unwrap(), gateway.at(path))
                    // Saying to be the proxy makes nobody one.
                    .header("x-forwarded-for", "127.0.0.2")
                    .header("x-real-ip", "127.0.0.2")
                    .header("forwarded", "for=127.0.0.2")
                    .body(body.clone());
                if let Some(token) = credential {
                    request = request.header("authorization", token);
                }
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                let text = answer.text().await.unwrap();
                let refused = status == 403 && text.contains("\"untrusted_peer\"");
                assert_eq!(refused, !trusted, "{address:?} {method} {path}: {status} {text}");
                let tells = ["u-1", "reader", "reports", "allow\":", "decision\":", "active"];
                let told = tells.iter().any(|word| text.contains(word));
                assert!(trusted || !told, "{address:?} {method} {path}: {text}");
                assert!(
                    !trusted || credential.is_none() || body == "nonsense" || status == 200,
                    "{path}: {text}"
                );
            }
        }
    }
    gateway.stop().await;
}

#[actix_web::test]
async fn questions_that_are_none_are_told_so_in_json() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let reader = token(idp, &["reader"]).await;
    let many = json!({ "checks": vec![json!({"permission": "x"}); 101] }).to_string();
    let huge = format!("{{\"permission\":\"{}\"}}", "x".repeat(70_000));
    for body in [
        "",
        "{}",
        "[]",
        "nonsense",
        "{\"permision\":\"x\"}",
        "{\"permission\":\"x\",\"path\":\"/\"}",
        "{\"permission\":\"x\",\"permission\":\"y\"}",
        "{\"host\":\"a\"}",
        "{\"host\":\"a b\",\"path\":\"/\"}",
        "{\"host\":\"a\",\"path\":\"x\"}",
        "{\"checks\":[]}",
        "{\"checks\":[{}]}",
        "{\"checks\":[{\"permission\":\"x\"}],\"permission\":\"x\"}",
        many.as_str(),
    ] {
        let (status, answer) = post(&gateway, "/authorize", Some(("authorization", &reader)), body).await;
        assert_eq!((status, &answer["error"]), (400, &json!("bad_request")), "{body:.60}: {answer}");
    }
    let refused = client().post(gateway.at("/authorize")).header("authorization", &reader).body(huge);
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(answer["error"], "too_large", "nothing was decided");
    // What can be read in two ways is not allowed, whoever asks.
    let body = json!({"host": HOST, "path": "/docs/..%2fapp"}).to_string();
    let (status, answer) = post(&gateway, "/authorize", Some(("authorization", &reader)), &body).await;
    assert_eq!((status, &answer["allow"]), (200, &json!(false)), "{answer}");
    gateway.stop().await;
}

#[actix_web::test]
async fn the_same_in_the_words_of_authzen() {
    let idp = Idp::shared();
    let gateway = gateway(idp).await;
    let reader = token(idp, &["reader"]).await;
    let by = Some(("authorization", reader.as_str()));
    let subject = json!({"type": "user", "id": "u-1"});
    let route = |path: &str| json!({"type": "route", "id": format!("https://{HOST}{path}")});
    let one = |resource: Value| {
        json!({"subject": subject, "action": {"name": "GET"}, "resource": resource}).to_string()
    };
    let at = "/access/v1/evaluation";
    for (resource, decision) in [
        (route("/reports/7"), true),
        (route("/nowhere"), false),
        (json!({"type": "route", "properties": {"uri": format!("https://{HOST}/app")}}), true),
        (json!({"type": "permission", "id": "reports:read"}), true),
        (json!({"type": "permission", "id": "reports:write"}), false),
    ] {
        let (status, body) = post(&gateway, at, by, &one(resource.clone())).await;
        assert_eq!((status, &body["decision"]), (200, &json!(decision)), "{resource}: {body}");
        assert!(body["context"]["decision_id"].is_string());
    }
    let other = json!({"subject": {"type": "user", "id": "u-2"}, "action": {"name": "GET"}, "resource": route("/app")});
    assert_eq!(post(&gateway, at, by, &other.to_string()).await.0, 403);
    assert_eq!(post(&gateway, at, by, "{}").await.0, 400);
    assert_eq!(post(&gateway, at, by, &one(json!({"type": "document", "id": "7"}))).await.0, 400);
    assert_eq!(post(&gateway, at, None, &one(route("/docs"))).await.0, 401);

    let mut batch = json!({"subject": subject, "action": {"name": "GET"}, "evaluations": [
        {"resource": route("/app")},
        {"resource": route("/nowhere")},
        {"resource": route("/reports/7"), "subject": {"type": "user", "id": "u-2"}},
    ]});
    let decisions = async |batch: &Value| {
        let (status, body) = post(&gateway, "/access/v1/evaluations", by, &batch.to_string()).await;
        assert_eq!(status, 200, "{body}");
        let all = body["evaluations"].as_array().unwrap().clone();
        all.iter().map(|one| one["decision"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(decisions(&batch).await, [true, false, false]);
    batch["options"] = json!({"evaluations_semantic": "deny_on_first_deny"});
    assert_eq!(decisions(&batch).await, [true, false]);
    batch["options"] = json!({"evaluations_semantic": "permit_on_first_permit"});
    assert_eq!(decisions(&batch).await, [true]);
    batch["evaluations"] = json!(vec![json!({}); 101]);
    assert_eq!(post(&gateway, "/access/v1/evaluations", by, &batch.to_string()).await.0, 400);

    let told: Value = client()
        .get(gateway.at("/.well-known/authzen-configuration"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(told["access_evaluation_endpoint"], gateway.at("/access/v1/evaluation"));
    gateway.stop().await;
}

/// Programs seldom say what they accept; a page would tell them nothing.
#[actix_web::test]
async fn errors_are_json_and_a_request_id_comes_back() {
    let gateway = gateway(Idp::shared()).await;
    for (path, status) in [("/authorize", 405), ("/access/v1/evaluation", 405), ("/nowhere", 404)] {
        let response = client().get(gateway.at(path)).header("accept", "*/*").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(body["error"].is_string() && body["message"].is_string(), "{path}: {body}");
    }
    let person =
        client().get(gateway.at("/nowhere")).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
    assert_eq!(person.headers()["content-type"], "text/html; charset=utf-8");
    for path in ["/authorize", "/access/v1/evaluation", "/authenticate"] {
        let request = client().post(gateway.at(path)).header("x-request-id", "bfe9eb29-ab87").body("{}");
        assert_eq!(request.send().await.unwrap().headers()["x-request-id"], "bfe9eb29-ab87", "{path}");
    }
}
