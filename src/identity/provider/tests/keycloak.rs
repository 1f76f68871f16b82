//! Tokens recorded from a Keycloak 26.7: four algorithms, its `typ` claims, its logout tokens.

use openidconnect::AccessToken;
use openidconnect::core::CoreJsonWebKey;

use super::super::id_token::Expected;
use super::*;
use crate::identity::compact::Compact;
use crate::identity::discovery::Discovery;
use crate::identity::jwks::{KeySet, Lookup};

const ISSUER: &str = "http://127.0.0.1:18080/realms/labs64";
const ISSUED: Timestamp = Timestamp::from_secs(1_795_310_197);

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/keycloak/", $name)).trim()
    };
}

/// The recorded keys, served by a site, as Keycloak is not here.
fn keys() -> KeySet {
    let realm = Realm::new();
    realm.site.set("/jwks", Page::Json(serde_json::from_str(recorded!("jwks.json")).unwrap()));
    let outgoing = Outgoing::new().unwrap();
    KeySet::new(Discovery::new(realm.site.origin(), &[], outgoing.clone()).unwrap(), outgoing)
}

fn doorward() -> Box<Oidc> {
    let mut config = config(ProviderKind::Oidc, ISSUER);
    config.client_id = "doorward".into();
    match build(config) {
        Provider::Oidc(oidc) => oidc,
        Provider::Github(_) => panic!("asked for OpenID"),
    }
}

#[actix_web::test]
async fn recorded_tokens_of_every_algorithm_verify() {
    let keys = keys();
    for (alg, token) in [
        ("RS256", recorded!("alice.code.id.jwt")),
        ("ES256", recorded!("alice.code-es256-id.id.jwt")),
        ("PS256", recorded!("alice.cli-ps256.id.jwt")),
        ("EdDSA", recorded!("alice.cli-eddsa.id.jwt")),
    ] {
        let token = Compact::read(token).unwrap();
        assert_eq!(token.alg, alg);
        let Lookup::Found(key) = keys.find(token.kid(), alg, ISSUED).await else { panic!("no {alg} key") };
        assert!(token.is_signed_by(&key), "{alg}");
        assert!(serde_json::from_value::<CoreJsonWebKey>(key.jwk().clone()).is_ok(), "{alg}");
    }
}

#[actix_web::test]
async fn the_recorded_sign_in_passes_and_its_access_token_is_no_id_token() {
    let (keys, oidc) = (keys(), doorward());
    let access = recorded!("alice.code.access.jwt");
    let authorization: Value = serde_json::from_str(recorded!("alice.code.authorization.json")).unwrap();
    let pending = PendingAuth {
        state: String::new(),
        nonce: authorization["authorization_request"]["nonce"].as_str().unwrap().into(),
        verifier: String::new(),
        proof_since: None,
    };
    let check = async |raw: &str, access: &str, now| {
        let token = Compact::read(raw).unwrap();
        let Lookup::Found(key) = keys.find(token.kid(), &token.alg, ISSUED).await else { panic!("no key") };
        let expected = Expected {
            pending: &pending,
            issuer: &oidc.issuer_url,
            access_token: &AccessToken::new(access.into()),
            code: "unused",
            now,
        };
        expected.check(&oidc, &raw.parse().unwrap(), &token, &key)
    };
    let id = recorded!("alice.code.id.jwt");
    assert_eq!(check(id, access, ISSUED).await, Ok(()));
    let refused = |outcome: Result<(), ProviderError>, part: &str| match outcome {
        Err(ProviderError::InvalidIdToken(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?}"),
    };
    refused(check(id, "another", ISSUED).await, "at_hash");
    refused(check(id, access, ISSUED.plus(Duration::from_secs(400))).await, "xpired");
    refused(check(access, access, ISSUED).await, "");
}

#[actix_web::test]
async fn recorded_logout_tokens_are_read_and_verify() {
    let (keys, oidc) = (keys(), doorward());
    for (raw, has_sid) in
        [(recorded!("rp-initiated.logout.jwt"), true), (recorded!("no-sid.logout.jwt"), false)]
    {
        let token = Compact::read(raw).unwrap();
        let issued = token.time("iat").unwrap().unwrap();
        let notice = oidc.read_notice(&token, issued).unwrap();
        assert_eq!(notice.subject.as_deref(), Some("00000000-0000-4000-8000-000000000001"));
        assert_eq!(notice.sid.is_some(), has_sid);
        let Lookup::Found(key) = keys.find(token.kid(), &token.alg, issued).await else { panic!("no key") };
        assert!(token.is_signed_by(&key));
        assert!(oidc.is_addressed_by(raw));
        let late = issued.plus(Duration::from_secs(301));
        assert!(oidc.read_notice(&token, late).is_err());
    }
}
