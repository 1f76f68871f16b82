mod bearer;
mod store;
mod tenants;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::keys::{ISSUER, PROVIDER, SECTIONS, dotted, variable};
use super::*;

/// 32 different bytes, in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Setup {
    folder: TempDir,
    env: BTreeMap<String, String>,
}

fn env(pairs: &[(&str, &str)]) -> Setup {
    let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Setup { folder: TempDir::new().unwrap(), env }
}

impl Setup {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn load(&self) -> Result<Config, Faults> {
        Config::load(None, &self.env)
    }

    fn load_with(&self, yaml: &str) -> Result<Config, Faults> {
        Config::load(Some(&self.write("doorward.yaml", yaml)), &self.env)
    }
}

fn load(yaml: &str) -> Result<Config, Faults> {
    env(&[]).load_with(yaml)
}

/// The faults as lines.
fn faults(result: Result<Config, Faults>) -> Vec<String> {
    result.map(|_| ()).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

/// The one fault of a file.
#[track_caller]
fn fault(yaml: &str) -> String {
    let all = faults(load(yaml));
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

/// One provider in an otherwise sound file.
fn with_provider(entry: &str) -> String {
    format!("server: {{ external_url: https://auth.example.com }}\nproviders:\n  - {entry}\n")
}

#[test]
fn an_empty_file_gives_the_defaults() {
    for yaml in ["", "# nothing\n", "{}", "server:\n", "providers: []\n"] {
        let config = load(yaml).unwrap();
        assert_eq!(config.data_dir, Path::new("/var/lib/doorward"));
        assert_eq!(config.server.listen.to_string(), "0.0.0.0:8000");
        assert_eq!(config.server.base_path, "/rbac");
        assert_eq!(config.server.external_url, None);
        let trusted: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(trusted, ["127.0.0.0/8", "::1/128"]);
        assert_eq!(config.ops.listen.unwrap().to_string(), "127.0.0.1:9000");
        assert_eq!(config.session.lifetime, Duration::from_secs(8 * 3600));
        assert_eq!(config.session.idle, Some(Duration::from_secs(3600)));
        assert_eq!(config.session.store_grace, Duration::from_secs(60));
        assert!(config.session.cookie_domain.is_none() && config.session.keys.is_none());
        assert!(
            matches!(&config.store, StoreUrl::Sqlite(at) if at == Path::new("/var/lib/doorward/doorward.db"))
        );
        assert_eq!(config.forward_auth.user_header_format, UserHeaderFormat::Plain);
        assert!(!config.forward_auth.strip_credentials);
        assert_eq!(config.audit.decisions, AuditDecisions::Denied);
        assert_eq!(config.pages.name, "Doorward");
        assert_eq!(config.log, LogFormat::Json);
        assert!(config.providers.is_empty() && config.policy.file.is_none() && config.warnings.is_empty());
    }
}

#[test]
fn nothing_at_all_teaches_the_shortest_way() {
    let keys: Vec<String> = env(&[]).load().unwrap_err().iter().map(|f| f.key().to_owned()).collect();
    assert_eq!(keys, ["DOORWARD_SERVER_EXTERNAL_URL", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"]);

    let url = ("DOORWARD_SERVER_EXTERNAL_URL", "https://auth.example.com");
    let keys: Vec<String> = env(&[url]).load().unwrap_err().iter().map(|f| f.key().to_owned()).collect();
    assert_eq!(keys, ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"]);
}

#[test]
fn three_variables_are_enough() {
    let config = env(&[
        ("DOORWARD_SERVER_EXTERNAL_URL", "https://auth.example.com"),
        ("GOOGLE_CLIENT_ID", "the-id"),
        ("GOOGLE_CLIENT_SECRET", "the-secret"),
    ])
    .load()
    .unwrap();
    let [google] = config.providers.as_slice() else { panic!("{:?}", config.providers) };
    assert_eq!((google.id.as_str(), google.label.as_str()), ("google", "Google"));
    assert_eq!(google.kind, ProviderKind::Google);
    assert_eq!(google.issuer, "https://accounts.google.com");
    assert_eq!(google.client_id, "the-id");
    assert_eq!(google.client_secret.as_ref().unwrap().expose_secret(), "the-secret");
    assert_eq!(google.scopes, ["openid", "email", "profile"]);
    assert_eq!(google.algorithms, ["RS256"]);
}

#[test]
fn one_of_the_google_names_without_the_rest_names_the_rest() {
    let all = faults(env(&[("GOOGLE_CLIENT_ID", "x")]).load());
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[0].contains("`providers.google.client_secret`") && all[0].contains("GOOGLE_CLIENT_SECRET"));
    assert!(all[1].contains("`server.external_url`"), "{all:#?}");
}

#[test]
fn the_google_names_complete_the_files_provider() {
    let setup = env(&[("GOOGLE_CLIENT_ID", "from-env"), ("GOOGLE_CLIENT_SECRET", "secret")]);
    let yaml = with_provider("{ id: work, kind: google, allowed_domains: [example.com] }");
    let config = setup.load_with(&yaml).unwrap();
    assert_eq!(config.providers.len(), 1);
    assert_eq!(
        (config.providers[0].id.as_str(), config.providers[0].client_id.as_str()),
        ("work", "from-env")
    );
    assert_eq!(config.providers[0].allowed_domains, ["example.com"]);

    let other = "{ id: kc, kind: oidc, issuer: https://kc.example.com/realms/main, client_id: x }";
    let config = setup.load_with(&with_provider(other)).unwrap();
    let ids: Vec<&str> = config.providers.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(ids, ["kc", "google"], "the file's come first: the first one's `sub` is the user id");

    let two = with_provider("{ id: a, kind: google }\n  - { id: b, kind: google }");
    assert!(
        faults(setup.load_with(&two)).iter().any(|f| f.starts_with("`GOOGLE_CLIENT_ID`: could be meant"))
    );
}

#[test]
fn a_role_mapping_alone_is_enough() {
    let setup = env(&[]);
    let path = setup.write("role_mapping.yaml", "/api: [admin]\n");
    let with = |name: &str| {
        let env = BTreeMap::from([(name.to_owned(), path.display().to_string())]);
        Config::load(None, &env).unwrap().policy.file
    };
    assert_eq!(with("ROLE_MAPPING_FILE").as_deref(), Some(path.as_path()));
    assert_eq!(with("DOORWARD_POLICY_FILE").as_deref(), Some(path.as_path()));
    assert_eq!(
        env(&[("DOORWARD_POLICY_PUBLIC", "/docs, /open/")]).load().unwrap().policy.public,
        ["/docs", "/open"]
    );

    let both = BTreeMap::from([
        ("ROLE_MAPPING_FILE".to_owned(), "a".to_owned()),
        ("DOORWARD_POLICY_FILE".to_owned(), path.display().to_string()),
    ]);
    assert_eq!(
        faults(Config::load(None, &both)),
        ["`policy.file` (ROLE_MAPPING_FILE): is set beside `DOORWARD_POLICY_FILE`; keep one of the two"]
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let setup = env(&[
        ("DOORWARD_SERVER_LISTEN", "127.0.0.1:1"),
        ("DOORWARD_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.9"),
        ("DOORWARD_SESSION_LIFETIME", "2h"),
        ("DOORWARD_FORWARD_AUTH_STRIP_CREDENTIALS", "true"),
        ("DOORWARD_PROVIDERS_MY_KC_CLIENT_SECRET", "from-env"),
        ("DOORWARD_LOG_FORMAT", ""),
        ("DOORWARD_CONFIG", "elsewhere.yaml"),
    ]);
    let config = setup
        .load_with(
            "server: { listen: 127.0.0.1:2, external_url: https://a.example.com, trusted_proxies: [10.1.1.1/32] }\n\
             session: { lifetime: 1h, idle: 5m }\n\
             log: { format: human }\n\
             providers:\n\
             - { id: my-kc, kind: oidc, issuer: https://kc.example.com/, client_id: x, client_secret_file: /nowhere }\n",
        )
        .unwrap();
    assert_eq!(config.server.listen.port(), 1);
    assert_eq!(
        config.server.trusted_proxies,
        ["10.0.0.0/8".parse().unwrap(), "192.168.1.9/32".parse().unwrap()]
    );
    assert_eq!(config.session.lifetime, Duration::from_secs(7200));
    assert_eq!(config.session.idle, Some(Duration::from_secs(300)));
    assert!(config.forward_auth.strip_credentials);
    assert_eq!(config.log, LogFormat::Human, "an empty variable is unset");
    assert_eq!(config.providers[0].client_secret.as_ref().unwrap().expose_secret(), "from-env");
    assert_eq!(config.providers[0].issuer, "https://kc.example.com/", "as written, slash and all");
}

#[test]
fn a_provider_can_come_from_the_environment_alone() {
    let config = env(&[
        ("DOORWARD_SERVER_EXTERNAL_URL", "http://localhost:8000"),
        ("DOORWARD_PROVIDERS_IDP_KIND", "oidc"),
        ("DOORWARD_PROVIDERS_IDP_ISSUER", "http://127.0.0.1:9090"),
        ("DOORWARD_PROVIDERS_IDP_CLIENT_ID", "doorward"),
        ("DOORWARD_PROVIDERS_IDP_SCOPES", "openid,email"),
        ("DOORWARD_PROVIDERS_UNUSED_CLIENT_ID", ""),
    ])
    .load()
    .unwrap();
    assert_eq!(config.providers.len(), 1);
    assert_eq!(config.providers[0].scopes, ["openid", "email"]);
    assert_eq!(config.providers[0].label, "idp");
}

#[test]
fn every_key_has_a_variable() {
    for (section, keys) in SECTIONS {
        for (key, _) in *keys {
            // A value that no key takes: what matters is that the variable is known and the key named.
            let name = variable(section, key);
            let all = env(&[(&name, "\u{1}")]).load();
            let text = faults(all).join("\n");
            assert!(!text.contains("not a known variable"), "{name}: {text}");
        }
    }
    for (key, _) in PROVIDER.iter().skip(1) {
        let name = variable("providers.some-idp", key);
        let text = faults(env(&[(&name, "\u{1}")]).load()).join("\n");
        assert!(
            !text.contains("not a known variable") && text.contains("`providers.some-idp."),
            "{name}: {text}"
        );
    }
}

#[test]
fn strangers_are_all_reported_with_line_and_suggestion() {
    let setup = env(&[("DOORWARD_SESION_LIFETIME", "1h"), ("DOORWARD_PROVIDERS_GOOGLE_COLOUR", "red")]);
    let all = faults(setup.load_with(
        "servr: {}\nsession:\n  lifetme: 8h\n  idle: 1h\nlifetime: 8h\nprovider: []\n\
         providers:\n- id: kc\n  kind: oidc\n  client_idd: x\n  zzzzzzzz: 1\n",
    ));
    let expect = [
        "`servr` (doorward.yaml:1): is not a known key; did you mean `server`?",
        "`session.lifetme` (doorward.yaml:3): is not a known key; did you mean `lifetime`?",
        "`lifetime` (doorward.yaml:5): is not a known key; did you mean `session.lifetime`?",
        "`provider` (doorward.yaml:6): is not a known key; did you mean `providers`?",
        "`providers.kc.client_idd` (doorward.yaml:10): is not a known key; did you mean `client_id`?",
        "`providers.kc.zzzzzzzz` (doorward.yaml:11): is not a known key",
        "`DOORWARD_SESION_LIFETIME`: is not a known variable; did you mean `DOORWARD_SESSION_LIFETIME`?",
    ];
    for line in expect {
        assert!(all.iter().any(|fault| fault == line), "{line}\nnot in {all:#?}");
    }
    assert!(all.iter().any(|f| f.contains("`DOORWARD_PROVIDERS_GOOGLE_COLOUR`")), "{all:#?}");
    assert!(
        all.iter().any(|f| f.contains("`providers.kc.issuer` (doorward.yaml:8): is missing")),
        "{all:#?}"
    );
}

#[test]
fn service_links_are_not_settings() {
    let links = [
        ("DOORWARD_SERVICE_HOST", "10.96.0.7"),
        ("DOORWARD_SERVICE_PORT", "8000"),
        ("DOORWARD_SERVICE_PORT_HTTP", "8000"),
        ("DOORWARD_PORT", "tcp://10.96.0.7:8000"),
        ("DOORWARD_PORT_8000_TCP", "tcp://10.96.0.7:8000"),
        ("DOORWARD_PORT_8000_TCP_PROTO", "tcp"),
        ("DOORWARD_PORT_8000_TCP_PORT", "8000"),
        ("DOORWARD_PORT_8000_TCP_ADDR", "10.96.0.7"),
        ("REDIS_PORT", "tcp://10.96.0.8:6379"),
    ];
    assert!(env(&links).load_with("").is_ok());
    assert_eq!(faults(env(&[("DOORWARD_PORT", "8000")]).load_with("")).len(), 1);
}

#[test]
fn shapes_are_checked() {
    let cases = [
        ("server: 5\n", "`server` (doorward.yaml:1): must be a map"),
        ("- a\n", "must be a map of sections"),
        ("providers: { google: {} }\n", "`providers` (doorward.yaml:1): must be a list"),
        ("providers: [google]\n", "`providers[0]` (doorward.yaml:1): must be a map"),
        (
            "login: { return_hosts: app.example.com }\n",
            "`login.return_hosts` (doorward.yaml:1): must be a list",
        ),
        ("login: { return_hosts: [5] }\n", "must be a list of texts"),
        ("forward_auth: { strip_credentials: \"yes\" }\n", "must be `true` or `false`"),
        ("pages: { name: 5 }\n", "`pages.name` (doorward.yaml:1): must be text; put the value in quotes"),
        ("pages: { name: [a] }\n", "must be a single value"),
        ("pages: { name: \"\" }\n", "`pages.name` (doorward.yaml:1): is empty"),
        ("session: { lifetime: 1h, lifetime: 2h }\n", "is not readable as YAML"),
        ("server: [\n", "is not readable as YAML"),
    ];
    for (yaml, expect) in cases {
        let line = faults(load(yaml)).remove(0);
        assert!(line.contains(expect), "{yaml}: {line}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let line = faults(Config::load(Some(Path::new("/nowhere/doorward.yaml")), &BTreeMap::new())).remove(0);
    assert!(line.starts_with("`/nowhere/doorward.yaml`: cannot be read"), "{line}");
}

#[test]
fn every_single_value_is_checked() {
    let cases = [
        ("server: { listen: \"8000\" }", "`server.listen`", "0.0.0.0:8000"),
        ("server: { external_url: auth.example.com }", "`server.external_url`", "must be an origin"),
        ("server: { external_url: \"ftp://a.example.com\" }", "`server.external_url`", "must be an origin"),
        ("server: { external_url: \"https:/a.example.com\" }", "`server.external_url`", "must be an origin"),
        (
            "server: { external_url: \"https:///a.example.com\" }",
            "`server.external_url`",
            "must be an origin",
        ),
        (
            "server: { external_url: \"https://a.example.com\\\\x\" }",
            "`server.external_url`",
            "must be an origin",
        ),
        (
            "server: { external_url: \"https://a.example.com./\" }",
            "`server.external_url`",
            "must be an origin",
        ),
        ("server: { external_url: \"https://a.example.com/x\" }", "`server.external_url`", "no path"),
        ("server: { external_url: \"https://a.example.com?x\" }", "`server.external_url`", "query"),
        ("server: { external_url: \"https://a.example.com/#\" }", "`server.external_url`", "no path"),
        ("server: { external_url: \"https://me@a.example.com\" }", "`server.external_url`", "user name"),
        (
            "server: { external_url: http://a.example.com }",
            "`server.external_url`",
            "insecure_http_external_url",
        ),
        ("server: { base_path: rbac }", "`server.base_path`", "no prefix"),
        ("server: { base_path: / }", "`server.base_path`", "no prefix"),
        ("server: { base_path: /rbac/ }", "`server.base_path`", "no prefix"),
        ("server: { base_path: /a/../b }", "`server.base_path`", "no prefix"),
        ("server: { base_path: \"/a b\" }", "`server.base_path`", "no prefix"),
        ("server: { base_path: /auth/x }", "`server.base_path`", "is taken"),
        ("server: { trusted_proxies: [nginx] }", "`server.trusted_proxies`", "no network"),
        ("server: { trusted_proxies: [0.0.0.0/0] }", "`server.trusted_proxies`", "insecure_trust_everyone"),
        (
            "server: { trusted_proxies: [0.0.0.0/1, 128.0.0.0/1] }",
            "`server.trusted_proxies`",
            "trusts everyone",
        ),
        ("server: { trusted_proxies: [10.0.0.0/7] }", "`server.trusted_proxies`", "trusts everyone"),
        ("server: { trusted_proxies: [\"::/0\"] }", "`server.trusted_proxies`", "trusts everyone"),
        ("server: { trusted_proxies: [\"2000::/15\"] }", "`server.trusted_proxies`", "trusts everyone"),
        ("server: { trusted_proxies: [\"::ffff:0:0/96\"] }", "`server.trusted_proxies`", "trusts everyone"),
        ("ops: { listen: nine }", "`ops.listen`", "no address"),
        ("session: { lifetime: 8 hours }", "`session.lifetime`", "no length of time"),
        ("session: { lifetime: 30 }", "`session.lifetime`", "no length of time"),
        ("session: { lifetime: 0 }", "`session.lifetime`", "at least `1s`"),
        ("session: { lifetime: 401d }", "`session.lifetime`", "at most `400d`"),
        ("session: { idle: 1h1h }", "`session.idle`", "no length of time"),
        ("session: { store_grace: -1s }", "`session.store_grace`", "no length of time"),
        ("session: { keys: [] }", "`session.keys`", "has no key"),
        ("session: { keys: [\"?\"] }", "`session.keys`", "key 1 is not base64"),
        ("session: { keys_file: /nowhere }", "`session.keys_file`", "cannot read"),
        ("login: { return_hosts: [\"*\"] }", "`login.return_hosts`", "anywhere"),
        ("login: { return_hosts: [\"*.com\"] }", "`login.return_hosts`", "too much"),
        ("login: { return_hosts: [\"*.10.0.0.1\"] }", "`login.return_hosts`", "too much"),
        ("login: { return_hosts: [\"https://app.example.com\"] }", "`login.return_hosts`", "no host"),
        ("login: { return_hosts: [\"app.example.com/x\"] }", "`login.return_hosts`", "no host"),
        ("login: { return_hosts: [\"app.example.com:0\"] }", "`login.return_hosts`", "no host"),
        ("login: { return_hosts: [\"app.example.com:+80\"] }", "`login.return_hosts`", "no host"),
        ("login: { return_hosts: [\"a.*.example.com\"] }", "`login.return_hosts`", "no host"),
        ("login: { return_hosts: [\"me@example.com\"] }", "`login.return_hosts`", "no host"),
        ("policy: { file: /nowhere }", "`policy.file`", "cannot read"),
        ("policy: { file: / }", "`policy.file`", "is no file"),
        ("policy: { public: [docs] }", "`policy.public`", "does not start with"),
        ("policy: { public: [/a/../b] }", "`policy.public`", "dot segment"),
        ("policy: { public: [/a//b] }", "`policy.public`", "empty or a dot"),
        ("policy: { public: [\"/docs/*\"] }", "`policy.public`", "wildcard"),
        ("policy: { public: [\"/a%2e\"] }", "`policy.public`", "character"),
        ("store: { url: \"postgres://x\" }", "`store.url`", "no known store"),
        ("store: { url: \"sqlite:\" }", "`store.url`", "path of a file"),
        ("store: { url: \"sqlite::memory:\" }", "`store.url`", "path of a file"),
        ("store: { url: \"sqlite:///x\" }", "`store.url`", "path of a file"),
        ("forward_auth: { user_header_format: xml }", "`forward_auth.user_header_format`", "`plain`, `json`"),
        ("audit: { decisions: some }", "`audit.decisions`", "`all`, `denied`, `sampled`"),
        ("pages: { name: \"a\\nb\" }", "`pages.name`", "one line"),
        ("pages: { accent: red }", "`pages.accent`", "no colour"),
        ("pages: { logo_file: /nowhere.svg }", "`pages.logo_file`", "cannot read"),
        ("pages: { support_url: \"javascript:alert(1)\" }", "`pages.support_url`", "mailto:"),
        ("pages: { templates_dir: /nowhere }", "`pages.templates_dir`", "cannot read the folder"),
        ("log: { format: xml }", "`log.format`", "`json`, `human`"),
    ];
    for (yaml, key, expect) in cases {
        let line = fault(yaml);
        assert!(line.starts_with(key), "{yaml}: {line}");
        assert!(line.contains("(doorward.yaml:1)") && line.contains(expect), "{yaml}: {line}");
    }
}

#[test]
fn what_may_be_set_can_be_set() {
    let config = load(
        "data_dir: state\n\
         server: { external_url: \"http://10.0.0.1:8000\", insecure_http_external_url: true,\n\
         \x20 trusted_proxies: [0.0.0.0/0, \"::ffff:10.9.8.7/104\"], insecure_trust_everyone: true }\n\
         ops: { listen: null }\n\
         session: { lifetime: 1h30m, idle: 0, store_grace: 500ms }\n\
         login: { return_hosts: [App.Example.com, \"localhost:8080\", \"*.Bücher.example\", \"[::1]:80\"] }\n\
         policy: { public: [/] }\n\
         store: { url: \"sqlite:/srv/x.db\" }\n",
    )
    .unwrap();
    assert!(config.data_dir.is_absolute() && config.data_dir.ends_with("state"), "beside the file");
    assert_eq!(config.ops.listen, None);
    assert_eq!(config.session.lifetime, Duration::from_secs(5400));
    assert_eq!(config.session.idle, None);
    assert_eq!(config.session.store_grace, Duration::from_millis(500));
    assert_eq!(config.server.trusted_proxies[1].to_string(), "10.0.0.0/8", "mapped ranges are IPv4 ranges");
    assert_eq!(
        config.login.return_hosts,
        ["app.example.com", "localhost:8080", "*.xn--bcher-kva.example", "[::1]:80"]
    );
    assert!(matches!(&config.store, StoreUrl::Sqlite(at) if at == Path::new("/srv/x.db")));
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    assert_eq!(env(&[("DOORWARD_OPS_LISTEN", "none")]).load_with("").unwrap().ops.listen, None);
    for url in [
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://[::1]:80",
        "HTTPS://x",
        "https://a.example.com/",
    ] {
        let result = load(&format!("server: {{ external_url: \"{url}\" }}\n"));
        assert_eq!(result.is_ok(), !url.starts_with("HTTPS"), "{url}");
    }
}

#[test]
fn the_cookie_domain_is_a_parent_of_the_external_host() {
    let with = |url: &str, domain: &str| {
        load(&format!("server: {{ external_url: \"{url}\" }}\nsession: {{ cookie_domain: \"{domain}\" }}\n"))
            .map(|config| config.session.cookie_domain.unwrap())
    };
    assert_eq!(with("https://auth.example.com", ".Example.com").unwrap(), "example.com");
    assert_eq!(with("https://auth.example.com", "auth.example.com").unwrap(), "auth.example.com");
    for (url, domain) in [
        ("https://auth.example.com", "com"),
        ("https://auth.example.com", "ample.com"),
        ("https://auth.example.com", "other.com"),
        ("https://auth.example.com", "x.auth.example.com"),
        ("https://auth.example.com", "example.com."),
        ("http://localhost", "localhost"),
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://127.0.0.1", "0.0.1"),
    ] {
        let all = faults(with(url, domain).map(|_| load("").unwrap()));
        assert!(all.len() == 1 && all[0].starts_with("`session.cookie_domain`"), "{url} {domain}: {all:?}");
    }
    assert!(fault("session: { cookie_domain: example.com }").contains("`server.external_url`"));
}

#[test]
fn session_keys_are_a_ring_of_good_keys() {
    let setup = env(&[]);
    let second = KEY.replace("AAEC", "BBEC");
    setup.write("keys", &format!("# newest first\n{second}\n\n{}\r\n", KEY.trim_end_matches('=')));
    let keys = setup.load_with("session: { keys_file: keys }\n").unwrap().session.keys.unwrap();
    let keys: Vec<&str> = keys.iter().map(|key| key.expose_secret()).collect();
    assert_eq!(keys, [second.as_str(), KEY], "in order, in one form");

    let same = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let bad = [
        ("c2hvcnQ=", "has only 5 bytes"),
        (same, "is the same byte"),
        (secret::EXAMPLE_KEY, "is the example"),
        ("", ""),
    ];
    for (key, expect) in bad {
        setup.write("keys", &format!("{KEY}\n{key}\n"));
        match setup.load_with("session: { keys_file: keys }\n") {
            Ok(config) => assert!(key.is_empty() && config.session.keys.unwrap().len() == 1),
            result => {
                let all = faults(result);
                assert!(all[0].contains(&format!("key 2 {expect}")) && !all[0].contains(key), "{all:?}");
            }
        }
    }
    setup.write("keys", &format!("{KEY}\n{KEY}\n"));
    assert!(faults(setup.load_with("session: { keys_file: keys }\n"))[0].contains("key 2 is there twice"));
    setup.write("keys", "# none\n");
    assert!(faults(setup.load_with("session: { keys_file: keys }\n"))[0].contains("has no key"));
    setup.write("keys", "\n");
    assert!(faults(setup.load_with("session: { keys_file: keys }\n"))[0].contains("empty file"));
    assert!(env(&[("DOORWARD_SESSION_KEYS", KEY)]).load_with("").unwrap().session.keys.is_some());
}

#[test]
fn every_provider_fault_names_its_key() {
    let oidc = "id: kc, kind: oidc, issuer: https://kc.example.com, client_id: x";
    let github = "id: gh, kind: github, client_id: x, client_secret: y";
    let cases = [
        ("{ kind: google, client_id: x, client_secret: y }".to_owned(), "`providers[0].id`", "is missing"),
        ("{ id: G, kind: google, client_id: x, client_secret: y }".to_owned(), "`providers.G.id`", "1 to 32"),
        (format!("{{ id: {}, kind: oidc }}", "a".repeat(33)), ".id`", "1 to 32"),
        ("{ id: kc, client_id: x }".to_owned(), "`providers.kc.kind`", "is missing"),
        ("{ id: kc, kind: saml, client_id: x }".to_owned(), "`providers.kc.kind`", "is none of"),
        ("{ id: kc, kind: oidc, client_id: x }".to_owned(), "`providers.kc.issuer`", "is missing"),
        ("{ id: kc, kind: oidc, issuer: https://kc.example.com }".to_owned(), ".client_id`", "is missing"),
        ("{ id: g, kind: google, client_id: x }".to_owned(), ".client_secret`", "GOOGLE_CLIENT_SECRET"),
        ("{ id: gh, kind: github, client_id: x }".to_owned(), ".client_secret`", "is missing"),
        (
            "{ id: kc, kind: oidc, client_id: x, issuer: kc.example.com }".to_owned(),
            ".issuer`",
            "must be an address",
        ),
        (
            "{ id: kc, kind: oidc, client_id: x, issuer: \"https://a?b\" }".to_owned(),
            ".issuer`",
            "without query",
        ),
        (
            "{ id: kc, kind: oidc, client_id: x, issuer: http://kc.example.com }".to_owned(),
            ".issuer`",
            "insecure_http",
        ),
        (
            format!("{{ {oidc}, client_secret: a, client_secret_file: b }}"),
            ".client_secret`",
            "keep one of the two",
        ),
        (format!("{{ {oidc}, client_secret_file: /nowhere }}"), ".client_secret_file`", "cannot read"),
        (format!("{{ {oidc}, algorithms: [none] }}"), ".algorithms`", "unsigned"),
        (format!("{{ {oidc}, algorithms: [HS256] }}"), ".algorithms`", "client secret"),
        (format!("{{ {oidc}, algorithms: [rs256] }}"), ".algorithms`", "not known"),
        (format!("{{ {oidc}, algorithms: [] }}"), ".algorithms`", "is empty"),
        (format!("{{ {oidc}, allowed_domains: [me@example.com] }}"), ".allowed_domains`", "no domain"),
        (format!("{{ {oidc}, allowed_domains: [\"*.example.com\"] }}"), ".allowed_domains`", "no domain"),
        (format!("{{ {oidc}, allowed_domains: [\"@example.com\"] }}"), ".allowed_domains`", "no domain"),
        (format!("{{ {oidc}, endpoint_hosts: [\"https://x\"] }}"), ".endpoint_hosts`", "no host"),
        (format!("{{ {oidc}, scopes: [email] }}"), ".scopes`", "must have `openid`"),
        (format!("{{ {oidc}, scopes: [openid, \"a b\"] }}"), ".scopes`", "no scope"),
        (format!("{{ {oidc}, roles_claim: a..b }}"), ".roles_claim`", "no path of a claim"),
        (format!("{{ {oidc}, api_url: https://x }}"), ".api_url`", "github alone"),
        (format!("{{ {oidc}, label: \"a\\tb\" }}"), ".label`", "one line"),
        (format!("{{ {github}, issuer: https://github.example.com }}"), ".api_url`", "is missing"),
        (format!("{{ {github}, algorithms: [RS256] }}"), ".algorithms`", "no meaning"),
    ];
    for (entry, key, expect) in cases {
        let all = faults(load(&with_provider(&entry)));
        assert!(all.iter().any(|line| line.contains(key) && line.contains(expect)), "{entry}: {all:#?}");
    }
    let twice = with_provider(&format!("{{ {oidc} }}\n  - {{ {oidc} }}"));
    assert!(fault(&twice).starts_with("`providers.kc.id` (doorward.yaml:4): \"kc\" is taken"));
    let line = fault(&format!("providers:\n  - {{ {oidc} }}\n"));
    assert!(line.starts_with("`server.external_url`: is missing"), "{line}");
}

#[test]
fn kinds_bring_their_defaults() {
    let config = load(&with_provider(
        "{ id: gh, kind: github, client_id: x, client_secret: y }\n\
         \x20 - { id: idp, kind: google, issuer: \"http://127.0.0.1:9\", client_id: x, client_secret: y }\n\
         \x20 - { id: in, label: Inside, kind: oidc, issuer: \"http://idp:9\", insecure_http: true, client_id: x }\n",
    ))
    .unwrap();
    let [github, google, inside] = config.providers.as_slice() else { panic!("{:?}", config.providers) };
    assert_eq!((github.label.as_str(), github.issuer.as_str()), ("GitHub", "https://github.com"));
    assert_eq!(github.api_url.as_ref().unwrap().as_str(), "https://api.github.com/");
    assert_eq!(github.scopes, ["read:user", "user:email"]);
    assert_eq!(google.issuer, "http://127.0.0.1:9");
    assert_eq!((inside.label.as_str(), inside.groups_claim.as_deref()), ("Inside", None));
    assert_eq!((inside.email_verified_claim.as_str(), inside.email_optional), ("email_verified", false));
    assert!(inside.tenants.is_none());
    assert!(inside.client_secret.is_none() && inside.insecure_http);
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn a_stand_in_gives_way_to_a_real_provider() {
    let stand_in = "{ id: demo, kind: oidc, issuer: https://idp.example.com, client_id: x, stand_in: true }";
    let ids = |config: &Config| config.providers.iter().map(|p| p.id.clone()).collect::<Vec<_>>();
    let alone = load(&with_provider(stand_in)).unwrap();
    assert_eq!(ids(&alone), ["demo"]);
    assert!(alone.warnings.iter().any(|line| line.contains("may let anybody in")), "{:?}", alone.warnings);
    let google = env(&[("GOOGLE_CLIENT_ID", "x"), ("GOOGLE_CLIENT_SECRET", "y")]);
    let beside = google.load_with(&with_provider(stand_in)).unwrap();
    assert_eq!(ids(&beside), ["google"]);
    assert!(beside.warnings.iter().any(|line| line.contains("left out")), "{:?}", beside.warnings);
}

#[test]
fn faults_of_all_parts_come_at_once() {
    let setup = env(&[("DOORWARD_AUDIT_DECISIONS", "some"), ("PEPPER", "x"), ("DOORWARD_NONSENSE", "x")]);
    let result = setup.load_with(
        "server: { listen: x, external_url: x }\nsession: { lifetime: x, idle: x }\nstore: { url: x }\n\
         tokens: { max_ttl_seconds: x }\nproviders: [{ id: X, kind: y, issuer: z, client_id: c }]\n",
    );
    let keys: Vec<String> = result.unwrap_err().iter().map(|fault| fault.key().to_owned()).collect();
    assert_eq!(
        keys,
        [
            "DOORWARD_NONSENSE",
            "server.external_url",
            "server.listen",
            "providers.X.id",
            "providers.X.kind",
            "session.lifetime",
            "session.idle",
            "store.url",
            "audit.decisions",
            "tokens.pepper",
            "tokens.max_ttl_seconds"
        ]
    );
}

#[test]
fn secrets_are_never_shown() {
    let setup = env(&[("GOOGLE_CLIENT_SECRET", "S3CRET-google")]);
    setup.write("secret", "S3CRET-file\n");
    let config = setup
        .load_with(&format!(
            "{}  - {{ id: kc, kind: oidc, issuer: https://kc.example.com, client_id: x, client_secret: S3CRET-kc }}\n\
             \x20 - {{ id: gh, kind: github, client_id: x, client_secret_file: secret }}\n\
             session: {{ keys: [{KEY}] }}\n",
            with_provider("{ id: google, kind: google, client_id: x }")
        ))
        .unwrap();
    assert_eq!(config.providers[2].client_secret.as_ref().unwrap().expose_secret(), "S3CRET-file");
    let shown = format!("{config:?}");
    assert!(!shown.contains("S3CRET") && !shown.contains(KEY), "{shown}");

    // In faults: a secret in the wrong shape, the wrong place, a broken file, an address.
    for yaml in [
        "providers: [{ id: a, client_secret: [S3CRET] }]\n",
        "providers: [{ id: a, client_secrt: S3CRET }]\n",
        "providers:\n- client_secret: S3CRET\n  id: [\n",
        "providers: [{ id: a, kind: oidc, issuer: \"https://u:S3CRET@x\", api_url: \"https://u:S3CRET@x\" }]\n",
        "server: { external_url: \"https://u:S3CRET@x\" }\n",
        "session: { keys: [S3CRET] }\n",
        "session: { keys_file: S3CRET }\n",
        "providers: [{ id: a, kind: google, client_id: x, client_secret_file: S3CRET }]\n",
        "session: { keys: [UzNDUkVU] }\n",
        "store: { url: \"rediss://:S3CRET@x\" }\n",
        "providers: [{ id: a, client_secret: S3CRET, client_secret: S3CRET }]\n",
    ] {
        let text = faults(load(yaml)).join("\n");
        assert!(!text.contains("S3CRET") && !text.contains("UzNDUkVU"), "{yaml}: {text}");
    }
}

#[test]
fn secret_files_are_read_with_care() {
    let setup = env(&[]);
    let yaml = with_provider("{ id: g, kind: google, client_id: x, client_secret_file: secret }");
    for (content, expect) in
        [("", "empty file"), ("\n", "empty file"), (&*"x".repeat(70_000), "larger than 64 KiB")]
    {
        setup.write("secret", content);
        let all = faults(setup.load_with(&yaml));
        assert!(all.len() == 1 && all[0].contains(expect), "{all:?}");
    }
    fs::write(setup.path("secret"), [0xff, 0xfe]).unwrap();
    assert!(faults(setup.load_with(&yaml))[0].contains("cannot read"));

    let pair =
        env(&[("GOOGLE_CLIENT_SECRET", "a"), ("GOOGLE_CLIENT_SECRET_FILE", "b"), ("GOOGLE_CLIENT_ID", "c")]);
    assert!(faults(pair.load()).iter().any(|line| line.contains("keep one of the two")));
    let pair = env(&[("DOORWARD_SESSION_KEYS", KEY), ("DOORWARD_SESSION_KEYS_FILE", "b")]);
    assert!(faults(pair.load_with("")).iter().any(|line| line.contains("keep one of the two")));
}

#[test]
fn a_fault_stays_on_its_line() {
    let line = fault("pages: { name: \"a\\nFAULT: forged\\u2028\" }\n");
    assert!(!line.contains('\u{2028}'), "{line}");
    let line = fault("\"a\\nFAULT: forged\\u2028\": 1\n");
    assert!(line.starts_with("`a FAULT: forged `") && !line.contains('\u{2028}'), "{line}");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,200}", value in "\\PC{0,40}") {
        let mut faults = Faults::default();
        let sections = SECTIONS.iter().flat_map(|(section, keys)| keys.iter().map(|(key, _)| variable(section, key)));
        let env: BTreeMap<String, String> = sections
            .filter(|name| !name.ends_with("_FILE") && !name.ends_with("_DIR"))
            .map(|name| (name, value.clone()))
            .collect();
        let mut raw = raw::Raw::parse(Path::new("doorward.yaml"), &text, &mut faults);
        env::apply(&env, &mut raw, &mut faults);
        check::config(raw, &mut faults);
        let lines = faults.to_string().lines().count();
        proptest::prop_assert_eq!(lines, faults.len());
    }
}

#[test]
fn the_documentation_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(path).unwrap();
    let keys = SECTIONS.iter().flat_map(|(section, keys)| {
        keys.iter().map(move |(key, _)| (dotted(section, key), variable(section, key)))
    });
    for (key, variable) in keys {
        let row = format!("| `{key}` | `{variable}` |");
        assert!(text.contains(&row), "{row} is not in docs/configuration.md");
    }
    for (key, _) in PROVIDER.iter().chain(ISSUER) {
        assert!(text.contains(&format!("\n| `{key}` |")), "{key} is not in docs/configuration.md");
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = line.split('`').next().unwrap_or_default();
        let known =
            SECTIONS.iter().any(|(section, keys)| keys.iter().any(|(key, _)| dotted(section, key) == name))
                || PROVIDER.iter().chain(ISSUER).any(|(key, _)| *key == name)
                || [
                    "GOOGLE_CLIENT_ID",
                    "GOOGLE_CLIENT_SECRET",
                    "KEYCLOAK_DISCOVERY_URL",
                    "KEYCLOAK_URL",
                    "KEYCLOAK_REALM",
                    "KEYCLOAK_AUDIENCE",
                    "ROLE_MAPPING_FILE",
                    "PEPPER",
                    "REDIS_HOST",
                    "REDIS_PORT",
                    "REDIS_DB",
                    "REDIS_USERNAME",
                    "REDIS_PASSWORD",
                    "REDIS_TLS",
                    "REDIS_TLS_SKIP_VERIFY",
                    "ADMIN_USER",
                    "ADMIN_PASS",
                    "TOKEN_TTL_SECONDS",
                    "RATE_LIMIT_WINDOW_SEC",
                    "RATE_LIMIT_MAX",
                    "DOORWARD_CONFIG",
                    "LISTEN_FDS",
                    "NOTIFY_SOCKET",
                    "JOURNAL_STREAM",
                    "RUST_LOG",
                ]
                .contains(&name);
        assert!(known, "docs/configuration.md has `{name}`, which is no key");
    }
}

#[test]
fn the_documented_example_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(path).unwrap();
    let yaml = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let setup = env(&[]);
    for name in ["google.secret", "keycloak.secret", "policy.yaml"] {
        setup.write(name, "x");
    }
    setup.write("session.keys", KEY);
    let config = setup.load_with(yaml).unwrap();
    assert_eq!(config.providers.len(), 2);
}
