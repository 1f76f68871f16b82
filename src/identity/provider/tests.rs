//! Sign-ins over real sockets. A realm is a provider with one ES256 key that says whatever a test wants.

mod keycloak;
mod logout;
mod sign_in;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;
use crate::identity::testing::{Page, Site};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn config(kind: ProviderKind, issuer: &str) -> config::Provider {
    config::Provider {
        id: "idp".into(),
        label: "The IdP".into(),
        kind,
        issuer: issuer.into(),
        api_url: None,
        client_id: "gw-web".into(),
        client_secret: Some(SecretString::from("p/ss w:rd")),
        scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
        roles_claim: None,
        groups_claim: None,
        email_verified_claim: "email_verified".into(),
        email_optional: false,
        allowed_domains: Vec::new(),
        tenants: None,
        endpoint_hosts: Vec::new(),
        algorithms: ["RS256", "PS256", "ES256", "EdDSA"].map(str::to_owned).to_vec(),
        insecure_http: false,
    }
}

fn build(config: config::Provider) -> Provider {
    let callback = |_: &str, _| Url::parse("https://auth.example.com/rbac/callback").unwrap();
    Providers::new(&[config], callback).unwrap().0.pop().unwrap()
}

/// A key pair and its public half as a JWK.
struct Pair {
    private: EncodingKey,
    public: Value,
}

fn pair(kid: &str) -> Pair {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(alg, &aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let point = EcdsaKeyPair::from_pkcs8(alg, pkcs8.as_ref()).unwrap().public_key().as_ref().to_vec();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let public =
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": x, "y": y});
    Pair { private: EncodingKey::from_ec_der(pkcs8.as_ref()), public }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn mint(header: &Value, claims: &Value, key: &EncodingKey, alg: Algorithm) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, alg).unwrap();
    format!("{signed}.{signature}")
}

struct Realm {
    site: Site,
    key: Pair,
    metadata: Value,
}

impl Realm {
    fn new() -> Self {
        let site = Site::start();
        let at = |path: &str| format!("{}{path}", site.origin());
        let metadata = json!({"issuer": site.origin(), "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"), "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/userinfo"),
            "end_session_endpoint": at("/logout?keep=1")});
        let realm = Self { site, key: pair("k1"), metadata };
        realm.publish(&realm.metadata);
        realm.site.set("/jwks", Page::Json(json!({"keys": [realm.key.public]})));
        realm
    }

    fn publish(&self, metadata: &Value) {
        self.site.set("/.well-known/openid-configuration", Page::Json(metadata.clone()));
    }

    fn config(&self) -> config::Provider {
        config(ProviderKind::Oidc, self.site.origin())
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})
    }

    fn claims(&self, nonce: &str) -> Value {
        json!({"iss": self.site.origin(), "aud": "gw-web", "sub": "alice-1", "nonce": nonce,
            "iat": NOW.secs(), "exp": NOW.secs() + 300, "email": "alice@example.com", "email_verified": true,
            "name": "Alice Example", "sid": "sid-1", "groups": ["/staff"]})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        mint(header, claims, &self.key.private, Algorithm::ES256)
    }

    /// The token endpoint's answer from now on.
    fn answer(&self, id_token: &str) {
        self.site.set(
            "/token",
            Page::Json(json!({"access_token": "at-1", "token_type": "Bearer", "id_token": id_token})),
        );
    }

    /// A whole sign-in at `provider` whose ID token is as good as can be but for what `change` does to it.
    async fn sign_in(
        &self,
        provider: &Provider,
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> Result<Person, ProviderError> {
        let started = provider.start(false, NOW).await?;
        let (mut header, mut claims) = (self.header(), self.claims(&started.pending.nonce));
        change(&mut header, &mut claims);
        self.answer(&self.sign(&header, &claims));
        provider.finish(&CallbackAnswer { code: "code-1", iss: None }, &started.pending, NOW).await
    }
}
