//! The policy beside the services' own descriptions.

use super::policy;
use crate::policy::Comparison;

const SERVICE: &str = "
default: deny
public: [/api/open]
services:
  shop:
    hosts: [shop.test]
    prefix: /api
    openapi: shop.yaml
    roles: [staff]
    endpoints:
      - { path: '/orders/{id}', methods: [GET], roles: [reader] }
      - { path: /orders, methods: [POST], roles: [writer] }
      - { path: '/docs/**', public: true }
";

fn compare(yaml: &str, description: &str) -> Comparison {
    let policy = policy(yaml);
    let described: Vec<_> = policy.described().collect();
    let [service] = described.as_slice() else { panic!("one service names a description") };
    service.compare(service.file(), description)
}

fn lines(faults: &[crate::policy::Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

/// The description of [`SERVICE`] with more paths.
fn shop(more: &str) -> String {
    format!(
        "openapi: 3.1.0\npaths:\n  /orders:\n    post: {{}}\n  /orders/{{id}}:\n    get: {{}}\n  /docs/{{page}}:\n    get: {{}}\n{more}"
    )
}

#[test]
fn what_is_described_and_covered_is_fine() {
    let told = compare(SERVICE, &shop(""));
    assert_eq!((lines(&told.faults), lines(&told.warnings)), (Vec::new(), Vec::new()));
    insta::assert_snapshot!(told, @r"
    method  path              hosts      takes                  by
    POST    /api/orders       shop.test  the role writer        shop POST /orders
    GET     /api/orders/{id}  shop.test  the role reader        shop GET /orders/{id}
    GET     /api/docs/{page}  shop.test  nothing: it is public  shop /docs/**
    ");
    let public: Vec<bool> = told.operations.iter().map(|one| one.public).collect();
    assert_eq!(public, [false, false, true]);
}

#[test]
fn an_operation_without_an_endpoint_is_a_warning_that_says_what_decides() {
    let told = compare(SERVICE, &shop("  /stock:\n    get: {}\n  /open/x:\n    get: {}\n"));
    assert_eq!(lines(&told.faults), [""; 0]);
    assert_eq!(
        lines(&told.warnings),
        [
            "shop.yaml:10:5: no endpoint covers 'GET /api/stock'; 'shop' decides (policy.yaml:9): it takes the role staff; add an endpoint for it, if that is not meant",
            // The service's own prefix is longer than that of `public`, and they are on different hosts.
            "shop.yaml:12:5: no endpoint covers 'GET /api/open/x'; 'shop' decides (policy.yaml:9): it takes the role staff; add an endpoint for it, if that is not meant",
        ]
    );
    let without = SERVICE.replace("    roles: [staff]\n", "");
    let told = compare(&without, &shop("  /stock:\n    get: {}\n  /open/x:\n    get: {}\n"));
    assert_eq!(
        lines(&told.warnings),
        [
            "shop.yaml:10:5: no endpoint covers 'GET /api/stock'; the default decides: nobody may; add an endpoint for it, if somebody should",
            "shop.yaml:12:5: no endpoint covers 'GET /api/open/x'; 'public /api/open' decides (policy.yaml:3): everybody may; add an endpoint that says who may, or 'public: true' there",
        ]
    );
    let one_rule = "services: { a: { hosts: [a.test], openapi: a.yaml, roles: [x] } }";
    let told = compare(one_rule, "openapi: 3.0.3\npaths: { /x: { get: {} } }");
    assert_eq!((lines(&told.faults), lines(&told.warnings)), (Vec::new(), Vec::new()), "meant as a whole");
    let open = "services: { a: { hosts: [a.test], openapi: a.yaml, public: true } }";
    assert_eq!(compare(open, "openapi: 3.0.3\npaths: { /x: { get: {} } }").warnings.len(), 1);
}

#[test]
fn an_endpoint_that_is_not_described_is_a_fault() {
    let told =
        compare(SERVICE, "openapi: 3.0.0\npaths: { /order: { post: {} }, '/orders/{id}': { put: {} } }");
    assert_eq!(
        lines(&told.faults),
        [
            "policy.yaml:11:9: 'shop GET /orders/{id}': shop.yaml describes no GET of /api/orders/{id}; correct the methods, or describe it there",
            "policy.yaml:12:9: 'shop POST /orders': shop.yaml describes no path /api/orders; did you mean '/api/order'?",
        ]
    );
    let warned = lines(&told.warnings);
    assert!(
        warned[0].starts_with("policy.yaml:13:9: 'shop /docs/**' covers nothing that shop.yaml describes"),
        "{warned:?}"
    );
    // One value of a parameter, a HEAD of a GET, and preflights may have rules of their own.
    let fine = "services: { a: { hosts: [a.test], openapi: a.yaml, endpoints: [{ path: /users/me, methods: [GET, HEAD, OPTIONS], roles: [x] }, { path: '/users/{id}', roles: [y] }] } }";
    let told = compare(fine, "openapi: 3.0.0\npaths: { '/users/{id}': { get: {} } }");
    assert_eq!((lines(&told.faults), lines(&told.warnings)), (Vec::new(), Vec::new()));
}

#[test]
fn paths_are_the_services_own_unless_they_begin_with_its_prefix() {
    let path = |prefix: &str, description: &str| {
        let yaml = format!(
            "services: {{ a: {{ hosts: [a.test], prefix: '{prefix}', openapi: a.yaml, roles: [x] }} }}"
        );
        let told = compare(&yaml, &format!("openapi: 3.0.0\n{description}"));
        assert_eq!(lines(&told.faults), [""; 0], "{description}");
        told.operations[0].path.clone()
    };
    let paths = "paths: { /x: { get: {} } }";
    let server = |url: &str| format!("servers: [{{ url: '{url}' }}]\n{paths}");
    for (prefix, description, seen) in [
        ("/api/v1", paths.to_owned(), "/api/v1/x"),
        ("/", paths.to_owned(), "/x"),
        ("/api/v1", "paths: { /api/v1/x: { get: {} } }".to_owned(), "/api/v1/x"),
        // Not at a segment's end.
        ("/api/v1", "paths: { /api/v10: { get: {} } }".to_owned(), "/api/v1/api/v10"),
        ("/api/v1", server("https://a.test/api/v1/"), "/api/v1/x"),
        ("/api/v1", server("/api/v1"), "/api/v1/x"),
        ("/api/v1", server("http://localhost:8080"), "/api/v1/x"),
        ("/api", server("https://a.test/v1"), "/api/v1/x"),
        ("/", server("https://a.test/v1?x#y"), "/v1/x"),
        ("/", server("v1"), "/v1/x"),
        ("/", server("./"), "/x"),
        ("/", server("https://{host}/{base}"), "/{base}/x"),
        (
            "/v2",
            format!(
                "servers: [{{ url: 'https://a.test/{{base}}', variables: {{ base: {{ default: v2 }} }} }}]\n{paths}"
            ),
            "/v2/x",
        ),
        // The first that leads into the service.
        (
            "/api",
            format!("servers: [{{ url: 'http://localhost:1' }}, {{ url: 'https://a.test/api' }}]\n{paths}"),
            "/api/x",
        ),
        (
            "/",
            "servers: [{ url: /v1 }]\npaths: { /x: { servers: [{ url: /v2 }], get: {} } }".to_owned(),
            "/v2/x",
        ),
        (
            "/",
            "paths: { /x: { servers: [{ url: /v2 }], get: { servers: [{ url: /v3 }] } } }".to_owned(),
            "/v3/x",
        ),
    ] {
        assert_eq!(path(prefix, &description), seen, "{prefix} {description}");
    }
}

#[test]
fn what_cannot_be_read_is_told_and_never_taken_for_nothing() {
    let one = "services: { a: { hosts: [a.test], openapi: a.yaml, endpoints: [{ path: /x, roles: [r] }] } }";
    for (description, words) in [
        ("", "a.yaml:1:1: the file is empty"),
        ("openapi: [", "this is not YAML"),
        (
            "swagger: '2.0'\npaths: {}",
            "this is no OpenAPI 3 description; it begins with 'openapi: 3.…'; Swagger 2",
        ),
        ("openapi: 3.0.0", "has no paths"),
        ("openapi: 3.0.0\npaths: { x: { get: {} } }", "a.yaml:2:10: 'x' is no path"),
        ("openapi: 3.0.0\npaths: { /x: { gte: {} } }", "unknown key 'gte' in a path; did you mean 'get'?"),
        ("openapi: 3.0.0\npaths: { /x: { $ref: other.yaml } }", "the operations of '/x' could not be found"),
        ("openapi: 3.0.0\npaths: { /x: { $ref: '#/paths/~1x' } }", "could not be found"),
        (
            "openapi: 3.0.0\npaths: { /x: &x { get: {} }, /y: *x }",
            "the operations of '/y' could not be found",
        ),
        ("openapi: 3.0.0\npaths: { /x: { get: {} }, /x: { put: {} } }", "'/x' is there twice"),
        (
            "openapi: 3.0.0\npaths: { /x: { get: {} }, /a/../b: { get: {} } }",
            "nobody can ask for 'GET /a/../b': the path has a dot segment",
        ),
        ("openapi: 3.0.0\npaths: { /x: { get: {} }, '/a%2Fb': { get: {} } }", "an encoded slash"),
        (
            "openapi: 3.0.0\npaths: { /x: { get: {}, additionalOperations: { copy: {} } } }",
            "nobody can ask for 'copy /x'",
        ),
    ] {
        let told = compare(one, description);
        let faults = lines(&told.faults);
        assert!(faults.len() == 1 && faults[0].contains(words), "{description}\n{faults:#?}");
        assert!(!faults[0].contains("describes no path"), "not known, as the rest could not be read");
    }
    let policy = policy("services:\n  a: { hosts: [a.test], openapi: a.yaml, roles: [r] }");
    let missing = policy.described().next().unwrap().unreadable("no such file");
    assert!(
        missing.faults[0]
            .to_string()
            .starts_with("policy.yaml:2:34: 'a.yaml' cannot be read: no such file; ")
    );
}

#[test]
fn references_within_the_file_and_what_a_description_may_have_beside() {
    let one =
        "services: { a: { hosts: [a.test], openapi: a.yaml, endpoints: [{ path: '/**', roles: [r] }] } }";
    let description = "
openapi: 3.2.0
x-anything: &anchor !tag { a: 1 }
paths:
  x-more: {}
  /x: { $ref: '#/components/pathItems/a~1b' }
  /files/{name}.{ext}: { summary: s, parameters: [], x-y: 1, query: {}, trace: {} }
  '/a b/{id}:cancel': { post: { responses: { 200: { content: { application/json: { schema: { properties: { a: { items: { type: [string] } } } } } } } } } }
  /empty: {}
components:
  pathItems:
    a/b: { get: {}, head: {}, additionalOperations: { COPY: {} } }
";
    let told = compare(one, description);
    assert_eq!((lines(&told.faults), lines(&told.warnings)), (Vec::new(), Vec::new()));
    let seen: Vec<String> =
        told.operations.iter().map(|one| format!("{} {}", one.method, one.path)).collect();
    assert_eq!(
        seen,
        [
            "GET /x",
            "HEAD /x",
            "COPY /x",
            "QUERY /files/{name}.{ext}",
            "TRACE /files/{name}.{ext}",
            "POST /a b/{id}:cancel"
        ]
    );
}

#[test]
fn json_is_read_as_well() {
    let json = "{\n\t\"openapi\": \"3.0.3\",\n\t\"info\": {\"title\": \"a\\/b \\u00e9 \\ud83d\\ude00\"},\n\t\"paths\": {\n\t\t\"/x\": {\"get\": {\"summary\": null, \"deprecated\": true, \"x\": [1.5e3, -2]}}\n\t}\n}\n";
    let one = "services: { a: { hosts: [a.test], openapi: a.json, endpoints: [{ path: /x, roles: [r] }] } }";
    let told = compare(one, json);
    assert_eq!((lines(&told.faults), lines(&told.warnings)), (Vec::new(), Vec::new()));
    assert_eq!(told.operations.len(), 1);
    assert_eq!(told.operations[0].line, 5);
}

#[test]
fn a_hostile_description_costs_little_and_reaches_no_terminal() {
    let one = "services: { a: { hosts: [a.test], openapi: a.yaml, roles: [r] } }";
    let deep = format!(
        "openapi: 3.0.0\nx: {}{}\npaths: {{ /x: {{ get: {{}} }} }}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let told = compare(one, &deep);
    assert!(
        told.faults.is_empty() && told.operations.len() == 1 || told.faults.len() == 1,
        "{:?}",
        told.faults
    );
    let large = format!("openapi: 3.0.0\nx: {}", "a".repeat(17 * 1024 * 1024));
    assert!(lines(&compare(one, &large).faults)[0].contains("over 16 MiB"));
    let escape =
        "openapi: 3.0.0\npaths: { \"/x\\e[31m\\n\": { get: {}, \"g\\e\\nt\": {} }, \"\\e]0;x\": {} }";
    let told = compare(one, escape);
    let all = format!("{told}{}", lines(&told.faults).join(""));
    assert!(!all.contains('\u{1b}'), "{all:?}");
    assert!(lines(&told.faults).iter().all(|line| !line.contains('\n')));
}
