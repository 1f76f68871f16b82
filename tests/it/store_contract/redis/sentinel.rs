//! One master, one replica, three sentinels, and the master dies; a smaller number of them over TLS.

use std::time::{Duration, Instant};

use doorward::store::{Change, StoreError};

use super::tls::{self, certificates, refs, tls_alone};
use super::{next, open};
use crate::store_contract::tokens::{digest, plain};
use crate::store_contract::{at, sid, user_with};
use crate::support::redis::Redis;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_follows_the_master() {
    let mut master = Redis::start();
    let port = master.port.to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &port]);
    let lines = format!(
        "sentinel monitor main 127.0.0.1 {port} 2\nsentinel down-after-milliseconds main 1000\n\
         sentinel failover-timeout main 4000\n"
    );
    let sentinels: Vec<Redis> = (0..3).map(|_| Redis::sentinel(&lines)).collect();
    let known = |sentinel: &Redis| -> bool {
        let info: String = sentinel.by_hand(&["INFO", "sentinel"]);
        info.contains("slaves=1,sentinels=3")
    };
    let begun = Instant::now();
    while !sentinels.iter().all(known) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the sentinels do not find each other");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let hosts: Vec<String> = sentinels.iter().map(Redis::address).collect();
    // One that is not there is passed over.
    let url = format!("redis+sentinel://127.0.0.1:1,{}/main", hosts.join(","));
    let store = open(&url).await.unwrap();
    let wrong = open(&url.replace("/main", "/other")).await.err().expect("no such master").to_string();
    assert!(wrong.contains("other"), "{wrong}");
    user_with(&*store, "ada", &[1, 2]).await;
    store.put_token(&plain(1)).await.unwrap();
    store.end_session(&sid(2)).await.unwrap();
    let acknowledged: i64 = master.by_hand(&["WAIT", "1", "5000"]);
    assert_eq!(acknowledged, 1);
    let mut changes = store.changes();
    while changes.try_recv().is_ok() {}

    master.kill();
    assert_eq!(next(&mut changes).await, Change::Silent);
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        match store.session(&sid(2), at(5)).await {
            Ok(found) => {
                assert_eq!(found, None, "what ended stays ended");
                break;
            }
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(30), "no failover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(store.session(&sid(1), at(5)).await.unwrap().is_some());
    assert!(store.token(&digest(1), at(5)).await.unwrap().is_some());
    assert_eq!(next(&mut changes).await, Change::Everything);
    assert_eq!(next(&mut changes).await, Change::Telling);
    store.end_session(&sid(1)).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Session(sid(1)));
    let role: Vec<redis::Value> = replica.by_hand(&["ROLE"]);
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));

    // The old master comes back as a replica: nobody goes back to it.
    master.start_again();
    let begun = Instant::now();
    loop {
        let role: Vec<redis::Value> = master.by_hand(&["ROLE"]);
        if role[0] == redis::Value::BulkString(b"slave".to_vec()) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{role:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.ping().await.unwrap();
    assert_eq!(store.session(&sid(1), at(5)).await.unwrap(), None);
}

/// Sentinels and servers that speak TLS alone: none is believed without the authority, and the store follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_follows_the_master_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates(folder.path());
    let args = tls_alone(folder.path());
    let mut master = Redis::with(&refs(&args));
    let port = master.port.to_string();
    let of_master = ["--replicaof".to_owned(), "127.0.0.1".to_owned(), port.clone()];
    let replica = Redis::with(&refs(&[args.as_slice(), &of_master].concat()));
    let settings = args.chunks(2).map(|pair| format!("{} {}\n", pair[0].trim_start_matches("--"), pair[1]));
    let lines = format!(
        "{}sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 4000\n",
        settings.collect::<String>()
    );
    let sentinel = Redis::sentinel(&lines);
    let begun = Instant::now();
    let known = || {
        let info: String = sentinel.by_hand(&["INFO", "sentinel"]);
        info.contains("status=ok") && info.contains("slaves=1")
    };
    while !known() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the sentinel does not find them");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let url = format!("rediss+sentinel://{}/main", sentinel.address());
    assert!(tls::open(&url, None, true).await.is_err(), "nobody vouches for these certificates");
    let store = tls::open(&url, Some(&ca), true).await.unwrap();
    user_with(&*store, "ada", &[1, 2]).await;
    store.put_token(&plain(1)).await.unwrap();
    store.end_session(&sid(2)).await.unwrap();
    assert_eq!(master.by_hand::<i64>(&["WAIT", "1", "5000"]), 1);

    master.kill();
    let begun = Instant::now();
    while store.ping().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no failover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let role: Vec<redis::Value> = replica.by_hand(&["ROLE"]);
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
    assert!(store.session(&sid(1), at(5)).await.unwrap().is_some());
    assert_eq!(store.session(&sid(2), at(5)).await.unwrap(), None, "what ended stays ended");
    assert!(store.token(&digest(1), at(5)).await.unwrap().is_some());
}
