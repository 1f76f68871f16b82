//! The documentation, held against itself and against the program: links lead somewhere, and what is named exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::providers::{has_section, yaml_blocks};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &Path, kind: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, kind, found);
        } else if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
}

fn all() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    files(&root().join("docs"), "md", &mut found);
    files(&root().join("deployment"), "md", &mut found);
    found
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for page in all() {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(to.exists(), "{}: {target} leads nowhere", page.display());
            if !fragment.is_empty() {
                let there = anchors(&fs::read_to_string(&to).unwrap());
                assert!(there.contains(fragment), "{}: no heading for {target}", page.display());
            }
        }
    }
    assert!(checked > 20, "only {checked} links were found");
}

/// Words in backticks that look like a key of the configuration: `session.lifetime`.
fn keys(text: &str) -> BTreeSet<String> {
    const SECTIONS: [&str; 13] = [
        "server",
        "ops",
        "session",
        "login",
        "policy",
        "store",
        "forward_auth",
        "audit",
        "pages",
        "log",
        "tokens",
        "rate_limit",
        "admin",
    ];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            let Some((section, key)) = word.split_once('.') else { return false };
            SECTIONS.contains(&section) && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn keys_that_are_named_exist() {
    let known = read("docs/configuration.md");
    let mut named = 0;
    for page in all().into_iter().filter(|page| !page.ends_with("docs/configuration.md")) {
        // `policy.yaml` and its like are files.
        let is_file = |key: &String| {
            [".yaml", ".md", ".rs", ".db", ".toml", ".log"].iter().any(|end| key.ends_with(end))
        };
        for key in keys(&fs::read_to_string(&page).unwrap()).into_iter().filter(|key| !is_file(key)) {
            named += 1;
            assert!(known.contains(&format!("| `{key}` |")), "{}: no such key: {key}", page.display());
        }
    }
    assert!(named > 15, "only {named} keys were found");
}

/// Every configuration and policy of the providers' pages, and every configuration elsewhere, is one that the program
/// takes: as it stands, but for the files that it names, which are put there.
#[test]
fn configurations_to_copy_are_taken() {
    let (mut configurations, mut policies) = (0, 0);
    for page in all().into_iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        let name = page
            .strip_prefix(root().join("docs"))
            .map_or("../README.md".into(), |name| name.display().to_string());
        let of_providers = name.starts_with("providers/");
        for (n, block) in yaml_blocks(&name).into_iter().enumerate() {
            let case = format!("{name}, block {}", n + 1);
            if block.starts_with("# ") && block.lines().next().unwrap().ends_with("'s own file") {
                continue;
            }
            if ["server", "providers", "bearer"].iter().any(|section| has_section(&block, section)) {
                configurations += 1;
                take_configuration(&block, &case);
            } else if of_providers {
                policies += 1;
                let policy = doorward::policy::Policy::parse_and_try("policy.yaml", &block);
                assert!(policy.is_ok(), "{case}: {:?}", policy.err());
            }
        }
    }
    assert!(configurations > 15 && policies > 5, "only {configurations} and {policies}");
}

/// The same for variables to copy.
#[test]
fn variables_to_copy_are_taken() {
    let mut taken = 0;
    for page in all().into_iter().filter(|page| page.parent().unwrap().ends_with("docs/providers")) {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("\n```sh\n").skip(1).map(|block| block.split("\n```").next().unwrap()) {
            let exported = block.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
            let env: std::collections::BTreeMap<String, String> =
                exported.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            if let Err(faults) = doorward::config::Config::load(None, &env) {
                panic!("{}: {faults}\n{block}", page.display());
            }
            taken += 1;
        }
    }
    assert!(taken > 0, "no variables were found");
}

fn take_configuration(block: &str, case: &str) {
    let folder = tempfile::TempDir::new().unwrap();
    let mut yaml = String::new();
    if !block.contains("external_url:") {
        yaml.push_str("server: { external_url: https://auth.example.com }\n");
    }
    // Secrets are in files, and a policy is: there must be some.
    let block = block.replace("/run/secrets/", "");
    for word in block.split([' ', '\n', ',', '}']).filter(|word| !word.contains('/')) {
        let text = match word.rsplit_once(['.', '_']) {
            Some((_, "secret")) => "a secret of the documentation's",
            Some((_, "keys")) => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            Some((_, "yaml")) => "default: authenticated",
            _ => continue,
        };
        fs::write(folder.path().join(word), text).unwrap();
    }
    yaml.push_str(&block);
    let file = folder.path().join("doorward.yaml");
    fs::write(&file, &yaml).unwrap();
    let config = doorward::config::Config::load(Some(&file), &std::collections::BTreeMap::new());
    if let Err(faults) = config {
        panic!("{case}: {faults}\n{yaml}");
    }
}

#[test]
fn every_identity_header_is_in_every_list_to_copy() {
    let source = read("src/http/identity_headers.rs");
    let headers: Vec<&str> = source
        .split("HeaderName::from_static(\"")
        .skip(1)
        .filter_map(|part| part.split('"').next())
        .collect();
    assert_eq!(headers.len(), 8);
    for page in [
        "README.md",
        "docs/proxies/traefik.md",
        "deployment/traefik/dynamic/doorward.yaml",
        "deployment/compose/traefik/doorward.yaml",
        "deployment/nginx/doorward.conf",
        "deployment/caddy/Caddyfile",
        "deployment/envoy/envoy.yaml",
        "deployment/kubernetes/base/traefik.yaml",
        "deployment/helm/doorward/values.yaml",
    ] {
        let text = read(page).to_lowercase();
        for header in &headers {
            assert!(text.contains(header), "{page} does not name {header}");
        }
    }
}

#[test]
fn every_outcome_and_action_is_in_the_audit_page() {
    let page = read("docs/audit.md");
    for outcome in doorward::telemetry::metrics::Outcome::ALL {
        assert!(page.contains(&format!("`{}`", outcome.as_str())), "no {}", outcome.as_str());
    }
    let mut actions = BTreeSet::new();
    let mut sources = Vec::new();
    files(&root().join("src/http"), "rs", &mut sources);
    for file in sources {
        let source = fs::read_to_string(file).unwrap();
        let calls = source.split("audit(").skip(1).filter_map(|part| part.trim_start().strip_prefix('"'));
        let events = source.split("action: \"").skip(1);
        actions.extend(calls.chain(events).filter_map(|part| part.split('"').next()).map(str::to_owned));
    }
    assert!(actions.len() >= 5, "only {actions:?}");
    let mut sources = Vec::new();
    files(&root().join("src/admin"), "rs", &mut sources);
    let before = actions.len();
    for file in sources.iter().filter(|file| !file.ends_with("tests.rs")) {
        let source = fs::read_to_string(file).unwrap();
        let about = ["token_", "role_", "user_", "session_", "sessions_"];
        let words = source.split('"').skip(1).step_by(2).filter(|word| word.ends_with("ed"));
        actions.extend(
            words.filter(|word| about.iter().any(|front| word.starts_with(front))).map(str::to_owned),
        );
    }
    assert!(actions.len() > before + 4, "only {actions:?}");
    for action in actions {
        assert!(page.contains(&format!("`{action}`")), "docs/audit.md does not name {action}");
    }
}
