//! Reloading: a good file is swapped in whole, a bad one changes nothing and is remembered.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ask;
use crate::policy::Policy;
use crate::policy::live::{LivePolicy, Reload};

const ONE: &str = "/a: [one]";
const TWO: &str = "/a: [two]";

fn may(live: &LivePolicy, who: &str) -> bool {
    ask(&live.load(), who, "GET https://a.test/a") == "allow"
}

#[test]
fn only_a_good_file_is_swapped_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    fs::write(&file, ONE).unwrap();
    let live = LivePolicy::open(&file, &[]).unwrap();
    assert!(may(&live, "one") && live.version() == 1 && live.last_fault().is_none());
    assert_eq!(live.reload_if_changed(), Reload::Unchanged);
    let failing = "tests: [{ as: anonymous, request: GET https://a.test/, expect: allow }]";
    for bad in ["", "a: [", "/a: [one]\n/b", failing] {
        fs::write(&file, bad).unwrap();
        assert!(matches!(live.reload_if_changed(), Reload::Refused(_)), "{bad}");
        assert!(may(&live, "one") && live.version() == 1);
        assert!(live.last_fault().unwrap()[0].to_string().contains("policy.yaml:"));
        // Looked at once; the fault stays.
        assert_eq!(live.reload_if_changed(), Reload::Unchanged);
        assert!(live.last_fault().is_some());
    }
    fs::write(&file, TWO).unwrap();
    assert_eq!(live.reload_if_changed(), Reload::Swapped(2));
    assert!(may(&live, "two") && !may(&live, "one") && live.last_fault().is_none());
    assert_eq!(live.reload(), Reload::Swapped(3));

    fs::remove_file(&file).unwrap();
    assert!(matches!(live.reload(), Reload::Refused(_)));
    assert!(may(&live, "two"));
    fs::write(&file, TWO).unwrap();
    // Back as it was: in force all along, and no fault any more.
    live.reload_if_changed();
    assert!(live.last_fault().is_none());
}

#[test]
fn the_configured_providers_count() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    fs::write(&file, "assign: [{ role: staff, email_domain: a.test }]").unwrap();
    assert!(LivePolicy::open(&file, &["one".to_owned()]).is_ok());
    assert!(LivePolicy::open(&file, &["one".to_owned(), "two".to_owned()]).is_err());
    assert!(LivePolicy::open(Path::new("/nonexistent/policy.yaml"), &[]).is_err());
}

#[test]
fn without_a_file_nothing_reloads() {
    let live = Arc::new(LivePolicy::fixed(Policy::open_to_signed_in(&[]).unwrap()));
    assert_eq!(live.reload(), Reload::Unchanged);
    assert!(live.watch(|_| {}).unwrap().is_none());
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(9) {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_changed_file_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    fs::write(&file, ONE).unwrap();
    let live = Arc::new(LivePolicy::open(&file, &[]).unwrap());
    let watch = live.watch(|_| {}).unwrap();
    fs::write(&file, TWO).unwrap();
    assert!(eventually(|| may(&live, "two")), "written in place");
    fs::write(directory.path().join("new"), ONE).unwrap();
    fs::rename(directory.path().join("new"), &file).unwrap();
    assert!(eventually(|| may(&live, "one")), "replaced by a rename");
    drop(watch);
}

/// As Kubernetes updates a mounted ConfigMap: `policy.yaml -> ..data/policy.yaml`, `..data -> ..v1`.
#[cfg(unix)]
#[test]
fn a_swapped_link_beside_the_file_is_noticed() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, text) in [("..v1", ONE), ("..v2", TWO)] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("policy.yaml"), text).unwrap();
    }
    symlink("..v1", at("..data")).unwrap();
    symlink("..data/policy.yaml", at("policy.yaml")).unwrap();
    let live = Arc::new(LivePolicy::open(&at("policy.yaml"), &[]).unwrap());
    let _watch = live.watch(|_| {}).unwrap();
    assert!(may(&live, "one"));
    symlink("..v2", at("..tmp")).unwrap();
    fs::rename(at("..tmp"), at("..data")).unwrap();
    assert!(eventually(|| may(&live, "two")));
}

#[test]
fn every_decision_is_by_one_policy_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    let both = |role: &str| format!("/a: [{role}]\n/b: [{role}]");
    fs::write(&file, both("one")).unwrap();
    let live = Arc::new(LivePolicy::open(&file, &[]).unwrap());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let policy = live.load();
                let at = |path: &str| ask(&policy, "one", &format!("GET https://a.test{path}"));
                assert_eq!(at("/a"), at("/b"));
            }
        });
        for round in 0..10 {
            fs::write(&file, both(if round % 2 == 0 { "two" } else { "one" })).unwrap();
            assert!(matches!(live.reload(), Reload::Swapped(_)));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}
