//! What people read: the access table and the explanation.

use super::{FULL, HOSTS, SHORT, as_caller, policy, target};

fn explain(yaml: &str, who: &str, request: &str) -> String {
    let policy = policy(yaml);
    as_caller(&policy, who, |caller| policy.explain(&target(request), caller)).to_string()
}

const DEMO: &str = include_str!("../../../deployment/demo/policy.yaml");
const COMPOSE: &str = include_str!("../../../deployment/traefik-compose/doorward/policy.yaml");

const KEYCLOAK: &str = include_str!("../../../deployment/keycloak/role_mapping.yaml");

/// The full form as docs/policy.md shows it.
fn documented() -> String {
    let page = include_str!("../../../docs/policy.md");
    let block = page.split("```yaml\n").find(|block| block.starts_with("version: 1"));
    block.and_then(|block| block.split("```").next()).unwrap().to_owned()
}

#[test]
fn the_access_tables_of_the_sample_policies() {
    insta::with_settings!({ snapshot_path => "../../../tests/fixtures/policy/tables", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("short", policy(SHORT).table().to_string());
        insta::assert_snapshot!("full", policy(FULL).table().to_string());
        insta::assert_snapshot!("demo", policy(DEMO).table().to_string());
        insta::assert_snapshot!("compose", policy(COMPOSE).table().to_string());
        insta::assert_snapshot!("docs", policy(&documented()).table().to_string());
        insta::assert_snapshot!("hosts", policy(HOSTS).table().to_string());
    });
    // The same people may the same with the one for Keycloak.
    assert_eq!(policy(KEYCLOAK).table().to_string(), policy(SHORT).table().to_string());
}

#[test]
fn an_explanation_names_the_rule_and_what_was_missing() {
    let denied = explain(FULL, "staff", "GET https://labs64.io/api/v1/auditflow/reports/7?x=secret");
    insta::assert_snapshot!(denied, @r"
    deny: GET https://labs64.io/api/v1/auditflow/reports/7
      rule:    auditflow GET /reports/{id} (policy.yaml:21)
      needs:   the permission auditflow:read
      missing: the permission auditflow:read
      near:    auditflow (policy.yaml:15) covers this, too, but another rule is more specific
    ");
    let boundary = explain(SHORT, "-", "GET https://a.test/api/v1/administrator");
    insta::assert_snapshot!(boundary, @r"
    deny: GET https://a.test/api/v1/administrator
      rule:    none; the default speaks
      needs:   a rule, and there is none (default: deny)
      missing: a rule that covers it
      near:    /api/v1/admin (policy.yaml:1) covers /api/v1/admin and what is below it; it stops at the slash
    ");
    let method = explain(HOSTS, "reader", "POST https://api.example.test/v1/x");
    insta::assert_snapshot!(method, @r"
    deny: POST https://api.example.test/v1/x
      rule:    api POST,PUT,PATCH,DELETE /** (policy.yaml:17)
      needs:   the role writer
      missing: the role writer
      near:    api GET,HEAD /** (policy.yaml:16) is for GET, HEAD only
    ");
    let host = explain(HOSTS, "reader", "GET https://ipa.example.test/v1/x");
    insta::assert_snapshot!(host.lines().nth(4).unwrap(), @"  near:    api GET,HEAD /** (policy.yaml:16) is for api.example.test only");
    let unreadable = explain(HOSTS, "user", "GET https://app.example.test/public/..%2fadmin");
    insta::assert_snapshot!(unreadable, @r"
    unreadable: GET https://app.example.test/public/..%2fadmin
      needs:   a path with one reading
      because: the path has an encoded slash
    ");
}

#[test]
fn an_explanation_reads_as_json() {
    let policy = policy(SHORT);
    let target = target("GET https://a.test/api/v1/admin");
    let explained = as_caller(&policy, "auditflow-role", |caller| policy.explain(&target, caller));
    let json = serde_json::to_value(explained).unwrap();
    assert_eq!(json["decision"], "deny");
    assert_eq!(json["rule"]["line"], 1);
    assert_eq!(json["missing"], "the role admin-role");
}
