//! `tokens`, `rate_limit` and `admin`, and the names that operators already have for them.

use super::*;

/// What the environment must not be able to guess.
const PEPPER: &str = "f3Jq0-uT9v_Xx2k7LmZ1";

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = load("").unwrap();
    assert!(config.tokens.pepper.is_none() && config.tokens.previous_pepper.is_none());
    assert_eq!((config.tokens.default_ttl, config.tokens.max_ttl), (None, None));
    assert!(config.tokens.self_service);
    let limits = &config.rate_limit;
    assert_eq!(limits.window, Duration::from_secs(1));
    assert_eq!((limits.max, limits.user_max, limits.failures), (100, 0, 20));
    assert_eq!(config.admin.user, "admin");
    assert!(config.admin.pass.is_none());
}

#[test]
fn the_names_operators_already_have() {
    let setup = env(&[
        ("PEPPER", PEPPER),
        ("ADMIN_USER", "root"),
        ("ADMIN_PASS", "correct horse"),
        ("TOKEN_TTL_SECONDS", "3600"),
        ("RATE_LIMIT_WINDOW_SEC", "10"),
        ("RATE_LIMIT_MAX", "7"),
    ]);
    let file = "tokens: { pepper_file: /nowhere, default_ttl_seconds: 5 }\nrate_limit: { max: 1, failures: 3 }\n\
                admin: { pass_file: /nowhere }\n";
    for config in [setup.load_with(""), setup.load_with(file)].map(Result::unwrap) {
        assert_eq!(config.tokens.pepper.unwrap().expose_secret(), PEPPER);
        assert_eq!(config.tokens.default_ttl, Some(Duration::from_secs(3600)));
        assert_eq!((config.rate_limit.window, config.rate_limit.max), (Duration::from_secs(10), 7));
        assert_eq!(config.admin.user, "root");
        assert_eq!(config.admin.pass.unwrap().expose_secret(), "correct horse");
    }

    let mut setup = env(&[]);
    for (name, value) in [("PEPPER_FILE", PEPPER), ("ADMIN_PASS_FILE", "correct horse")] {
        let path = setup.write(name, &format!("{value}\n"));
        setup.env.insert(name.to_owned(), path.display().to_string());
    }
    let config = setup.load_with("").unwrap();
    assert_eq!(config.tokens.pepper.unwrap().expose_secret(), PEPPER);
    assert_eq!(config.admin.pass.unwrap().expose_secret(), "correct horse");
}

#[test]
fn one_thing_by_two_names_is_a_fault() {
    for (one, other, fault) in [
        ("PEPPER", "PEPPER_FILE", "`tokens.pepper` (PEPPER): is set beside `tokens.pepper_file`"),
        (
            "PEPPER",
            "DOORWARD_TOKENS_PEPPER_FILE",
            "`tokens.pepper` (PEPPER): is set beside `tokens.pepper_file`",
        ),
        (
            "ADMIN_PASS_FILE",
            "DOORWARD_ADMIN_PASS",
            "`admin.pass` (DOORWARD_ADMIN_PASS): is set beside `admin.pass_file`",
        ),
        (
            "ADMIN_PASS",
            "DOORWARD_ADMIN_PASS",
            "`admin.pass` (ADMIN_PASS): is set beside `DOORWARD_ADMIN_PASS`",
        ),
        (
            "RATE_LIMIT_MAX",
            "DOORWARD_RATE_LIMIT_MAX",
            "`rate_limit.max` (RATE_LIMIT_MAX): is set beside `DOORWARD_RATE_LIMIT_MAX`",
        ),
    ] {
        let value = if one == "RATE_LIMIT_MAX" { "4" } else { "4S3CRET" };
        let all = faults(env(&[(one, value), (other, value)]).load_with(""));
        assert!(all.iter().any(|line| line.starts_with(fault)), "{one} {other}: {all:#?}");
        assert!(!all.join("\n").contains("S3CRET"), "{all:#?}");
    }
    let all = faults(load("admin: { pass: correct horse, pass_file: x }\n"));
    assert!(all[0].contains("is set beside `admin.pass_file`; keep one of the two"), "{all:#?}");
}

#[test]
fn examples_and_guesses_are_no_secrets() {
    for pass in [
        "",
        " ",
        "          ",
        "short",
        "admin",
        "Admin123",
        "CHANGE-ME",
        "changeme!!!",
        "password",
        "12345678",
    ] {
        let line = fault(&format!("admin: {{ user: root, pass: \"{pass}\" }}\n"));
        assert!(line.starts_with("`admin.pass` (doorward.yaml:1): "), "{line}");
        assert!(pass.trim().is_empty() || !line.contains(&format!("`{pass}`")), "{line}");
    }
    assert!(fault("admin: { user: operator1, pass: Operator1 }\n").contains("is the same as the name"));
    for text in ["admin: { user: root }\n", "admin: { user: root, pass: null }\n"] {
        assert!(
            fault(text).contains("`admin.pass`: is missing") || fault(text).contains("is missing beside")
        );
    }
    // Compose files pass on what was not set as an empty variable.
    let all = faults(env(&[("ADMIN_USER", "admin"), ("ADMIN_PASS", "")]).load_with(""));
    assert!(all.len() == 1 && all[0].contains("is missing beside `admin.user`"), "{all:#?}");
    let setup = env(&[]);
    setup.write("empty", "\n");
    assert!(faults(setup.load_with("admin: { pass_file: empty }\n"))[0].contains("empty file"));

    for pepper in ["x", "pepper", "changeme", "123456789012345", "supersecret12345678"] {
        let line = fault(&format!("tokens: {{ pepper: \"{pepper}\" }}\n"));
        assert!(line.contains("must be at least 16 bytes that nobody can guess"), "{line}");
    }
    let sound = format!("admin: {{ pass: correct horse }}\ntokens: {{ pepper: \"{PEPPER}\" }}\n");
    let shown = format!("{:?}", load(&sound).unwrap());
    assert!(!shown.contains(PEPPER) && !shown.contains("correct horse"), "{shown}");
}

#[test]
fn numbers_are_within_reason() {
    for (yaml, expect) in [
        (
            "rate_limit: { window_sec: 0 }",
            "`rate_limit.window_sec` (doorward.yaml:1): must be at least 1 second",
        ),
        ("rate_limit: { window_sec: 86401 }", "is no whole number from 0 to 86400"),
        ("rate_limit: { max: -1 }", "is no whole number from 0 to"),
        ("rate_limit: { failures: many }", "is no whole number from 0 to"),
        (
            "tokens: { default_ttl_seconds: 61, max_ttl_seconds: 60 }",
            "`tokens.default_ttl_seconds` (doorward.yaml:1): is more than `max_ttl_seconds`",
        ),
        ("tokens: { max_ttl_seconds: 1h }", "is no whole number from 0 to"),
        ("admin: { user: \"a:b\", pass: correct horse }", "must be a name without"),
    ] {
        let line = fault(&format!("{yaml}\n"));
        assert!(line.contains(expect), "{yaml}: {line}");
    }
    let config = load("tokens: { max_ttl_seconds: 60 }\n").unwrap();
    assert_eq!(config.tokens.default_ttl, Some(Duration::from_secs(60)), "the longest there is");
    let config = load("rate_limit: { max: 0, failures: 0 }\n").unwrap();
    assert_eq!((config.rate_limit.max, config.rate_limit.failures), (0, 0));
}

#[test]
fn the_audit_file_has_a_size() {
    let audit = |yaml: &str| load(&format!("audit: {yaml}\n")).unwrap().audit;
    assert_eq!((audit("{}").max_size, audit("{}").keep), (Some(100 << 20), 5));
    assert_eq!(audit("{ max_size: 0, keep: 0 }").max_size, None);
    assert_eq!(audit("{ max_size: 4KB }").max_size, Some(4096));
    assert_eq!(audit("{ max_size: 2gb, keep: 1000 }").max_size, Some(2 << 30));
    for wrong in ["100", "MB", "-1MB", "1.5GB", "1TB", "0MB", "99999999999999GB"] {
        assert!(fault(&format!("audit: {{ max_size: {wrong} }}\n")).contains("is no size"), "{wrong}");
    }
    assert!(fault("audit: { keep: 1001 }\n").contains("is no number of files"));
}

#[test]
fn a_previous_pepper_has_an_end() {
    let old = "0ldPepperThatWasUsed";
    let with = |rest: &str| format!("tokens: {{ pepper: {PEPPER}, previous_pepper: {old}{rest} }}\n");
    assert!(fault(&with("")).starts_with("`tokens.previous_pepper_until`"));
    assert!(fault(&with(", previous_pepper_until: soon")).contains("is no time; write one like"));
    let config = load(&with(", previous_pepper_until: \"2027-01-31T00:00:00Z\"")).unwrap();
    assert_eq!(config.tokens.previous_pepper.unwrap().expose_secret(), old);
    assert!(config.tokens.previous_pepper_until.is_some());
    let same = format!(
        "tokens: {{ pepper: {PEPPER}, previous_pepper: {PEPPER}, previous_pepper_until: \"2027-01-31T00:00:00Z\" }}\n"
    );
    assert!(fault(&same).contains("is the same as `pepper`"));
}
