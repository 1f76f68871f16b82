//! The one list of keys. The file's reader, the environment's names and the documentation's test all go by it, so a
//! key that is in one of them is in all of them.

/// What is written for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text.
    Text,
    /// Text, or a bare number (`0`, `4`).
    Number,
    /// `true` or `false`.
    Flag,
    /// A list of texts; comma separated in a variable.
    List,
    /// A path; a relative one in a file starts at the file's folder, one in a variable at the working directory.
    Path,
    /// Text that is never shown.
    Secret,
    /// A list of such.
    Secrets,
}

/// A key of a section and its shape.
pub(super) type Key = (&'static str, Shape);

use Shape::{Flag, List, Number, Path, Secret, Secrets, Text};

/// Every section with its keys; the nameless one is the top of the file.
pub(super) const SECTIONS: &[(&str, &[Key])] = &[
    ("", &[("data_dir", Path)]),
    (
        "server",
        &[
            ("listen", Text),
            ("external_url", Text),
            ("base_path", Text),
            ("workers", Number),
            ("drain", Number),
            ("trusted_proxies", List),
            ("insecure_trust_everyone", Flag),
            ("insecure_http_external_url", Flag),
        ],
    ),
    ("ops", &[("listen", Text)]),
    (
        "session",
        &[
            ("lifetime", Number),
            ("idle", Number),
            ("cookie_domain", Text),
            ("keys", Secrets),
            ("keys_file", Path),
            ("store_grace", Number),
        ],
    ),
    ("login", &[("return_hosts", List)]),
    ("policy", &[("file", Path), ("public", List)]),
    (
        "store",
        &[
            ("url", Text),
            ("username", Text),
            ("password", Secret),
            ("password_file", Path),
            ("ca_file", Path),
            ("insecure_tls_skip_verify", Flag),
            ("prefix", Text),
            ("timeout", Number),
        ],
    ),
    (
        "tokens",
        &[
            ("pepper", Secret),
            ("pepper_file", Path),
            ("previous_pepper", Secret),
            ("previous_pepper_file", Path),
            ("previous_pepper_until", Text),
            ("default_ttl_seconds", Number),
            ("max_ttl_seconds", Number),
            ("self_service", Flag),
        ],
    ),
    ("rate_limit", &[("window_sec", Number), ("max", Number), ("user_max", Number), ("failures", Number)]),
    ("admin", &[("user", Text), ("pass", Secret), ("pass_file", Path)]),
    ("forward_auth", &[("user_header_format", Text), ("strip_credentials", Flag)]),
    ("audit", &[("decisions", Text), ("file", Path), ("max_size", Number), ("keep", Number)]),
    (
        "pages",
        &[
            ("name", Text),
            ("accent", Text),
            ("logo_file", Path),
            ("support_url", Text),
            ("templates_dir", Path),
        ],
    ),
    ("log", &[("format", Text)]),
];

/// The keys of an entry of `providers`.
pub(super) const PROVIDER: &[Key] = &[
    ("id", Text),
    ("label", Text),
    ("kind", Text),
    ("issuer", Text),
    ("api_url", Text),
    ("client_id", Text),
    ("client_secret", Secret),
    ("client_secret_file", Path),
    ("scopes", List),
    ("roles_claim", Text),
    ("groups_claim", Text),
    ("email_verified_claim", Text),
    ("email_optional", Flag),
    ("allowed_domains", List),
    ("allowed_tenants", List),
    ("tenant_claim", Text),
    ("endpoint_hosts", List),
    ("algorithms", List),
    ("insecure_http", Flag),
    ("stand_in", Flag),
];

/// The keys of an entry of `bearer.issuers`.
pub(super) const ISSUER: &[Key] = &[
    ("id", Text),
    ("issuer", Text),
    ("audiences", List),
    ("roles_claims", List),
    ("groups_claim", Text),
    ("email_verified_claim", Text),
    ("algorithms", List),
    ("leeway", Number),
    ("introspection_client_id", Text),
    ("introspection_client_secret", Secret),
    ("introspection_client_secret_file", Path),
    ("endpoint_hosts", List),
    ("insecure_http", Flag),
];

/// What every variable of ours starts with.
pub(super) const PREFIX: &str = "DOORWARD_";

/// `session.lifetime`, or `data_dir` in the nameless section.
pub(super) fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// `DOORWARD_SESSION_LIFETIME`, or `DOORWARD_DATA_DIR`.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}", dotted(section, key).replace(['.', '-'], "_").to_ascii_uppercase())
}
