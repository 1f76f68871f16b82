//! What only the shared store promises: about records that others write, about keys, and about servers that hang, are
//! away, or are not what they should be.

mod cluster;
mod many;
mod sentinel;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::clock::{Clock as _, SystemClock};
use doorward::config::{RedisUrl, StoreUrl};
use doorward::store::rate::Limit;
use doorward::store::token::{TokenDigest, TokenOrder, TokenRecord};
use doorward::store::{self, Change, RecordKeys, Result, SessionRecord, Store, StoreError};
use tokio::sync::mpsc::Receiver;

use super::tokens::{digest, digests, plain, search, whole};
use super::{Backend, NOW, at, embedded, first, session, sid, told_until, user_with, who};
use crate::support::redis::Redis;

/// An empty server, with any number of stores on it.
pub(super) struct Server {
    redis: Redis,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { redis: Redis::start() }
    }
}

#[async_trait::async_trait]
impl Backend for Server {
    async fn open(&self) -> Arc<dyn Store> {
        open(&self.redis.url()).await.unwrap()
    }
}

/// The keys that records are signed with.
fn keys(seeds: &[u8]) -> RecordKeys {
    RecordKeys::new(seeds.iter().map(|seed| [*seed; 32]))
}

async fn open_with(url: &str, seeds: &[u8]) -> Result<Arc<dyn Store>> {
    let _ = crate::support::idp::client(); // installs the process's cryptography
    let url = StoreUrl::Redis(Box::new(RedisUrl::parse(url).unwrap()));
    store::open(&url, std::path::Path::new("/nowhere"), &keys(seeds)).await
}

async fn open(url: &str) -> Result<Arc<dyn Store>> {
    open_with(url, &[7]).await
}

fn is_corrupt<T: std::fmt::Debug>(answer: &Result<T>) -> bool {
    matches!(answer, Err(StoreError::Corrupt(_)))
}

async fn next(changes: &mut Receiver<Change>) -> Change {
    tokio::time::timeout(Duration::from_secs(5), changes.recv()).await.unwrap().unwrap()
}

/// Asks until it answers, within the five seconds that a recovery may take.
async fn until_well(store: &dyn Store) {
    let begun = Instant::now();
    while let Err(error) = store.ping().await {
        assert!(begun.elapsed() < Duration::from_secs(5), "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn user_key(id: &str) -> String {
    format!("{{doorward}}:user:{id}")
}

fn session_key(n: u32) -> String {
    format!("{{doorward}}:session:{}", sid(n).as_str())
}

fn token_key(n: u8) -> String {
    format!("tokens:{}", digest(n))
}

/// Whoever can write to Redis makes nobody, and gives nobody anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_was_not_signed_so_is_corrupt() {
    let server = Server::new();
    let store = server.open().await;
    let poison = |words: &[&str]| server.redis.by_hand::<redis::Value>(words);
    user_with(&*store, "ada", &[1, 2]).await;
    user_with(&*store, "root", &[3]).await;
    store.grant("root", "doorward-admin").await.unwrap();
    let (ada, root) = (user_key("ada"), user_key("root"));

    let tampered: &[&[&str]] = &[
        &["HSET", &ada, "granted", r#"["doorward-admin"]"#],
        &["HSET", &ada, "email", "root@example.com"],
        &["HSET", &ada, "disabled", "2"],
        &["HDEL", &ada, "email"],
        &["HDEL", &ada, "mac"],
        &["HSET", &ada, "mac", "AAAA"],
        &["HSET", &ada, "name", "\u{0}"],
        &["COPY", &root, &ada, "REPLACE"],
        &["SET", &ada, "{}"],
        &["RPUSH", &ada, "x"],
    ];
    let good: Vec<u8> = server.redis.by_hand(&["DUMP", &ada]);
    let restore = |key: &str, dump: &[u8]| {
        let mut hand = server.redis.hand();
        redis::cmd("RESTORE").arg(key).arg(0).arg(dump).arg("REPLACE").exec(&mut hand).unwrap();
    };
    for words in tampered {
        if words[0] == "RPUSH" {
            poison(&["DEL", &ada]);
        }
        poison(words);
        assert!(is_corrupt(&store.user("ada").await), "{words:?}");
        assert!(is_corrupt(&store.sign_in(&who("ada"), at(1)).await), "{words:?}");
        assert!(is_corrupt(&store.grant("ada", "x").await), "{words:?}");
        let listed = store.users("", super::UserOrder::Email, first(9)).await.unwrap();
        assert_eq!(listed.items.len(), 1, "the others are still listed: {words:?}");
        restore(&ada, &good);
        assert_eq!(store.user("ada").await.unwrap().unwrap().id, "ada");
    }

    let (one, two) = (session_key(1), session_key(2));
    let good: Vec<u8> = server.redis.by_hand(&["DUMP", &one]);
    let tampered: &[&[&str]] = &[
        &["HSET", &one, "user_id", "root"],
        &["HSET", &one, "expires_at", "253402300799000"],
        &["HDEL", &one, "mac"],
        &["HSET", &one, "agent", "other"],
        &["COPY", &session_key(3), &one, "REPLACE"],
        &["COPY", &two, &one, "REPLACE"],
        &["SET", &one, "{}"],
        &["SET", &one, ""],
    ];
    for words in tampered {
        poison(words);
        assert!(is_corrupt(&store.session(&sid(1), at(5)).await), "{words:?}");
        let listed = store.sessions("", first(9), at(5)).await.unwrap();
        assert_eq!(listed.items.len(), 2, "{words:?}");
        restore(&one, &good);
    }
    poison(&["SET", &one, "{}"]);
    assert!(store.end_session(&sid(1)).await.unwrap(), "what cannot be read can be ended");
    assert_eq!(store.session(&sid(1), at(5)).await.unwrap(), None);

    store.put_token(&whole(1)).await.unwrap();
    store.put_token(&plain(2)).await.unwrap();
    let (one, two) = (token_key(1), token_key(2));
    let good: Vec<u8> = server.redis.by_hand(&["DUMP", &one]);
    let tampered: &[&[&str]] = &[
        &["HSET", &one, "hosts", "*"],
        &["HSET", &one, "roles", "doorward-admin"],
        &["HSET", &one, "vested", "reader,writer"],
        &["HSET", &one, "expires_at", "253402300799"],
        &["HDEL", &one, "owner"],
        &["HDEL", &one, "mac"],
        &["COPY", &two, &one, "REPLACE"],
        &["SET", &one, "*"],
    ];
    for words in tampered {
        poison(words);
        assert!(is_corrupt(&store.token(&digest(1), at(5)).await), "{words:?}");
        let listed = search(&*store, "", None, TokenOrder::Newest, first(9)).await;
        assert_eq!(digests(&listed), [2], "{words:?}");
        restore(&one, &good);
    }
    poison(&["HSET", &token_key(3), "hosts", "*", "scopes", "admin"]);
    assert!(is_corrupt(&store.token(&digest(3), at(5)).await), "nobody signed those scopes");
}

/// Hashes of other programs: `tokens:HEX` with the field `hosts`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_other_programs_are_read_listed_and_revoked() {
    let server = Server::new();
    let store = server.open().await;
    let mut changes = store.changes();
    let hand = |words: &[&str]| server.redis.by_hand::<redis::Value>(words);
    let now = SystemClock.now();
    hand(&["HSET", &token_key(1), "hosts", "a.example.com, *.b.example.com"]);
    told_until(&mut changes, &Change::Token(digest(1))).await;
    let found = store.token(&digest(1), now).await.unwrap().unwrap();
    assert_eq!(found.hosts, ["a.example.com", "*.b.example.com"]);
    assert_eq!((found.roles.len(), found.scopes.len(), found.owner), (0, 0, None));
    assert_eq!((found.created_at, found.expires_at, found.id), (None, None, None));

    hand(&[
        "HSET",
        &token_key(2),
        "hosts",
        "",
        "email",
        "ops@example.com",
        "comment",
        "build",
        "created_at",
        "1799990000",
        "roles",
        "",
        "whatever",
        "else",
        "id",
        "0000000000000000",
    ]);
    hand(&["PEXPIRE", &token_key(2), "100000"]);
    let found = store.token(&digest(2), now).await.unwrap().unwrap();
    assert_eq!((found.email.as_deref(), found.hosts.len()), (Some("ops@example.com"), 0), "nowhere");
    assert_eq!(found.created_at.unwrap().secs(), 1_799_990_000);
    assert_eq!(found.id, None, "an id is believed from nobody else");
    let left = found.expires_at.unwrap().since(now);
    assert!((99..=100).contains(&left.as_secs()), "{left:?}");

    // What is no hash, or no token's name, is of no interest.
    hand(&["SET", "tokens:index", "x"]);
    hand(&["HSET", "tokens:nothing", "hosts", "*"]);
    store.put_token(&plain(3)).await.unwrap();
    let listed = |text: &'static str| {
        let store = Arc::clone(&store);
        async move {
            let page = store
                .tokens(
                    &doorward::store::token::TokenFilter { search: text.into(), ..Default::default() },
                    TokenOrder::Newest,
                    first(9),
                    now,
                )
                .await
                .unwrap();
            assert_eq!(page.total, page.items.len() as u64);
            digests(&page)
        }
    };
    assert_eq!(listed("").await, [3, 2, 1]);
    assert_eq!(listed("BUILD").await, [2]);
    assert_eq!(listed("b.example").await, [1]);

    // The next one, and one that goes, are seen by who listens and by who does not.
    hand(&["HSET", &token_key(4), "hosts", "late.example.com"]);
    hand(&["DEL", &token_key(1)]);
    told_until(&mut changes, &Change::Token(digest(1))).await;
    assert_eq!(listed("").await, [3, 2, 4]);
    let fresh = server.open().await;
    assert_eq!(digests(&search(&*fresh, "late", None, TokenOrder::Name, first(9)).await), [4]);

    // A new pepper: signed from then on, with an id; what others wrote beside, and the end, stay.
    assert!(store.redigest_token(&digest(2), &digest(5)).await.unwrap());
    let moved = store.token(&digest(5), now).await.unwrap().unwrap();
    assert_eq!((moved.id, moved.email.as_deref()), (Some(digest(2).id()), Some("ops@example.com")));
    assert!((99..=100).contains(&moved.expires_at.unwrap().since(now).as_secs()));
    let beside: String = server.redis.by_hand(&["HGET", &token_key(5), "whatever"]);
    assert_eq!(beside, "else");

    assert!(store.revoke_token(&digest(4)).await.unwrap());
    let there: i64 = server.redis.by_hand(&["EXISTS", &token_key(4)]);
    assert_eq!((there, listed("").await), (0, vec![3, 5]));

    // Time runs out in Redis.
    hand(&["PEXPIRE", &token_key(3), "50"]);
    told_until(&mut changes, &Change::Token(digest(3))).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(store.token(&digest(3), now).await.unwrap(), None);
    assert_eq!(listed("").await, [5]);
    hand(&["FLUSHALL"]);
    told_until(&mut changes, &Change::Everything).await;
    assert_eq!(listed("").await, [0_u8; 0]);
}

/// A key's time to live that another program cuts short counts for our tokens too; what it adds does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ends_a_token_sooner_and_never_later() {
    let server = Server::new();
    let store = server.open().await;
    let now = SystemClock.now();
    let end = now.plus(Duration::from_secs(3600));
    store.put_token(&TokenRecord { expires_at: Some(end), ..plain(1) }).await.unwrap();
    let left: i64 = server.redis.by_hand(&["PTTL", &token_key(1)]);
    assert!((3_590_000..=3_600_000).contains(&left), "{left}");
    let ends = || async { store.token(&digest(1), now).await.unwrap().unwrap().expires_at.unwrap() };
    assert_eq!(ends().await, end);
    server.redis.by_hand::<i64>(&["EXPIRE", &token_key(1), "600"]);
    assert!(ends().await.since(now).as_secs() <= 600);
    server.redis.by_hand::<i64>(&["EXPIRE", &token_key(1), "999999"]);
    assert_eq!(ends().await, end);
    server.redis.by_hand::<i64>(&["PERSIST", &token_key(1)]);
    assert_eq!(ends().await, end);
}

/// Session keys are changed: nobody loses anything while the old one is still in the ring, and after the sweep it may
/// go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_can_be_changed_and_other_keys_are_refused() {
    let server = Server::new();
    let url = server.redis.url();
    let store = open_with(&url, &[1]).await.unwrap();
    user_with(&*store, "ada", &[1]).await;
    store.grant("ada", "ops").await.unwrap();
    store.put_token(&whole(1)).await.unwrap();
    let stranger = open_with(&url, &[9]).await.err().expect("refused").to_string();
    assert!(stranger.contains("session.keys_file"), "{stranger}");

    let rotated = open_with(&url, &[2, 1]).await.unwrap();
    assert_eq!(rotated.user("ada").await.unwrap().unwrap().granted, ["ops"]);
    assert!(open_with(&url, &[2]).await.is_err(), "not before everything is signed anew");
    rotated.sweep(NOW).await.unwrap();
    let new = open_with(&url, &[2]).await.unwrap();
    assert_eq!(new.user("ada").await.unwrap().unwrap().granted, ["ops"]);
    assert_eq!(new.token(&digest(1), at(1)).await.unwrap(), Some(whole(1)));
    assert!(
        is_corrupt(&new.session(&sid(1), at(5)).await),
        "the cookie of that session opens no more either"
    );
    assert!(new.users("", super::UserOrder::Email, first(9)).await.unwrap().items.len() == 1);
    assert!(open_with(&url, &[1]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_share_tokens_and_nothing_else() {
    let server = Server::new();
    let one = server.open().await;
    let mut url = RedisUrl::parse(&server.redis.url()).unwrap();
    url.prefix = "other".into();
    let url = StoreUrl::Redis(Box::new(url));
    let two = store::open(&url, std::path::Path::new("/nowhere"), &keys(&[9])).await.unwrap();
    user_with(&*one, "ada", &[1]).await;
    assert_eq!(two.user("ada").await.unwrap(), None);
    assert_eq!(two.session(&sid(1), at(5)).await.unwrap(), None);
    two.put_token(&TokenRecord { roles: Vec::new(), ..plain(1) }).await.unwrap();
    assert!(is_corrupt(&one.token(&digest(1), at(5)).await), "signed by others");
    let names: Vec<String> = server.redis.by_hand(&["KEYS", "*"]);
    let fine = |name: &String| ["{doorward}:", "{other}:", "tokens:"].iter().any(|p| name.starts_with(p));
    assert!(names.iter().all(fine), "{names:?}");
}

/// Buckets are shared, by the same arithmetic as in the process, and their keys go by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_shared_and_count_as_the_embedded_ones_do() {
    let server = Server::new();
    let (one, two) = (server.open().await, server.open().await);
    let file = embedded::File::new();
    let local = file.open().await;
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut now = 0;
    for n in 0..600 {
        let max = [0, 1, 7, 100][usize::try_from(draw(4)).unwrap()];
        let window = [1, 333, 1000, 60_000][usize::try_from(draw(4)).unwrap()];
        let limit = Limit { max, window: Duration::from_millis(window) };
        let bucket = format!("b{}", draw(3));
        now = if draw(10) == 0 { now - now.min(draw(500)) } else { now + draw(700) };
        let (want, at) = (u32::try_from(draw(12)).unwrap(), NOW.plus(Duration::from_millis(now)));
        let store = if n % 2 == 0 { &one } else { &two };
        let shared = store.take(&bucket, limit, want, at).await.unwrap();
        assert_eq!(shared, local.take(&bucket, limit, want, at).await.unwrap(), "step {n}: {limit:?} {want}");
    }
    let keys: Vec<String> = server.redis.by_hand(&["KEYS", "*window*"]);
    assert!(!keys.is_empty());
    for key in keys {
        assert!(server.redis.by_hand::<i64>(&["PTTL", &key]) > 0, "{key}");
    }
    let short = Limit { max: 1, window: Duration::from_millis(1) };
    one.take("short", short, 1, NOW).await.unwrap();
    let left: i64 = server.redis.by_hand(&["PTTL", "{doorward}:window:short"]);
    assert!((1..=5002).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_lost_is_silence_then_anything() {
    let server = Server::new();
    let store = server.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    let mut changes = store.changes();
    let killed: i64 = server.redis.by_hand(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert!(killed > 0);
    assert_eq!(next(&mut changes).await, Change::Silent);
    assert_eq!(next(&mut changes).await, Change::Everything);
    assert_eq!(next(&mut changes).await, Change::Telling);
    store.end_session(&sid(1)).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::Session(sid(1)));

    // A message that nobody can read could be anything.
    server.redis.by_hand::<i64>(&["PUBLISH", "{doorward}:changes", "something new"]);
    assert_eq!(next(&mut changes).await, Change::Everything);
}

/// A server that hangs: refused in time, nothing piles up, told at once, well again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs_is_refused_in_time_and_nothing_piles_up() {
    let server = Server::new();
    let store = server.open().await;
    user_with(&*store, "ada", &[1]).await;
    let mut changes = store.changes();
    let mut watcher = server.redis.hand();
    server.redis.by_hand::<()>(&["CLIENT", "PAUSE", "4000", "ALL"]);
    let begun = Instant::now();
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..400 {
        let store = Arc::clone(&store);
        asking.spawn(async move {
            tokio::time::sleep(Duration::from_millis(n * 5)).await;
            let begun = Instant::now();
            let refused = matches!(store.session(&sid(1), at(5)).await, Err(StoreError::Unavailable(_)));
            (refused, begun.elapsed())
        });
    }
    assert_eq!(next(&mut changes).await, Change::Silent);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    let answers = asking.join_all().await;
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap();
    assert!(answers.iter().all(|(refused, _)| *refused), "nobody was let in");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let at_once = answers.iter().filter(|(_, took)| *took < Duration::from_millis(50)).count();
    assert!(at_once > 200, "only {at_once} of 400 did not wait");

    assert_eq!(next(&mut changes).await, Change::Everything);
    assert_eq!(next(&mut changes).await, Change::Telling);
    until_well(&*store).await;
    let info: String = redis::cmd("INFO").arg("clients").query(&mut watcher).unwrap();
    let connected = info.lines().find_map(|line| line.strip_prefix("connected_clients:")).unwrap();
    assert!(connected.trim().parse::<u32>().unwrap() < 12, "{info}");
    assert!(store.session(&sid(1), at(5)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let mut redis = Redis::start();
    redis.kill();
    let store = open(&redis.url()).await.unwrap();
    let mut changes = store.changes();
    assert_eq!(next(&mut changes).await, Change::Silent);
    let begun = Instant::now();
    assert!(matches!(store.user("ada").await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
    redis.start_again();
    until_well(&*store).await;
    assert_eq!(next(&mut changes).await, Change::Everything);
    assert_eq!(next(&mut changes).await, Change::Telling);
    assert_eq!(store.user("ada").await.unwrap(), None);
}

/// A replica cannot be written to: not ready, and a revocation that was not made is told as that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_taken_for_a_store() {
    let master = Server::new();
    let store = master.open().await;
    store.put_token(&plain(1)).await.unwrap();
    let port = master.redis.port.to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &port]);
    let begun = Instant::now();
    while replica.by_hand::<i64>(&["EXISTS", &token_key(1)]) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let other = open(&replica.url()).await.unwrap();
    assert!(matches!(other.ping().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(other.revoke_token(&digest(1)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(other.put_token(&plain(2)).await, Err(StoreError::Unavailable(_))));
    // One that becomes a replica while it is in use.
    master.redis.by_hand::<()>(&["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    assert!(matches!(store.revoke_token(&digest(1)).await, Err(StoreError::Unavailable(_))));
    assert!(store.token(&digest(1), at(1)).await.is_err(), "what a replica says may be old");
    master.redis.by_hand::<()>(&["REPLICAOF", "NO", "ONE"]);
    until_well(&*store).await;
    assert!(store.revoke_token(&digest(1)).await.unwrap());
}

/// The server is killed and started again while tokens are made: what was acknowledged is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_death_of_the_server() {
    let mut redis = Redis::with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    let store = open(&redis.url()).await.unwrap();
    let name = |n: u16| {
        let [high, low] = n.to_be_bytes();
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&[high, low]);
        TokenDigest::new(bytes)
    };
    let making = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut made = Vec::new();
            for n in 0..1000 {
                let token = TokenRecord { digest: name(n), ..plain(1) };
                if store.put_token(&token).await.is_ok() {
                    made.push(n);
                }
            }
            made
        }
    });
    loop {
        let there: i64 = redis.by_hand(&["DBSIZE"]);
        if there > 300 {
            break;
        }
    }
    redis.kill();
    let made = making.await.unwrap();
    assert!((250..1000).contains(&made.len()), "{}", made.len());
    redis.start_again();
    until_well(&*store).await;
    for n in made {
        assert!(store.token(&name(n), at(1)).await.unwrap().is_some(), "{n} was acknowledged");
    }
}

/// A change under way in another gateway is not written over: both count.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_one_user_by_many_are_all_made() {
    let server = Server::new();
    let (one, two) = (server.open().await, server.open().await);
    user_with(&*one, "ada", &[]).await;
    let mut changing = tokio::task::JoinSet::new();
    for n in 0..6 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        changing.spawn(async move { store.grant("ada", &format!("role-{n}")).await });
    }
    let made = changing.join_all().await.into_iter().filter(|made| matches!(made, Ok(true))).count();
    assert_eq!(one.user("ada").await.unwrap().unwrap().granted.len(), made, "none was lost");
    assert!(made >= 5, "{made}");
}

/// Sessions of ended users leave nothing in the indexes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_leaves_nothing_behind() {
    let server = Server::new();
    let store = server.open().await;
    user_with(&*store, "ada", &[1, 2, 3]).await;
    store.open_session(&SessionRecord { provider_sid: None, ..session(4, "ada") }).await.unwrap();
    store.end_session(&sid(1)).await.unwrap();
    store.end_sessions_at("google", None, Some("sid-2")).await.unwrap();
    store.set_disabled("ada", true).await.unwrap();
    store.put_handover(&[1; 32], b"sealed", at(1)).await.unwrap();
    store.take_handover(&[1; 32], NOW).await.unwrap();
    store.put_token(&whole(1)).await.unwrap();
    store.revoke_token(&digest(1)).await.unwrap();
    let mut names: Vec<String> = server.redis.by_hand(&["KEYS", "*"]);
    names.sort_unstable();
    let left = ["alive", "ring", "user:ada", "users:email", "users:seen", "users:text"];
    assert_eq!(names, left.map(|name| format!("{{doorward}}:{name}")));
}
