//! TLS (to one server, by sentinels, to a cluster) and who is let in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use doorward::config::{RedisUrl, StoreUrl};
use doorward::store::{self, Store, StoreError};

use super::keys;
use crate::store_contract::{NOW, user_with};
use crate::support::redis::Redis;

/// An authority and a server's certificate for `127.0.0.1`, made by openssl.
pub(super) fn certificates(folder: &Path) -> PathBuf {
    let make = |words: &str| {
        let done =
            Command::new("openssl").args(words.split(' ')).current_dir(folder).output().expect("openssl");
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    make(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=authority"));
    make(&format!("req {key} -keyout server.key -out server.csr -subj /CN=redis"));
    std::fs::write(
        folder.join("ext"),
        "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
    )
    .unwrap();
    make(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile ext",
    );
    folder.join("ca.crt")
}

/// A server that speaks TLS alone, with these certificates, to other servers as well.
pub(super) fn tls_alone(folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let (cert, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let args = ["--port", "0", "--tls-port", "PORT", "--tls-auth-clients", "no", "--tls-replication", "yes"];
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    args.into_iter().chain(files).map(str::to_owned).collect()
}

pub(super) async fn open(url: &str, ca: Option<&Path>, verify: bool) -> store::Result<Arc<dyn Store>> {
    let _ = crate::support::idp::client(); // installs the process's cryptography
    let mut url = RedisUrl::parse(url).unwrap();
    if let Some(tls) = &mut url.tls {
        tls.ca_file = ca.map(Path::to_owned);
        tls.verify = verify;
    }
    store::open(&StoreUrl::Redis(Box::new(url)), Path::new("/nowhere"), &keys(&[7])).await
}

pub(super) fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

fn refusal(opened: store::Result<Arc<dyn Store>>) -> String {
    match opened {
        Err(StoreError::Unavailable(text)) => text,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was let in"),
    }
}

/// The rules for Doorward's user that `docs/store.md` gives to copy.
fn documented_rules() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/store.md")).unwrap();
    let start = text.find("ACL SETUSER doorward").expect("the line to copy");
    let rules = text[start..].split("```").next().unwrap().replace("\\\n", " ").replace('\'', "");
    rules.split_whitespace().skip(3).map(|rule| rule.replace(">PASSWORD", ">right")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_a_user_of_its_own_are_enough_and_wrong_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates(folder.path());
    let other = tempfile::tempdir().unwrap();
    let other_ca = certificates(other.path());
    let redis = Redis::with(&refs(&tls_alone(folder.path())));
    let rules = documented_rules();
    let mut words = vec!["ACL", "SETUSER", "doorward"];
    words.extend(rules.iter().map(String::as_str));
    redis.by_hand::<()>(&words);
    let url = |password: &str| format!("rediss://doorward:{password}@127.0.0.1:{}", redis.port);

    let store = open(&url("right"), Some(&ca), true).await.unwrap();
    user_with(&*store, "ada", &[1]).await;
    store.ping().await.unwrap();
    store.sweep(NOW).await.unwrap();
    open(&url("right"), None, false).await.unwrap().ping().await.unwrap();

    for refused in [
        refusal(open(&url("wr0ng"), Some(&ca), true).await),
        refusal(open(&url("right"), Some(&other_ca), true).await),
        refusal(open(&url("right"), None, true).await),
        refusal(open(&format!("rediss://127.0.0.1:{}/99", redis.port), Some(&ca), true).await),
    ] {
        assert!(!refused.contains("right") && !refused.contains("wr0ng"), "{refused}");
        assert!(refused.contains("127.0.0.1"), "{refused}");
    }
    // A user who may do nothing is refused at the start as well.
    redis.by_hand::<()>(&["ACL", "SETUSER", "nobody", "on", ">right", "~*", "+ping"]);
    let nobody = format!("rediss://nobody:right@127.0.0.1:{}", redis.port);
    assert!(refusal(open(&nobody, Some(&ca), true).await).contains("permission"));
}

/// Everything in the suite, as the user that the documentation makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_user_may_do_all_that_is_needed() {
    struct Restricted(Redis);
    #[async_trait::async_trait]
    impl crate::store_contract::Backend for Restricted {
        async fn open(&self) -> Arc<dyn Store> {
            let url = format!("redis://doorward:right@{}", self.0.address());
            open(&url, None, true).await.unwrap()
        }
    }
    let redis = Restricted(Redis::start());
    let rules = documented_rules();
    let mut words = vec!["ACL", "SETUSER", "doorward"];
    words.extend(rules.iter().map(String::as_str));
    redis.0.by_hand::<()>(&words);
    crate::store_contract::every_rule(&redis, || redis.0.by_hand::<()>(&["FLUSHALL"])).await;
    let denied: Vec<redis::Value> = redis.0.by_hand(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "{denied:?}");
}
