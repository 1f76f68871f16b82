//! A hundred thousand tokens and users: to look one up takes no longer than with a thousand, a page hardly longer, and a
//! search as much longer as there is more to look through. Times are told as ratios: machines differ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::store::page::{Page, Slice};
use doorward::store::token::{TokenDigest, TokenFilter, TokenOrder, TokenRecord};
use doorward::store::{Store, UserOrder};
use futures_util::{StreamExt as _, stream};

use super::Server;
use crate::store_contract::tokens::{LATE, plain};
use crate::store_contract::{Backend as _, at, who};

const FEW: u32 = 1_000;
const MANY: u32 = 100_000;
/// Writes at the same time.
const AT_ONCE: usize = 64;

fn token(n: u32) -> TokenRecord {
    let mut bytes = [0; 32];
    // All over the place, as digests are, and each once.
    bytes[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B1).to_be_bytes());
    TokenRecord {
        digest: TokenDigest::new(bytes),
        name: Some(format!("build {n}")),
        created_at: Some(at(u64::from(n))),
        expires_at: n.is_multiple_of(10).then(|| at(LATE + u64::from(n))),
        ..plain(1)
    }
}

/// What lists go by, as the store writes it.
const INDEX: &str = concat!(
    include_str!("../../../../src/store/redis/lua/lib.lua"),
    include_str!("../../../../src/store/redis/lua/token_index.lua")
);

/// A token in ten is ours, the others are those of another program: they are written many in one go.
async fn fill(server: &Server, store: &Arc<dyn Store>, numbers: std::ops::Range<u32>) {
    let mut hand = server.redis.hand();
    let script: String = redis::cmd("SCRIPT").arg("LOAD").arg(INDEX).query(&mut hand).unwrap();
    let foreign: Vec<u32> = numbers.clone().filter(|n| !n.is_multiple_of(10)).collect();
    for part in foreign.chunks(5_000) {
        let mut write = redis::pipe();
        for token in part.iter().map(|n| token(*n)) {
            let (digest, name) = (token.digest.to_string(), token.name.unwrap());
            let (hosts, made) = (token.hosts.join(","), token.created_at.unwrap());
            write.cmd("HSET").arg(format!("tokens:{digest}")).arg("hosts").arg(&hosts);
            write.arg("name").arg(&name).arg("created_at").arg(made.secs()).ignore();
            write.cmd("EVALSHA").arg(&script).arg(1).arg("{doorward}:tokens:entry").arg("{doorward}:");
            write.arg(digest).arg(format!(r#"{{"name":"{name}"}}"#)).arg(-made.millis()).arg("");
            write.arg(format!("{name}\n\n\n{hosts}\n")).ignore();
        }
        write.exec(&mut hand).unwrap();
    }
    stream::iter(numbers)
        .for_each_concurrent(AT_ONCE, |n| async move {
            if n.is_multiple_of(10) {
                store.put_token(&token(n)).await.unwrap();
            }
            store.sign_in(&who(&format!("user-{n}")), at(u64::from(n))).await.unwrap();
        })
        .await;
}

/// The median of several.
async fn time_of<T>(mut what: impl AsyncFnMut() -> T) -> Duration {
    let mut times = Vec::new();
    for _ in 0..7 {
        let began = Instant::now();
        what().await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[3]
}

/// What is asked of a store with so many of both: its name, how long it takes.
async fn times(store: &Arc<dyn Store>, many: u32) -> Vec<(&'static str, Duration)> {
    let slice = |offset| Slice { offset, limit: 50 };
    let far = u64::from(many) / 2;
    let page = async |filter: &TokenFilter, order, offset| {
        store.tokens(filter, order, slice(offset), at(u64::from(many))).await.unwrap()
    };
    let total = |page: &Page<TokenRecord>, expected: u32| assert_eq!(page.total, u64::from(expected));
    let all = TokenFilter::default();
    let soon = TokenFilter { ends_before: Some(at(LATE + u64::from(many))), ..TokenFilter::default() };
    let one = TokenFilter { search: format!("build {}", many - 1), ..TokenFilter::default() };
    let (orders, users) =
        ([TokenOrder::Newest, TokenOrder::Name, TokenOrder::Ends], format!("user-{}", many - 1));
    // The first list of a gateway looks for what others wrote.
    total(&page(&all, TokenOrder::Newest, 0).await, many);
    total(&page(&soon, TokenOrder::Ends, 0).await, many / 10);
    assert_eq!(page(&one, TokenOrder::Newest, 0).await.items, [TokenRecord { id: None, ..token(many - 1) }]);
    let ends: Vec<_> =
        page(&all, TokenOrder::Ends, 1).await.items.iter().map(|token| token.expires_at).collect();
    assert_eq!(ends[..2], [Some(at(LATE + 10)), Some(at(LATE + 20))]);
    vec![
        (
            "check",
            time_of(async || store.token(&token(far as u32).digest, at(1)).await.unwrap().unwrap()).await,
        ),
        ("user", time_of(async || store.users_named(&users).await.unwrap().remove(0)).await),
        (
            "first page",
            time_of(async || {
                for order in orders {
                    page(&all, order, 0).await;
                }
                store.users("", UserOrder::Email, slice(0)).await.unwrap();
                store.users("", UserOrder::LastSeen, slice(0)).await.unwrap();
            })
            .await,
        ),
        (
            "far page",
            time_of(async || {
                for order in orders {
                    page(&all, order, far).await;
                }
                store.users("", UserOrder::Email, slice(far)).await.unwrap();
            })
            .await,
        ),
        ("about to end", time_of(async || page(&soon, TokenOrder::Ends, 0).await).await),
        (
            "search",
            time_of(async || {
                page(&one, TokenOrder::Newest, 0).await;
                store.users(&users, UserOrder::Email, slice(0)).await.unwrap();
            })
            .await,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tokens_and_users_are_no_trouble() {
    let server = Server::new();
    let store = server.open().await;
    fill(&server, &store, 0..FEW).await;
    let before = times(&store, FEW).await;
    fill(&server, &store, FEW..MANY).await;
    let after = times(&store, MANY).await;
    for ((what, before), (_, after)) in before.into_iter().zip(after) {
        let ratio = after.as_secs_f64() / before.max(Duration::from_millis(2)).as_secs_f64();
        // A search looks through a hundred times as much.
        let most = if what == "search" { 200.0 } else { 10.0 };
        assert!(ratio < most, "{what}: {after:?}, {ratio:.1} times {before:?}");
    }
}
