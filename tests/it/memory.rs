//! What a hundred thousand known tokens cost: the memory of a whole gateway that has all of them in its cache.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::support::{Idp, Setup};

/// Says to [`the_one_that_is_measured`] that it is meant.
const MEANT: &str = "DOORWARD_TEST_MEMORY";
const MANY: u64 = 100_000;
/// What each costs is measured between these: callers as the hot path has them are kept for the first of them alone.
const FROM: u64 = 10_000;
/// See [`FROM`].
const TO: u64 = 30_000;
/// MiB, resident.
const MOST: u64 = 150;

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn text_of(n: u64) -> String {
    format!("token-of-a-program-{n}")
}

/// In a process of its own, so that nothing of other tests counts.
#[actix_web::test]
async fn the_one_that_is_measured() {
    if std::env::var(MEANT).is_err() {
        return;
    }
    let gateway = Setup::with(Idp::shared()).start().await;
    let state = gateway.state();
    let mut file = rusqlite::Connection::open(gateway.dir.join("doorward.db")).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let transaction = file.transaction().unwrap();
    {
        let mut insert = transaction
            .prepare(
                "INSERT INTO tokens (digest, id, name, email, comment, hosts, roles, scopes, vested, created_at)
                 VALUES (?1, substr(?1, 1, 16), ?2, ?3, 'made by a test', ?4, '[\"reader\"]', '[]', '[]', 1)",
            )
            .unwrap();
        for n in 0..TO {
            let digest = state.tokens.peppers().digest(&text_of(n)).to_string();
            let name = format!("build number {n}");
            let email = format!("team-{}@example.com", n % 100);
            let hosts = format!("[\"app-{}.example.com\",\"*.apps.example.com\"]", n % 1000);
            insert.execute(rusqlite::params![digest, name, email, hosts]).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(file);
    let mut before = 0;
    let (policy, now) = (state.policy.load(), state.clock.now());
    for n in 0..TO {
        if n == FROM {
            before = resident();
        }
        let shown = state.tokens.recognise(&text_of(n), &policy, now).await;
        assert!(matches!(shown, doorward::http::tokens::Shown::Known(_)), "{n}");
    }
    println!("\nresident {before} {}", resident());
    gateway.stop().await;
}

#[test]
fn a_hundred_thousand_known_tokens_fit() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::the_one_that_is_measured", "--nocapture"])
        .env(MEANT, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told: Vec<String> = lines.filter(|line| line.starts_with("resident ")).collect();
    assert!(child.wait().unwrap().success());
    let [line] = told.as_slice() else { panic!("{told:?}") };
    let (before, after) = line.trim_start_matches("resident ").split_once(' ').unwrap();
    let (before, after): (u64, u64) = (before.parse().unwrap(), after.parse().unwrap());
    let all = after + (after - before) * (MANY - TO) / (TO - FROM);
    assert!(all < MOST, "{before} MiB with {FROM} tokens known, {after} with {TO}: {all} with {MANY}");
}
