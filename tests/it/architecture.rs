//! The order of the modules: each uses only those before it. Read from the sources, so that it holds for every
//! line and not for what somebody remembered.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The order in which data flows; `src/lib.rs` and docs/architecture.md tell it too.
const ORDER: [&str; 11] = [
    "clock",
    "config",
    "telemetry",
    "store",
    "identity",
    "policy",
    "audit",
    "admin",
    "http",
    "server",
    "cli",
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top module that a file belongs to; `None` for `lib.rs` and `main.rs`.
fn module_of(file: &Path) -> Option<String> {
    let first = file.strip_prefix(src()).unwrap().components().next().unwrap();
    let name = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
    (name != "lib" && name != "main").then_some(name)
}

/// Every top module that a text names by `crate::…`, grouped or not, comments left out.
fn used_in(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut used = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            None => used.extend(first_word(part)),
            Some(group) => {
                let mut depth = 0_i32;
                let mut name_is_next = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => name_is_next = true,
                        c if name_is_next && c.is_ascii_alphabetic() => {
                            used.extend(first_word(&group[at..]));
                            name_is_next = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn the_scan_sees_every_spelling() {
    let text = "use crate::clock::Clock;\n// crate::cli\nuse crate::{\n    config::{self, Raw},\n    server, store};\nlet x = crate::http::routes;";
    let seen: Vec<String> = used_in(text).into_iter().collect();
    assert_eq!(seen, ["clock", "config", "http", "server", "store"]);
}

#[test]
fn every_module_uses_only_those_before_it() {
    let mut all = Vec::new();
    files(&src(), &mut all);
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let (mut wrong, mut uses) = (Vec::new(), 0);
    for file in &all {
        let Some(module) = module_of(file) else { continue };
        let own = place(&module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        for used in used_in(&fs::read_to_string(file).unwrap()) {
            // What is no module is an item at the root of the crate; there is none.
            let other = place(&used).unwrap_or_else(|| panic!("{}: what is crate::{used}?", file.display()));
            uses += usize::from(other != own);
            if other > own {
                wrong.push(format!("{}: {module} uses {used}, which comes after it", file.display()));
            }
        }
    }
    assert!(uses > 50, "the scan found only {uses} uses in {} files", all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_policy_is_pure() {
    let mut all = Vec::new();
    files(&src().join("policy"), &mut all);
    assert!(all.len() > 10);
    for file in all {
        let text = fs::read_to_string(&file).unwrap();
        let others: Vec<String> = used_in(&text).into_iter().filter(|used| used != "policy").collect();
        assert!(others.is_empty(), "{} uses {others:?}", file.display());
        for library in ["actix_web", "reqwest", "tokio::"] {
            assert!(!text.contains(library), "{} uses {library}", file.display());
        }
    }
}

#[test]
fn the_map_in_the_crate_names_every_module_in_this_order() {
    let map = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rows: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next()).collect();
    assert_eq!(rows, ORDER);
}
