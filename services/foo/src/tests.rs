//! The service on a real port.

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::{config::Config, serve};

fn start() -> String {
    start_with(&[])
}

fn start_with(more: &[&str]) -> String {
    let args = ["--listen", "127.0.0.1:0"].iter().chain(more).map(|arg| (*arg).to_owned());
    let config = Config::read(args, |_| None).unwrap().unwrap();
    let (server, address) = serve(&config).unwrap();
    actix_web::rt::spawn(server);
    format!("http://{address}")
}

async fn get(url: String, headers: &[(&str, &[u8])]) -> Response {
    let mut request = Client::builder().no_proxy().build().unwrap().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[actix_web::test]
async fn it_greets_at_both_addresses_and_escapes_what_it_was_told() {
    let base = start();
    let told: &[(&str, &[u8])] = &[
        ("x-auth-user", b"ada@example.com"),
        ("x-auth-name", b"%3Cscript%3E%20J%C3%BCrgen"),
        ("x-auth-roles", b"<b>,staff"),
        ("x-auth-assertion", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa.secretpart"),
    ];
    for path in ["/", "/foo", "/foo/", "/foo/?q=1"] {
        let page = get(format!("{base}{path}"), told).await;
        assert_eq!(page.status(), 200, "{path}");
        assert!(
            page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        let html = page.text().await.unwrap();
        assert!(html.contains("Hello, I am service foo!"));
        assert!(html.contains("&lt;script&gt; Jürgen") && !html.contains("<script") && !html.contains("<b>"));
        assert!(html.contains("Identity not verified") && html.contains("href=\"&#x2f;rbac&#x2f;logout\""));
        assert!(!html.contains("secretpart"));
        assert!(html.len() < 30_000);
    }
    let anonymous = get(format!("{base}/"), &[]).await.text().await.unwrap();
    assert!(anonymous.contains("nobody is signed in") && !anonymous.contains("Sign out"));
}

#[actix_web::test]
async fn whoami_says_what_it_got() {
    let base = start();
    let told: &[(&str, &[u8])] = &[
        ("x-auth-user", b"ada@example.com"),
        ("x-auth-name", b"%E6%9D%B1%E4%BA%AC"),
        ("x-auth-roles", b"a,b"),
        ("x-auth-permissions", b""),
    ];
    let me: Value = get(format!("{base}/foo/api/whoami?a=%2f&b"), told).await.json().await.unwrap();
    assert_eq!(
        (&me["name"], &me["roles"], &me["permissions"]),
        (&json!("東京"), &json!(["a", "b"]), &json!([]))
    );
    assert_eq!((&me["path"], &me["query"]), (&json!("/foo/api/whoami"), &json!("a=%2f&b")));
    assert_eq!(me["headers"]["X-Auth-Name"], "%E6%9D%B1%E4%BA%AC");
    assert_eq!(me["assertion"]["verified"], false);
}

#[actix_web::test]
async fn echo_shows_the_request_as_it_came() {
    let base = start();
    let request =
        Client::builder().no_proxy().build().unwrap().put(format!("{base}/api/echo/a%2fb;x=1?q=%41"));
    let request = request.header("x-twice", "1").header("x-twice", "2").header("x-raw", &b"\xff"[..]);
    let got: Value = request.body("abc").send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&got["method"], &got["path"], &got["query"]),
        (&json!("PUT"), &json!("/api/echo/a%2fb;x=1"), &json!("q=%41"))
    );
    assert_eq!(
        (&got["headers"]["x-twice"], &got["headers"]["x-raw"]),
        (&json!(["1", "2"]), &json!(["\u{fffd}"]))
    );
    // FIPS 180-2 appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(got["body"], json!({"length": 3, "sha256": abc}));

    let big =
        Client::new().post(format!("{base}/foo/api/echo")).body(vec![0; 20_000_000]).send().await.unwrap();
    assert_eq!(big.json::<Value>().await.unwrap()["body"]["length"], 20_000_000);

    let lost = get(format!("{base}/foo/nowhere/%2e?x"), &[]).await;
    assert_eq!(lost.status(), 404);
    assert_eq!(lost.json::<Value>().await.unwrap()["error"], "not_found");
}

/// A gateway in miniature, which repeats what it was asked in its reason and allows what bears a token.
fn gateway() -> String {
    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
    async fn authorize(req: HttpRequest, body: String) -> HttpResponse {
        let header = |name: &str| crate::identity::values(req.headers(), name).join("|");
        if header("authorization") == "Bearer wrong" {
            return HttpResponse::Unauthorized().finish();
        }
        let reason = format!("{} {} {}", header("x-forwarded-host"), header("cookie"), body);
        HttpResponse::Ok().json(json!({"allow": header("authorization") == "Bearer good", "reason": reason}))
    }
    let server = HttpServer::new(|| App::new().route("/authorize", web::post().to(authorize)))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let at = format!("http://{}/authorize", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    at
}

#[actix_web::test]
async fn a_button_works_only_when_the_gateway_says_so() {
    let base = start_with(&["--authorize-url", &gateway()]);
    let ask = async |headers: &[(&str, &[u8])]| {
        get(format!("{base}/foo/api/reports/7"), headers).await.json::<Value>().await.unwrap()
    };
    let page = async |base: &str, headers: &[(&str, &[u8])]| {
        get(format!("{base}/foo/reports/7"), headers).await.text().await.unwrap()
    };
    let bearer: &[(&str, &[u8])] =
        &[("authorization", b"Bearer good"), ("x-forwarded-host", b"app.example.com")];
    let good = ask(bearer).await;
    assert_eq!((&good["id"], &good["may_approve"]), (&json!("7"), &json!(true)));
    let reason = good["reason"].as_str().unwrap();
    assert!(reason.starts_with("app.example.com ") && reason.contains("\"POST\""), "{reason}");
    assert!(reason.contains("\"/foo/reports/7/approve\""), "{reason}");
    assert!(page(&base, bearer).await.contains("<button id=\"approve\">"));
    let by_cookie = ask(&[("cookie", b"doorward=x")]).await;
    assert_eq!(by_cookie["may_approve"], false);
    assert!(by_cookie["reason"].as_str().unwrap().contains("doorward=x"));
    assert_eq!(ask(&[("authorization", b"Bearer wrong")]).await["may_approve"], false);
    // Nobody to ask, and nobody who answers.
    for base in [start(), start_with(&["--authorize-url", "http://127.0.0.1:9/authorize"])] {
        let report: Value = get(format!("{base}/api/reports/7"), &[]).await.json().await.unwrap();
        assert_eq!(report["may_approve"], false);
        assert!(page(&base, bearer).await.contains("<button id=\"approve\" disabled"));
    }
    assert_eq!(get(format!("{base}/foo/reports/a%20b"), &[]).await.status(), 404);
}
