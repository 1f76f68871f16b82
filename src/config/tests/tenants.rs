//! Providers that several organisations share, and the other keys about whose word counts for what.

use super::*;

const TENANT_ID: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

fn provider(more: &str) -> String {
    with_provider(&format!("{{ id: p, kind: oidc, client_id: x, {more} }}"))
}

fn entra(path: &str, more: &str) -> String {
    provider(&format!("issuer: \"https://login.microsoftonline.com{path}\"{more}"))
}

#[test]
fn an_issuer_for_everybody_needs_the_list_of_who_is_meant() {
    for all in ["common", "organizations"] {
        let path = format!("/{all}/v2.0");
        let line = fault(&entra(&path, ""));
        assert!(
            line.starts_with("`providers.p.allowed_tenants`")
                && line.contains("everybody of every organisation"),
            "{line}"
        );
        let config =
            load(&entra(&path, &format!(", allowed_tenants: [{}]", TENANT_ID.to_uppercase()))).unwrap();
        let tenants = config.providers[0].tenants.as_ref().unwrap();
        assert_eq!(
            (tenants.claim.as_str(), tenants.allowed.as_slice()),
            ("tid", &[TENANT_ID.to_owned()][..])
        );
        assert_eq!(tenants.issuers.as_deref(), Some("https://login.microsoftonline.com/{tenantid}/v2.0"));
        for (more, key, expect) in [
            (", allowed_tenants: []".to_owned(), "allowed_tenants", "nobody could sign in"),
            (", allowed_tenants: null".to_owned(), "allowed_tenants", "is missing"),
            (", allowed_tenants: [\"*\"]".to_owned(), "allowed_tenants", "no tenant id"),
            (", allowed_tenants: [contoso.com]".to_owned(), "allowed_tenants", "a domain is none"),
            (", allowed_tenants: [common]".to_owned(), "allowed_tenants", "no tenant id"),
            (format!(", allowed_tenants: [\"{TENANT_ID}/..\"]"), "allowed_tenants", "no tenant id"),
            (format!(", allowed_tenants: [{TENANT_ID}], tenant_claim: oid"), "tenant_claim", "must be `tid`"),
        ] {
            let line = fault(&entra(&path, &more));
            assert!(
                line.starts_with(&format!("`providers.p.{key}`")) && line.contains(expect),
                "{more}: {line}"
            );
        }
    }
}

#[test]
fn every_other_issuer_is_one() {
    for path in [
        format!("/{TENANT_ID}/v2.0"),
        "/consumers/v2.0".to_owned(),
        "/common".to_owned(),
        "/common/v2.0/".to_owned(),
        "/a/common/v2.0".to_owned(),
        "/Common/v2.0".to_owned(),
        "/oauth2/default".to_owned(),
    ] {
        let config = load(&entra(&path, "")).unwrap();
        assert!(config.providers[0].tenants.is_none(), "{path}");
    }
    for placeholder in ["/{tenantid}/v2.0", "/<tenant>/v2.0"] {
        assert!(fault(&entra(placeholder, "")).contains("has a placeholder in it"), "{placeholder}");
    }
}

#[test]
fn any_claim_may_name_the_organisation() {
    let issuer = "issuer: https://zitadel.example.com";
    let claim = "urn:zitadel:iam:user:resourceowner:id";
    let config = load(&provider(&format!(
        "{issuer}, tenant_claim: \"{claim}\", allowed_tenants: [\"201982826478953724\"]"
    )))
    .unwrap();
    let tenants = config.providers[0].tenants.as_ref().unwrap();
    assert_eq!(
        (tenants.claim.as_str(), tenants.allowed.as_slice()),
        (claim, &["201982826478953724".to_owned()][..])
    );
    assert_eq!(tenants.issuers, None);
    for (more, key, expect) in [
        ("tenant_claim: org_id", "tenant_claim", "nothing without `allowed_tenants`"),
        ("tenant_claim: a..b, allowed_tenants: [x]", "tenant_claim", "no path of a claim"),
        ("allowed_tenants: []", "allowed_tenants", "is empty"),
        ("allowed_tenants: [\"a b\"]", "allowed_tenants", "no name of a tenant"),
        ("allowed_tenants: [\"\"]", "allowed_tenants", "no name of a tenant"),
        ("allowed_tenants: x", "allowed_tenants", "must be a list"),
        ("email_optional: true, allowed_domains: [example.com]", "email_optional", "lets in by the e-mail"),
        ("email_verified_claim: a..b", "email_verified_claim", "no path of a claim"),
    ] {
        let line = fault(&provider(&format!("{issuer}, {more}")));
        assert!(line.starts_with(&format!("`providers.p.{key}`")) && line.contains(expect), "{more}: {line}");
    }
}

#[test]
fn kinds_refuse_what_they_do_not_heed() {
    for kind in ["google", "github"] {
        for key in ["email_verified_claim: x", "email_optional: true", "allowed_tenants: [x]"] {
            let entry = format!("{{ id: p, kind: {kind}, client_id: x, client_secret: y, {key} }}");
            assert!(fault(&with_provider(&entry)).contains("has no meaning for G"), "{entry}");
        }
    }
    let entry = "{ id: p, kind: github, client_id: x, client_secret: y, groups_claim: teams }";
    assert!(fault(&with_provider(entry)).contains("no meaning for GitHub"));
}

#[test]
fn a_bearer_issuer_is_one_that_tokens_name() {
    let issuer = |path: &str| {
        format!(
            "bearer: {{ issuers: [{{ issuer: \"https://login.microsoftonline.com{path}\", audiences: [api] }}] }}"
        )
    };
    for all in ["/common/v2.0", "/organizations/v2.0"] {
        assert!(fault(&issuer(all)).contains("write an entry for each tenant"), "{all}");
    }
    let config = load(&issuer(&format!("/{TENANT_ID}/v2.0"))).unwrap();
    assert_eq!(config.issuers[0].email_verified_claim, "email_verified");
}
