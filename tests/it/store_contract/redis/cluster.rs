//! Three masters with a replica each: the whole suite, and one of them dies. Three over TLS.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::store::token::{TokenDigest, TokenOrder, TokenRecord};
use doorward::store::{Change, Store, StoreError};

use super::tls::{self, certificates, refs, tls_alone};
use super::{next, open};
use crate::store_contract::tokens::{plain, search};
use crate::store_contract::{Backend, at, every_rule, first, sid, user_with};
use crate::support::redis::Redis;

struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    /// Three masters, each with so many replicas, and these arguments; `hand` are those of `redis-cli`.
    async fn start(replicas: usize, more: &[&str], hand: &[&str]) -> Self {
        let mut args = vec![
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1500",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-replica-validity-factor",
            "0",
            "--repl-ping-replica-period",
            "1",
        ];
        args.extend(more);
        let nodes: Vec<Redis> = (0..3 + 3 * replicas).map(|_| Redis::with(&args)).collect();
        let mut make = Command::new("redis-cli");
        make.args(hand).args(["--cluster", "create"]).args(nodes.iter().map(Redis::address));
        make.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let made = make.output().expect("redis-cli");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { nodes };
        let begun = Instant::now();
        while !cluster.nodes.iter().all(|node| cluster.is_whole(node)) {
            assert!(begun.elapsed() < Duration::from_secs(60), "the cluster does not come together");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        cluster
    }

    fn is_whole(&self, node: &Redis) -> bool {
        let info: String = node.by_hand(&["CLUSTER", "INFO"]);
        let replication: String = node.by_hand(&["INFO", "replication"]);
        let linked = replication.contains("role:master") || replication.contains("master_link_status:up");
        let all = format!("cluster_known_nodes:{}", self.nodes.len());
        info.contains("cluster_state:ok") && info.contains(&all) && linked
    }

    fn masters(&self) -> impl Iterator<Item = &Redis> {
        self.nodes.iter().filter(|node| {
            let replication: String = node.by_hand(&["INFO", "replication"]);
            replication.contains("role:master")
        })
    }

    fn flush(&self) {
        for master in self.masters() {
            master.by_hand::<()>(&["FLUSHALL"]);
        }
    }

    fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().take(3).map(Redis::address).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// The port of the master that holds our own keys.
    fn owner(&self) -> u16 {
        let node = self.masters().next().unwrap();
        let slot: i64 = node.by_hand(&["CLUSTER", "KEYSLOT", "{doorward}:ring"]);
        let slots: Vec<(i64, i64, (String, u16))> = {
            let all: Vec<Vec<redis::Value>> = node.by_hand(&["CLUSTER", "SLOTS"]);
            let number = |value: &redis::Value| redis::from_redis_value_ref::<i64>(value).unwrap();
            all.iter()
                .map(|range| {
                    let master = range[2].as_sequence().unwrap();
                    let host = redis::from_redis_value_ref(&master[0]).unwrap();
                    (number(&range[0]), number(&range[1]), (host, u16::try_from(number(&master[1])).unwrap()))
                })
                .collect()
        };
        slots.iter().find(|(from, to, _)| (*from..=*to).contains(&slot)).unwrap().2.1
    }
}

#[async_trait::async_trait]
impl Backend for Cluster {
    async fn open(&self) -> Arc<dyn Store> {
        open(&self.url()).await.unwrap()
    }
}

fn token(n: u8) -> TokenRecord {
    TokenRecord { digest: TokenDigest::new([n; 32]), ..plain(n) }
}

/// How a call ends while a node is away: well, or refused in time.
async fn in_time<T>(call: impl Future<Output = doorward::store::Result<T>>) -> Option<T> {
    let begun = Instant::now();
    let answer = call.await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    match answer {
        Ok(answer) => Some(answer),
        Err(StoreError::Unavailable(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_holds_to_the_rules_and_outlives_a_node() {
    let mut cluster = Cluster::start(1, &[], &[]).await;
    every_rule(&cluster, || cluster.flush()).await;
    cluster.flush();

    let store = cluster.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    for n in 0..30 {
        store.put_token(&token(n)).await.unwrap();
    }
    store.end_session(&sid(2)).await.unwrap();
    store.revoke_token(&token(29).digest).await.unwrap();
    // Other programs' tokens, wherever they are.
    let foreign = token(77).digest;
    let key = format!("tokens:{foreign}");
    let written = cluster.masters().any(|node| {
        redis::cmd("HSET").arg(&key).arg("hosts").arg("*").query::<i64>(&mut node.hand()).is_ok()
    });
    assert!(written);
    assert!(store.token(&foreign, at(1)).await.unwrap().is_some());
    for master in cluster.masters() {
        assert_eq!(master.by_hand::<i64>(&["WAIT", "1", "5000"]), 1);
    }
    let mut changes = store.changes();
    while changes.try_recv().is_ok() {}

    let owner = cluster.owner();
    let dead = cluster.nodes.iter_mut().find(|node| node.port == owner).unwrap();
    dead.kill();
    assert_eq!(next(&mut changes).await, Change::Silent);
    let begun = Instant::now();
    let (mut refused, mut back) = (0, 0);
    while back < 10 {
        assert!(begun.elapsed() < Duration::from_secs(40), "no failover: {refused} refused");
        match in_time(store.session(&sid(2), at(5))).await {
            Some(found) => {
                assert_eq!(found, None, "what ended stays ended");
                back += 1;
            }
            None => (refused, back) = (refused + 1, 0),
        }
        if let Some(found) = in_time(store.token(&token(29).digest, at(5))).await {
            assert_eq!(found, None, "what was revoked stays revoked");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refused > 0);
    assert!(store.session(&sid(1), at(5)).await.unwrap().is_some());
    assert_eq!(next(&mut changes).await, Change::Everything);
    assert_eq!(next(&mut changes).await, Change::Telling);
    let page = search(&*store, "", None, TokenOrder::Newest, first(50)).await;
    assert_eq!(page.total, 30, "29 of ours and one of another program");
    store.end_session(&sid(1)).await.unwrap();
    store.revoke_token(&foreign).await.unwrap();
    let told = [next(&mut changes).await, next(&mut changes).await];
    assert!(told.contains(&Change::Session(sid(1))) && told.contains(&Change::Token(foreign)), "{told:?}");
}

/// Nodes that speak TLS alone, to each other as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_reached_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates(folder.path());
    let mut args = tls_alone(folder.path());
    args.extend(["--tls-cluster".to_owned(), "yes".to_owned()]);
    let cluster = Cluster::start(0, &refs(&args), &["--tls", "--cacert", &ca.display().to_string()]).await;
    let url = cluster.url().replacen("redis", "rediss", 1);
    assert!(tls::open(&url, None, true).await.is_err(), "nobody vouches for these certificates");
    let (store, other) =
        (tls::open(&url, Some(&ca), true).await.unwrap(), tls::open(&url, Some(&ca), true).await.unwrap());
    let mut changes = other.changes();
    while changes.try_recv().is_ok() {}
    user_with(&*store, "ada", &[1, 2]).await;
    // So many are on every node.
    for n in 0..30 {
        store.put_token(&token(n)).await.unwrap();
    }
    let page = search(&*other, "", None, TokenOrder::Newest, first(50)).await;
    assert_eq!((page.items.len(), page.total), (30, 30));
    store.end_session(&sid(2)).await.unwrap();
    store.revoke_token(&token(7).digest).await.unwrap();
    let mut told = Vec::new();
    while !(told.contains(&Change::Session(sid(2))) && told.contains(&Change::Token(token(7).digest))) {
        told.push(next(&mut changes).await);
    }
    assert_eq!(other.token(&token(7).digest, at(1)).await.unwrap(), None);
}
