//! `store`, and the names that operators already have for Redis.

use super::*;

const PEPPER: &str = "f3Jq0-uT9v_Xx2k7LmZ1";

fn redis(config: &Config) -> &RedisUrl {
    match &config.store {
        StoreUrl::Redis(url) => url,
        StoreUrl::Sqlite(path) => panic!("{}", path.display()),
    }
}

#[test]
fn redis_host_and_a_pepper_are_enough() {
    let config = env(&[("REDIS_HOST", "redis"), ("PEPPER", PEPPER)]).load().unwrap();
    let url = redis(&config);
    assert_eq!(url.to_string(), "redis://redis:6379/0");
    assert!(url.username.is_none() && url.password.is_none() && url.tls.is_none());
    assert_eq!((url.prefix.as_str(), url.timeout), ("doorward", Duration::from_millis(500)));

    let all = faults(env(&[("REDIS_HOST", "redis")]).load());
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("`tokens.pepper`: is missing") && all[0].contains("`PEPPER`"), "{all:?}");
    let all = faults(load("store: { url: \"redis://redis\" }\n"));
    assert!(all.len() == 1 && all[0].contains("tokens.pepper_file"), "{all:?}");
}

#[test]
fn the_names_operators_already_have_for_redis() {
    let setup = env(&[
        ("REDIS_HOST", "2001:db8::7"),
        ("REDIS_PORT", "7000"),
        ("REDIS_DB", "3"),
        ("REDIS_USERNAME", "doorward"),
        ("REDIS_PASSWORD", "S3C/RET@"),
        ("REDIS_TLS", "true"),
        ("REDIS_TLS_SKIP_VERIFY", "1"),
        ("PEPPER", PEPPER),
    ]);
    for file in ["", "store: { url: \"redis://other\", password_file: /nowhere }\n"] {
        let config = setup.load_with(file).unwrap();
        let url = redis(&config);
        assert_eq!(url.to_string(), "rediss://[2001:db8::7]:7000/3");
        assert_eq!(url.username.as_deref(), Some("doorward"));
        assert_eq!(url.password.as_ref().unwrap().expose_secret(), "S3C/RET@");
        assert_eq!(url.tls, Some(RedisTls { ca_file: None, verify: false }));
        assert!(config.warnings.iter().any(|line| line.contains("insecure_tls_skip_verify")));
        assert!(!format!("{config:?}").contains("S3C"), "{config:?}");
    }
    // The password alone completes the file's address.
    let setup = env(&[("REDIS_PASSWORD_FILE", "secret"), ("PEPPER", PEPPER)]);
    let file = setup.write("secret", "from the file\n");
    let setup = Setup {
        env: BTreeMap::from([
            ("REDIS_PASSWORD_FILE".to_owned(), file.display().to_string()),
            ("PEPPER".to_owned(), PEPPER.to_owned()),
        ]),
        ..setup
    };
    let config = setup.load_with("store: { url: \"redis+cluster://a,b:1\" }\n").unwrap();
    assert_eq!(redis(&config).password.as_ref().unwrap().expose_secret(), "from the file");
    assert_eq!(redis(&config).to_string(), "redis+cluster://a:6379,b:1");
}

#[test]
fn what_is_said_twice_or_in_vain_is_refused() {
    for (pairs, expect) in [
        (vec![("REDIS_PORT", "6379")], "`REDIS_PORT`: is set without `REDIS_HOST`"),
        (vec![("REDIS_PASSWORD", "S3CRET")], "`store.password` (REDIS_PASSWORD): is for a Redis store"),
        (vec![("REDIS_HOST", "a"), ("REDIS_PORT", "x")], "`REDIS_PORT`: must be a number"),
        (vec![("REDIS_HOST", "a/b")], "`store.url` (REDIS_HOST): "),
        (vec![("REDIS_HOST", "a"), ("REDIS_TLS", "maybe")], "(REDIS_TLS): must be `true` or `false`"),
        (
            vec![("REDIS_HOST", "a"), ("DOORWARD_STORE_URL", "redis://b")],
            "`store.url` (REDIS_HOST): is set beside `DOORWARD_STORE_URL`",
        ),
        (
            vec![("REDIS_HOST", "a"), ("REDIS_PASSWORD", "S3CRET"), ("REDIS_PASSWORD_FILE", "b")],
            "keep one of the two",
        ),
        (vec![("REDIS_HOST", "a"), ("REDIS_USERNAME", "u")], "`store.password`"),
        (vec![("REDIS_HOST", "a"), ("REDIS_TLS_SKIP_VERIFY", "true")], "write `rediss://`"),
        (vec![("REDIS_HOST", "a"), ("DOORWARD_STORE_PREFIX", "{x}")], "`store.prefix`"),
        (vec![("REDIS_HOST", "a"), ("DOORWARD_STORE_TIMEOUT", "1h")], "`store.timeout`"),
        (
            vec![("REDIS_HOST", "a"), ("REDIS_TLS", "1"), ("DOORWARD_STORE_CA_FILE", "/nowhere")],
            "`store.ca_file`",
        ),
    ] {
        let mut setup = env(&pairs);
        setup.env.insert("PEPPER".into(), PEPPER.into());
        let all = faults(setup.load_with(""));
        assert!(all.iter().any(|line| line.contains(expect)), "{pairs:?}: {all:#?}");
        assert!(!all.join("").contains("S3CRET"), "{all:#?}");
    }
    // Kubernetes describes a service called `redis` in variables that look like these.
    let links =
        [("REDIS_PORT", "tcp://10.96.0.8:6379"), ("REDIS_SERVICE_HOST", "10.96.0.8"), ("REDIS_HOST", "")];
    assert!(env(&links).load_with("").is_ok());
}
