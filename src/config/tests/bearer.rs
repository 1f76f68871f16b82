//! `bearer.issuers`, and the names that Keycloak's neighbours use.

use super::*;

fn one(yaml: &str) -> Issuer {
    let mut config = load(&format!("bearer: {{ issuers: [{yaml}] }}\n")).unwrap();
    config.issuers.remove(0)
}

#[test]
fn an_issuer_alone_is_enough_to_run() {
    let issuer = one("{ issuer: https://kc.example.com/realms/main, audiences: [api] }");
    assert_eq!(issuer.id, "kc-example-com-realms-main");
    assert_eq!(issuer.algorithms, ["RS256"]);
    assert_eq!(issuer.leeway, Duration::from_secs(30));
    assert_eq!(issuer.groups_claim, "groups");
    assert!(issuer.introspection.is_none() && issuer.roles_claims.is_empty());
}

#[test]
fn a_provider_and_an_issuer_of_one_address_are_one() {
    let file = "server: { external_url: https://auth.example.com }\n\
        providers: [{ id: kc, kind: oidc, issuer: https://kc.example.com, client_id: x }]\n";
    let config = load(&format!(
        "{file}bearer: {{ issuers: [{{ issuer: https://kc.example.com, audiences: [a] }}] }}\n"
    ))
    .unwrap();
    assert_eq!(config.issuers[0].id, "kc");
    assert_eq!(config.identity_ids(), ["kc"]);
    for (entry, fault) in [
        ("{ id: other, issuer: https://kc.example.com, audiences: [a] }", "must be `kc`"),
        ("{ id: kc, issuer: https://other.example.com, audiences: [a] }", "is taken by a provider"),
    ] {
        let all = faults(load(&format!("{file}bearer: {{ issuers: [{entry}] }}\n")));
        assert!(all.len() == 1 && all[0].contains(fault), "{all:?}");
    }
}

#[test]
fn what_would_weaken_a_token_is_refused() {
    for (entry, fault) in [
        ("{ issuer: https://a.example.com }", ".audiences` (doorward.yaml:1): is missing"),
        ("{ issuer: https://a.example.com, audiences: [] }", ".audiences` (doorward.yaml:1): is missing"),
        ("{ audiences: [a] }", ".issuer` (doorward.yaml:1): is missing"),
        ("{ issuer: http://a.example.com, audiences: [a] }", "plain http"),
        ("{ issuer: https://a.example.com, audiences: [a], algorithms: [HS256] }", "is refused"),
        ("{ issuer: https://a.example.com, audiences: [a], algorithms: [none] }", "is refused"),
        ("{ issuer: https://a.example.com, audiences: [a], algorithms: [] }", "is empty"),
        ("{ issuer: https://a.example.com, audiences: [a], leeway: 5m }", "at most `60s`"),
        (
            "{ issuer: https://a.example.com, audiences: [a], role_claims: [r] }",
            "did you mean `roles_claims`?",
        ),
        (
            "{ issuer: https://a.example.com, audiences: [a], introspection_client_id: x }",
            "is missing beside",
        ),
        (
            "{ issuer: https://a.example.com, audiences: [a] }, { issuer: https://a.example.com, audiences: [b] }",
            "is there twice",
        ),
    ] {
        let all = faults(load(&format!("bearer: {{ issuers: [{entry}] }}\n")));
        assert!(all.len() == 1 && all[0].contains(fault), "{entry}: {all:?}");
    }
    assert!(fault("bearer: { isuers: [] }\n").contains("did you mean `issuers`?"));
}

#[test]
fn keycloak_names_alone_are_enough_to_run() {
    for names in [
        &[("KEYCLOAK_URL", "https://kc.example.com/"), ("KEYCLOAK_REALM", "main")][..],
        &[("KEYCLOAK_DISCOVERY_URL", "https://kc.example.com/realms/main/.well-known/openid-configuration")],
    ] {
        let mut setup = env(names);
        setup.env.insert("KEYCLOAK_AUDIENCE".into(), "account".into());
        let config = setup.load().unwrap();
        let [issuer] = config.issuers.as_slice() else { panic!("{:?}", config.issuers) };
        assert_eq!(
            (issuer.id.as_str(), issuer.issuer.as_str()),
            ("keycloak", "https://kc.example.com/realms/main")
        );
        assert_eq!(issuer.audiences, ["account"]);
        assert_eq!(issuer.roles_claims, ["realm_access.roles", "resource_access.account.roles"]);
    }
}

#[test]
fn what_is_missing_of_the_keycloak_names_is_named() {
    for (names, key) in [
        (&[("KEYCLOAK_URL", "https://kc.example.com"), ("KEYCLOAK_AUDIENCE", "a")][..], "KEYCLOAK_REALM"),
        (&[("KEYCLOAK_REALM", "main"), ("KEYCLOAK_AUDIENCE", "a")], "KEYCLOAK_URL"),
        (&[("KEYCLOAK_AUDIENCE", "a")], "KEYCLOAK_DISCOVERY_URL"),
        (&[("KEYCLOAK_URL", "https://kc.example.com"), ("KEYCLOAK_REALM", "main")], "KEYCLOAK_AUDIENCE"),
        (
            &[("KEYCLOAK_DISCOVERY_URL", "https://kc.example.com"), ("KEYCLOAK_AUDIENCE", "a")],
            "KEYCLOAK_DISCOVERY_URL",
        ),
    ] {
        let all = faults(env(names).load_with("policy: { public: [/docs] }\n"));
        assert!(all.len() == 1 && all[0].starts_with(&format!("`{key}`")), "{all:?}");
    }
}

#[test]
fn variables_reach_an_issuer_by_its_id() {
    let setup = env(&[
        ("KEYCLOAK_URL", "http://keycloak:8080"),
        ("KEYCLOAK_REALM", "main"),
        ("KEYCLOAK_AUDIENCE", "a,b"),
        ("DOORWARD_BEARER_ISSUERS_KEYCLOAK_INSECURE_HTTP", "true"),
        ("DOORWARD_BEARER_ISSUERS_KEYCLOAK_ALGORITHMS", "ES256,PS256"),
    ]);
    let config = setup.load().unwrap();
    assert_eq!(config.issuers[0].algorithms, ["ES256", "PS256"]);
    assert_eq!(config.issuers[0].audiences, ["a", "b"]);
    assert_eq!(config.warnings.len(), 1);
    let all = faults(env(&[("DOORWARD_BEARER_ISSUERS_KEYCLOAK_COLOUR", "x")]).load_with(""));
    assert!(all[0].contains("DOORWARD_BEARER_ISSUERS_ID_AUDIENCES"), "{all:?}");
}
