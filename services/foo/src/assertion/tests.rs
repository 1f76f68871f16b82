use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::*;

struct Signer {
    kid: &'static str,
    key: EncodingKey,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let der =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self { kid, key: EncodingKey::from_ec_der(der.as_ref()) }
    }

    fn jwk(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).unwrap()
    }
}

/// A key server whose answer can be changed and whose requests are counted.
#[derive(Clone, Default)]
struct KeyServer {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
    url: String,
}

impl KeyServer {
    fn start(keys: &[Value]) -> Self {
        let mut this = Self::default();
        this.publish(keys);
        let served = web::Data::new(this.clone());
        let server = HttpServer::new(move || {
            App::new().app_data(served.clone()).default_service(web::to(async |it: web::Data<KeyServer>| {
                it.asked.fetch_add(1, Ordering::SeqCst);
                let (status, body) = it.answer.lock().unwrap().clone();
                HttpResponse::build(status.try_into().unwrap())
                    .insert_header(("location", "/other"))
                    .body(body)
            }))
        })
        .workers(1)
        .bind("127.0.0.1:0")
        .unwrap();
        this.url = format!("http://{}/jwks", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        this
    }

    fn publish(&self, keys: &[Value]) {
        self.reply(200, &json!({ "keys": keys }).to_string());
    }

    fn reply(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn verifier(&self, cool_down: Duration) -> Verifier {
        Verifier::new(&self.url, "https://gate.example", "foo", cool_down).unwrap()
    }
}

fn good() -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": "https://gate.example", "aud": "foo", "sub": "42", "email": "ada@example.com", "name": "Ada",
        "roles": ["staff"], "permissions": [], "iat": now, "exp": now + 60,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn is_wrong(outcome: Result<Claims, Rejected>) -> bool {
    matches!(outcome, Err(Rejected::Wrong(_)))
}

#[actix_web::test]
async fn a_right_one_is_believed_and_the_keys_are_kept() {
    let signer = Signer::new("a");
    let server = KeyServer::start(&[signer.jwk()]);
    let verifier = server.verifier(Duration::ZERO);
    for _ in 0..3 {
        let claims = verifier.verify(&[&signer.sign(&good())]).await.unwrap();
        assert_eq!((claims.sub.as_str(), claims.roles), ("42", vec!["staff".to_owned()]));
    }
    assert_eq!(server.asked(), 1);
}

#[actix_web::test]
async fn wrong_claims_are_refused() {
    let signer = Signer::new("a");
    let server = KeyServer::start(&[signer.jwk()]);
    let verifier = server.verifier(Duration::ZERO);
    let now = get_current_timestamp();
    for claims in [
        with("aud", json!("bar")),
        with("aud", json!(["foo", "bar"])),
        with("aud", Value::Null),
        with("iss", json!("https://evil.example")),
        with("iss", Value::Null),
        with("sub", Value::Null),
        with("exp", json!(now - 10)),
        with("exp", Value::Null),
        with("exp", json!("4000000000")),
        with("nbf", json!(now + 60)),
    ] {
        assert!(is_wrong(verifier.verify(&[&signer.sign(&claims)]).await), "{claims}");
    }
    // The clocks may be a little apart.
    assert!(verifier.verify(&[&signer.sign(&with("exp", json!(now - 2)))]).await.is_ok());
}

#[actix_web::test]
async fn other_algorithms_keys_and_headers_are_refused() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let server = KeyServer::start(&[signer.jwk()]);
    let verifier = server.verifier(Duration::ZERO);
    let right = signer.sign(&good());
    let payload = right.split('.').nth(1).unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());

    let unsigned = format!("{}.{payload}.", part(json!({"alg": "none", "typ": "JWT", "kid": "a"})));
    assert!(is_wrong(verifier.verify(&[&unsigned]).await));
    // HMAC keyed with what is public: the key set itself, and the key's coordinates.
    for secret in [signer.jwk().to_string(), signer.jwk()["x"].as_str().unwrap().to_owned()] {
        let header = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &good(), &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert!(is_wrong(verifier.verify(&[&token]).await));
    }
    assert!(is_wrong(verifier.verify(&[&stranger.sign(&good())]).await), "another key of the same name");
    assert!(is_wrong(verifier.verify(&[&Signer::new("b").sign(&good())]).await), "an unknown name");
    let mut header = Header::new(Algorithm::ES256);
    assert!(is_wrong(verifier.verify(&[&encode(&header, &good(), &signer.key).unwrap()]).await), "no name");
    header.kid = Some("a".to_owned());
    header.crit = Some(vec!["b64".to_owned()]);
    assert!(is_wrong(verifier.verify(&[&encode(&header, &good(), &signer.key).unwrap()]).await), "crit");
    header.crit = None;
    header.jwk = Some(serde_json::from_value(stranger.jwk()).unwrap());
    assert!(
        is_wrong(verifier.verify(&[&encode(&header, &good(), &stranger.key).unwrap()]).await),
        "its own key"
    );

    assert!(is_wrong(verifier.verify(&[&right, &right]).await), "two");
    assert!(is_wrong(verifier.verify(&[&format!("{right}{}", "A".repeat(MAX_TOKEN))]).await), "too long");
    assert!(is_wrong(verifier.verify(&["not a token"]).await));
    for nothing in [&[][..], &[""]] {
        assert_eq!(verifier.verify(nothing).await, Err(Rejected::Absent));
    }
    assert!(verifier.verify(&[&right]).await.is_ok());
}

#[actix_web::test]
async fn a_new_key_is_fetched_but_not_more_often_than_the_cool_down() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let server = KeyServer::start(&[old.jwk()]);
    let eager = server.verifier(Duration::ZERO);
    assert!(eager.verify(&[&old.sign(&good())]).await.is_ok());
    server.publish(&[old.jwk(), new.jwk()]);
    assert!(eager.verify(&[&new.sign(&good())]).await.is_ok());

    let asked = server.asked();
    let calm = server.verifier(Duration::from_secs(60));
    for _ in 0..5 {
        assert!(is_wrong(calm.verify(&[&Signer::new("c").sign(&good())]).await));
    }
    assert_eq!(server.asked(), asked + 1);
    assert!(calm.verify(&[&new.sign(&good())]).await.is_ok());
}

#[actix_web::test]
async fn without_keys_nothing_is_believed_and_known_keys_survive_an_outage() {
    let signer = Signer::new("a");
    let server = KeyServer::start(&[signer.jwk()]);
    let token = signer.sign(&good());
    let big = json!({"keys": [signer.jwk()], "pad": "x".repeat(MAX_JWKS)}).to_string();
    for (status, body) in [(500, ""), (302, ""), (200, "{ not JSON"), (200, big.as_str())] {
        server.reply(status, body);
        let fresh = server.verifier(Duration::from_secs(60));
        // The second time it does not even ask.
        for _ in 0..2 {
            assert!(matches!(fresh.verify(&[&token]).await, Err(Rejected::Unchecked(_))), "{status}");
        }
    }
    server.publish(&[signer.jwk()]);
    let warm = server.verifier(Duration::ZERO);
    assert!(warm.verify(&[&token]).await.is_ok());
    server.reply(500, "");
    assert!(warm.verify(&[&token]).await.is_ok());
    assert!(matches!(warm.verify(&[&Signer::new("b").sign(&good())]).await, Err(Rejected::Unchecked(_))));
}

#[test]
fn only_keys_that_can_have_signed_are_used() {
    let jwk = Signer::new("a").jwk();
    let kids = |keys: Value| usable(json!({ "keys": keys }).to_string().as_bytes()).unwrap().len();
    let but = |name: &str, value: &str| {
        let mut jwk = jwk.clone();
        jwk[name] = value.into();
        jwk
    };
    assert_eq!(kids(json!([jwk])), 1);
    assert_eq!(kids(json!([jwk, Signer::new("a").jwk()])), 0, "a name that is there twice");
    assert_eq!(kids(json!([but("use", "enc")])), 0);
    assert_eq!(kids(json!([but("alg", "ES384")])), 0);
    assert_eq!(kids(json!([but("crv", "P-384")])), 0);
    assert_eq!(
        kids(json!([{"kty": "oct", "kid": "b", "k": "AAAA"}, {"kty": "future", "kid": "c"}, 7, jwk])),
        1
    );
}
