//! A process that is killed while it makes tokens: every one that it acknowledged is there.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use doorward::config::{RedisUrl, StoreUrl};
use doorward::store::token::{TokenDigest, TokenRecord};
use doorward::store::{self, RecordKeys, Store};

use super::tokens::plain;
use super::{NOW, at};
use crate::support::redis::Redis;

/// Says to [`the_one_that_is_killed`] where to write.
const PLACE: &str = "DOORWARD_TEST_PLACE";
/// Tokens that it would make, and after how many it is killed.
const ALL: u16 = 1000;
const ENOUGH: usize = 300;

async fn open(place: &str) -> Arc<dyn Store> {
    let url = match place.strip_prefix("sqlite:") {
        Some(path) => StoreUrl::Sqlite(path.into()),
        None => StoreUrl::Redis(Box::new(RedisUrl::parse(place).unwrap())),
    };
    store::open(&url, std::path::Path::new("/nowhere"), &RecordKeys::new([[7; 32]])).await.unwrap()
}

fn name(n: u16) -> TokenDigest {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    TokenDigest::new(bytes)
}

/// Only with a place does it do anything: [`killed`] runs this test in a process of its own.
#[tokio::test]
async fn the_one_that_is_killed() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let store = open(&place).await;
    for n in 0..ALL {
        store.put_token(&TokenRecord { digest: name(n), ..plain(1) }).await.unwrap();
        println!("\nmade {n}");
    }
}

async fn killed(place: &str) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_contract::crash::the_one_that_is_killed", "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut made = Vec::new();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    for line in lines {
        let Some(n) = line.strip_prefix("made ") else { continue };
        made.push(n.parse::<u16>().unwrap());
        if made.len() == ENOUGH {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!((ENOUGH..usize::from(ALL)).contains(&made.len()), "{}", made.len());
    let store = open(place).await;
    for n in made {
        assert!(store.token(&name(n), NOW).await.unwrap().is_some(), "{n} was acknowledged");
    }
    store.put_token(&TokenRecord { digest: name(ALL), ..plain(1) }).await.unwrap();
    assert!(store.token(&name(ALL), at(1)).await.unwrap().is_some(), "and it goes on");
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_death_of_the_gateway_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    killed(&format!("sqlite:{}", folder.path().join("doorward.db").display())).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_death_of_the_gateway_in_redis() {
    let mut redis = Redis::with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    killed(&redis.url()).await;
    // And of the server after it.
    let before: i64 = redis.by_hand(&["DBSIZE"]);
    redis.kill();
    redis.start_again();
    assert_eq!(redis.by_hand::<i64>(&["DBSIZE"]), before);
}
