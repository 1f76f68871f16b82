//! What is not loaded, and what the operator is told.

use crate::policy::Policy;

fn told(yaml: &str) -> Vec<String> {
    match Policy::parse_and_try("p.yaml", yaml) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// Asserts that the file has one fault, in this place, with these words in it.
#[track_caller]
fn one(yaml: &str, place: &str, words: &[&str]) {
    let faults = told(yaml);
    let [fault] = faults.as_slice() else { panic!("{yaml}\n{faults:#?}") };
    assert!(fault.starts_with(&format!("p.yaml:{place}: ")), "{fault}");
    for word in words {
        assert!(fault.contains(word), "'{word}' is not in: {fault}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let yaml = "
version: 2
default: alow
servces: {}
services:
  a:
    role: [x]
    prefix: /a/../b
    endpoints:
      - { path: x, roles: [y] }
      - { path: /y }
  b: { hosts: ['*'], roles: [] }
";
    let faults = told(yaml);
    let places: Vec<&str> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "p.yaml:2:10",
            "p.yaml:3:10",
            "p.yaml:4:1",
            "p.yaml:7:5",
            "p.yaml:8:13",
            "p.yaml:10:17",
            "p.yaml:11:9",
            "p.yaml:12:16",
            "p.yaml:12:22",
        ],
        "{faults:#?}"
    );
}

#[test]
fn misspelt_keys_are_named_with_what_was_meant() {
    one("servics: {}", "1:1", &["unknown key 'servics' in the policy", "did you mean 'services'?"]);
    one(
        "services: { a: { role: [x], endpoints: [{ path: /, public: true }] } }",
        "1:18",
        &["unknown key 'role' in a service", "did you mean 'roles'?"],
    );
    one(
        "services: { a: { endpoints: [{ pth: /, path: /, public: true }] } }",
        "1:32",
        &["unknown key 'pth' in an endpoint", "did you mean 'path'?"],
    );
    one("assign: [{ role: x, mail: a@b.test, email: a@b.test }]", "1:21", &["did you mean 'email'?"]);
    one("version: 1\nfrobnicate: 1", "2:1", &["unknown key 'frobnicate'", "known here: version"]);
    one("/a: []\nversion: 1", "1:1", &["unknown key '/a' in the policy"]);
}

#[test]
fn nothing_said_is_never_public() {
    one("services: { a: { roles: } }", "1:18", &["'roles' is a list, and this is nothing"]);
    one("services: { a: { roles: [] } }", "1:18", &["an empty list", "name at least one"]);
    one("services: { a: { roles: x } }", "1:25", &["write '[x]'"]);
    one("services: { a: { endpoints: [{ path: /, roles: [] }] } }", "1:41", &["an empty list"]);
    one("services: { a: { endpoints: [{ path: /, roles: }] } }", "1:41", &["nothing"]);
    one("services: { a: { prefix: /a } }", "1:13", &["says nothing about who may"]);
    one("services: { a: { endpoints: [{ path: / }] } }", "1:30", &["does not say who may"]);
    one("services: { a: { endpoints: [] } }", "1:18", &["an empty list"]);
    one("services: { a: }", "1:14", &["a service is a map, and this is nothing"]);
    one("services: { a: { public: false } }", "1:18", &["can only be true"]);
    one("services: { a: { hosts: [x.test], public: 'yes' } }", "1:35", &["can only be true"]);
    one("services: { a: { hosts: [], roles: [x] } }", "1:18", &["an empty list"]);
    one(
        "services: { a: { endpoints: [{ path: /, methods: [], public: true }] } }",
        "1:41",
        &["an empty list"],
    );
}

#[test]
fn an_empty_file_is_no_policy() {
    for yaml in ["", "\n\n", "# nothing\n", "~", "---\n", "--- \n..."] {
        one(yaml, "1:1", &["the file is empty"]);
    }
    one("{}", "1:1", &["says nothing"]);
    one("[]", "1:1", &["the policy is a map"]);
    one("hello", "1:1", &["the policy is a map"]);
    assert_eq!(told("version: 1"), [""; 0]);
}

#[test]
fn only_plain_yaml_is_read() {
    one("services: [", "1:11", &["this is not YAML"]);
    one("default: deny\ndefault: authenticated", "2:1", &["'default' is there twice", "line 1"]);
    one("services: { a: &x { roles: [r] }, b: *x }", "1:19", &["anchors"]);
    one("default: !secret deny", "1:18", &["tags"]);
    one("default: deny\n---\ndefault: deny", "3:1", &["second document"]);
    one("[a]: b", "1:1", &["key that is no plain text"]);
    let deep = format!("services: {}{}", "[".repeat(40), "]".repeat(40));
    one(&deep, "1:27", &["too many levels"]);
}

#[test]
fn paths_that_could_never_match_or_look_like_regular_expressions() {
    for (path, word) in [
        ("^/a", "'^' looks like a regular expression"),
        ("/a$", "'$'"),
        ("/a/.*", "'.*'"),
        ("/(a|b)", "'('"),
        ("/[a-z]", "'['"),
        ("/a/\\d", "'\\d'"),
        ("/a//b", "empty segment"),
        ("/a/./b", "dot segment"),
        ("/a/../b", "dot segment"),
        ("/a%20b", "after decoding"),
        ("/a?b", "query"),
        ("/a;b", "parameters"),
        ("a", "begins with a slash"),
        ("/a/*/b", "'*'"),
        ("/a/b*", "'*'"),
        ("/a/**/b", "'*'"),
    ] {
        one(
            &format!("services: {{ a: {{ endpoints: [{{ path: '{path}', public: true }}] }} }}"),
            "1:38",
            &[word],
        );
        one(&format!("services: {{ a: {{ prefix: '{path}', roles: [x] }} }}"), "1:26", &[]);
        one(&format!("public: ['{path}']"), "1:10", &[]);
        if path.starts_with('/') {
            one(&format!("'{path}': [x]"), "1:1", &[]);
        }
    }
    one("services: { a: { endpoints: [{ path: '/a{id}', public: true }] } }", "1:38", &["whole segment"]);
    one("services: { a: { endpoints: [{ path: '/{}', public: true }] } }", "1:38", &["whole segment"]);
    one("services: { a: { prefix: '/{id}', roles: [x] } }", "1:26", &["a prefix is literal"]);
    let long = "/a".repeat(2049);
    one(&format!("public: ['{long}']"), "1:10", &["over 4 KiB"]);
    let half = "/a".repeat(1200);
    let both =
        format!("services: {{ a: {{ prefix: {half}, endpoints: [{{ path: {half}, public: true }}] }} }}");
    assert!(told(&both)[0].contains("over 4 KiB"));
}

#[test]
fn hosts_are_names() {
    for (host, word) in [
        ("*", "leave 'hosts' out"),
        ("https://a.test", "no scheme"),
        ("a.test/x", "no path"),
        ("a.test:8080", "leave the port out"),
        ("a.*.test", "at the front only"),
        ("*a.test", "at the front only"),
        ("*.127.0.0.1", "no names below"),
        ("bücher.test", "'xn--' form"),
        ("a_b.test", "no host name"),
        ("::1", "needs brackets"),
    ] {
        one(&format!("services: {{ a: {{ hosts: ['{host}'], roles: [x] }} }}"), "1:26", &[word]);
    }
    one("services: { a: { hosts: [a.test, A.test.], roles: [x] } }", "1:34", &["there twice"]);
    one("services: { a: { origins: ['a.test'], roles: [x] } }", "1:28", &["no origin"]);
    one("services: { a: { origins: ['https://a.test/x'], roles: [x] } }", "1:28", &["no origin"]);
}

#[test]
fn methods_are_names() {
    let yaml = |method: &str| {
        format!("services: {{ a: {{ endpoints: [{{ path: /, methods: [{method}], public: true }}] }} }}")
    };
    one(&yaml("get"), "1:51", &["'get' is no method", "did you mean 'GET'?"]);
    one(&yaml("GTE"), "1:51", &["did you mean 'GET'?"]);
    one(&yaml("PSOT"), "1:51", &["did you mean 'POST'?"]);
    one(&yaml("'*'"), "1:51", &["no method"]);
    one(&yaml("GET, GET"), "1:56", &["there twice"]);
    assert_eq!(told(&yaml("SEARCH, PURGE")), [""; 0]);
}

#[test]
fn unknown_roles_and_permissions() {
    let table = "roles: { admin-role: [a:read], user: }\nassign: [{ role: staff, group: g }]\n";
    let rule = |who: &str| format!("{table}services: {{ a: {{ {who} }} }}");
    one(
        &rule("roles: [amin-role]"),
        "3:18",
        &["unknown role 'amin-role' in 'a'", "did you mean 'admin-role'?"],
    );
    one(&rule("roles: [xyz]"), "3:18", &["add it to 'roles' or 'assign'"]);
    assert_eq!(told(&rule("roles: [staff, user, admin-role, doorward-admin]")), [""; 0]);
    one(
        &rule("permission: a:raed"),
        "3:18",
        &["no role has the permission 'a:raed'", "did you mean 'a:read'?"],
    );
    one("services: { a: { permission: x } }", "1:18", &["give it to a role under 'roles'"]);
    // Without the table any role may be named.
    assert_eq!(told("services: { a: { roles: [whatever] } }"), [""; 0]);
    for word in ["public", "authenticated", "anonymous", "'*'", "Public"] {
        one(&format!("services: {{ a: {{ roles: [{word}, x] }} }}"), "1:26", &["built-in word"]);
        one(&format!("assign: [{{ role: {word}, group: g }}]"), "1:18", &["built-in word"]);
        one(&format!("roles: {{ {word}: }}"), "1:10", &["built-in word"]);
    }
    one("/a: [public, x]", "1:6", &["built-in word"]);
    for name in ["a b", "a,b", "a;b", "é"] {
        one(&format!("/a: ['{name}']"), "1:6", &["cannot name a role"]);
    }
    one("roles: { a: ['x:*'] }", "1:14", &["cannot name a permission"]);
}

#[test]
fn assignments_name_one_holder() {
    one("assign: [{ role: a }]", "1:10", &["one kind of holder"]);
    one("assign: [{ role: a, group: g, email: a@b.test }]", "1:10", &["one kind of holder"]);
    one("assign: [{ group: g }]", "1:10", &["without a role"]);
    one("assign: [{ role: a, email: a@b@c.test }]", "1:28", &["no e-mail address"]);
    one("assign: [{ role: a, email_domain: '@b.test' }]", "1:35", &["no e-mail address or domain"]);
    one("assign: [{ role: a, email_domain: '*.b.test' }]", "1:35", &["no e-mail address or domain"]);
    one("assign:\n  - { role: a, group: g }\n  - { role: a, group: g }", "3:13", &["there twice"]);
}

#[test]
fn equal_and_unreachable_rules() {
    one("/a: [x]\n/a/: [y]", "2:1", &["the same requests as '/a' in line 1"]);
    one("public: [/a, /a]", "1:14", &["the same requests"]);
    one(
        "services:\n  a: { hosts: [a.test], roles: [x] }\n  b: { hosts: [b.test, a.test], roles: [x] }",
        "3:33",
        &["'b' says something about the same requests as 'a' in line 2 (a.test/**)"],
    );
    let service = |endpoints: &str| format!("services:\n  a:\n    roles: [x]\n    endpoints: [{endpoints}]");
    one(&service("{ path: '/**', roles: [y] }"), "4:17", &["the same requests as 'a' in line 3"]);
    one(&service("{ path: '/{a}', roles: [y] }, { path: '/{b}', roles: [z] }"), "4:47", &["same requests"]);
    one(
        &service("{ path: /y, methods: [GET, PUT], roles: [y] }, { path: /y, methods: [PUT], roles: [z] }"),
        "4:64",
        &["same requests"],
    );
    assert_eq!(told(&service("{ path: /y, methods: [GET], roles: [y] }, { path: /y, roles: [z] }")), [""; 0]);
    assert_eq!(
        told(&service("{ path: /y, methods: [GET], roles: [y] }, { path: /y, methods: [PUT], roles: [z] }")),
        [""; 0]
    );
    one(
        &service("{ path: '/', roles: [y] }, { path: '/{any}/**', roles: [z] }"),
        "3:5",
        &["'a' is unreachable"],
    );
}

#[test]
fn who_may_is_said_once() {
    one(
        "services: { a: { roles: [x], authenticated: true } }",
        "1:30",
        &["'roles' and 'authenticated' together"],
    );
    one("services: { 'a b': { roles: [x] } }", "1:13", &["cannot name a service"]);
    one("services: { a: { mode: shadw, roles: [x] } }", "1:24", &["did you mean 'shadow'?"]);
    one(
        "services:\n  a: { mode: shadow, endpoints: [{ path: /a, public: true }] }\n  b: { roles: [x] }",
        "3:3",
        &["different settings"],
    );
}

#[test]
fn nothing_opens_everything_by_accident() {
    for yaml in [
        "public: [/]",
        "/: []",
        "services: { a: { public: true } }",
        "services: { a: { endpoints: [{ path: '/**', public: true }] } }",
    ] {
        let faults = told(yaml);
        assert!(faults.len() == 1 && faults[0].contains("every path of every host"), "{yaml} {faults:?}");
    }
    assert_eq!(told("services: { a: { endpoints: [{ path: /, public: true }] } }"), [""; 0]);
}

#[test]
fn opaque_paths_need_a_place_of_their_own() {
    let opaque = "services:\n  a: { hosts: [a.test], paths: opaque, roles: [x] }\n";
    assert_eq!(told(opaque), [""; 0]);
    for other in [
        "b: { hosts: [a.test], prefix: /b, roles: [x] }",
        "b: { hosts: [a.test], endpoints: [{ path: '/{x}/y', roles: [x] }] }",
        "b: { hosts: [a.test], endpoints: [{ path: '/**', methods: [PUT], roles: [x] }] }",
    ] {
        one(&format!("{opaque}  {other}"), "2:25", &["lies within the service"]);
    }
    // Less specific on all hosts of the service.
    assert_eq!(told(&format!("{opaque}  b: {{ prefix: /b, roles: [x] }}")), [""; 0]);
    assert_eq!(told(&format!("{opaque}  b: {{ hosts: ['*.test'], roles: [x] }}")), [""; 0]);
    one(
        "services:\n  a: { hosts: ['*.test'], paths: opaque, roles: [x] }\n  b: { hosts: [a.test], prefix: /b, roles: [x] }",
        "2:27",
        &["lies within"],
    );
    one(
        "services: { a: { paths: opaque, endpoints: [{ path: /, roles: [x] }] } }",
        "1:18",
        &["one rule for the whole"],
    );
}

#[test]
fn tests_that_fail_or_cannot_be_read() {
    let yaml = |test: &str| {
        format!("default: authenticated\nservices: {{ a: {{ prefix: /a, roles: [x] }} }}\ntests:\n  - {test}")
    };
    one(
        &yaml("{ as: anonymous, request: GET https://a.test/a, expect: allow }"),
        "4:5",
        &["test failed: expected allow, got login by 'a' in line 2"],
    );
    one(
        &yaml("{ as: { roles: [y] }, request: GET https://a.test/b, expect: deny }"),
        "4:5",
        &["expected deny, got allow by the default"],
    );
    assert_eq!(
        told(&yaml("{ as: { roles: [] }, request: GET https://a.test/a//b, expect: unreadable }")),
        [""; 0]
    );
    one(&yaml("{ as: anonymous, request: /a, expect: allow }"), "4:31", &["no request"]);
    one(&yaml("{ as: anonymous, request: GET a.test, expect: allow }"), "4:31", &["no request"]);
    one(
        &yaml("{ as: nobody, request: GET https://a.test/a, expect: login }"),
        "4:11",
        &["write 'anonymous'"],
    );
    one(
        &yaml("{ as: anonymous, request: GET https://a.test/a, expect: alow }"),
        "4:61",
        &["did you mean 'allow'?"],
    );
    one(&yaml("{ as: anonymous, request: GET https://a.test/a }"), "4:5", &["without 'expect'"]);
}

/// One slipped key does not make a short file a full one, of which every line would be wrong.
#[test]
fn a_key_without_a_slash_is_the_only_fault_of_a_short_file() {
    one("/api: [admin]\napi2: [user]\n/docs: []\n", "2:1", &["'api2'", "/api2"]);
}
