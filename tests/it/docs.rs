//! The documentation, held against itself and against the program: links lead somewhere, and what is named exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
