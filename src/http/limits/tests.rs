//! Several replicas over one store that counts how often it is asked, and that can be away.

use std::net::Ipv6Addr;
use std::time::Instant;

use super::*;
use crate::store::testing::Shared;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

fn client(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const CONFIG: RateLimit = RateLimit { window: Duration::from_secs(1), max: 100, user_max: 100, failures: 20 };

fn replica(store: &Arc<Shared>, config: &RateLimit) -> Limits {
    Limits::new(config, Arc::clone(store) as Arc<dyn Store>)
}

#[tokio::test]
async fn a_user_has_the_limit_and_not_one_more() {
    let store = Arc::new(Shared::default());
    let limits = replica(&store, &CONFIG);
    let mut fine = 0;
    let mut refused = None;
    for _ in 0..1000 {
        match limits.user("ada", at(10)).await {
            None => fine += 1,
            over => refused = over,
        }
    }
    let refused = refused.unwrap();
    assert_eq!((fine, refused.whose, refused.limit.max), (100, Whose::User, 100));
    assert!(refused.again_in > Duration::ZERO && refused.again_in <= Duration::from_secs(2), "{refused:?}");
    // 16 batches of 6, one of 4, and one that said it is full: no question for the 900 beyond.
    assert_eq!(store.asked(), 18);
    assert!(limits.user("bob", at(10)).await.is_none(), "each has their own");
    // The window slides: at the time that was told there is room for one, and not for a hundred.
    let again =
        Timestamp::from_millis(at(10).millis() + i64::try_from(refused.again_in.as_millis()).unwrap());
    assert!(limits.user("ada", again).await.is_none());
    let later = (0..200).filter(|_| futures_ready(limits.user("ada", at(1500)))).count();
    assert!((30..=60).contains(&later), "{later}");
}

/// Polls once: nothing in these tests waits.
fn futures_ready(future: impl Future<Output = Option<Refused>>) -> bool {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(over) => over.is_none(),
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test]
async fn replicas_together_stay_within_the_limit_and_close_to_it() {
    let store = Arc::new(Shared::default());
    let replicas = [replica(&store, &CONFIG), replica(&store, &CONFIG), replica(&store, &CONFIG)];
    let mut windows = 0;
    let mut all = 0;
    // Ten whole windows, each asked for far more than there is, in turns.
    for window in 0..10 {
        let mut fine = 0;
        for n in 0..300 {
            let now = at(window * 1000 + n * 3);
            for limits in &replicas {
                fine += usize::from(limits.token("t1", None, now).await.is_none());
            }
        }
        assert!(fine <= 100, "{fine} in window {window}");
        all += fine;
        windows += 1;
    }
    assert!(all > 80 * windows, "{all} in {windows} windows");
}

#[tokio::test]
async fn a_tokens_own_limit_wins_and_zero_is_none() {
    let store = Arc::new(Shared::default());
    let limits = replica(&store, &CONFIG);
    for (n, own, most) in [(1, None, 100), (2, Some(7), 7), (3, Some(0), 1000), (4, Some(500), 500)] {
        let fine = (0..1000).filter(|_| futures_ready(limits.token(&n.to_string(), own, at(0)))).count();
        assert_eq!(fine, most, "{own:?}");
    }
    let off = replica(&store, &RateLimit { max: 0, user_max: 0, failures: 0, ..CONFIG });
    for _ in 0..1000 {
        assert!(off.token("t9", None, at(0)).await.is_none());
        assert!(off.user("ada", at(0)).await.is_none());
        assert!(off.failed(client("203.0.113.9"), at(0)).await.is_none());
    }
    assert!(off.token("t5", Some(1), at(0)).await.is_none());
    assert!(off.token("t5", Some(1), at(0)).await.is_some());
}

#[tokio::test]
async fn failures_count_by_client_and_a_flood_costs_the_store_little() {
    let store = Arc::new(Shared::default());
    let (one, other) = (replica(&store, &CONFIG), replica(&store, &CONFIG));
    let here = client("203.0.113.9");
    for n in 0..20 {
        let limits = if n % 2 == 0 { &one } else { &other };
        assert!(limits.failed(here, at(n)).await.is_none(), "{n}");
    }
    for limits in [&one, &other] {
        let over = limits.failed(here, at(30)).await.unwrap();
        assert_eq!((over.whose, over.limit.max), (Whose::Client, 20));
    }
    for n in 0..10_000 {
        assert!(one.failed(here, at(40 + n % 100)).await.is_some());
    }
    assert!(store.asked() <= 42, "{}", store.asked());
    assert!(one.failed(client("203.0.113.10"), at(50)).await.is_none(), "the neighbour is another client");
    // A minute and a bit later it is as if nothing had been.
    assert!(one.failed(here, at(121_000)).await.is_none());
}

#[tokio::test]
async fn of_ipv6_a_whole_line_is_one_client_and_mapped_addresses_are_ipv4() {
    let limits = replica(&Arc::new(Shared::default()), &CONFIG);
    let mut over = 0;
    for n in 0..60_u16 {
        let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, n, n, n, n));
        over += usize::from(limits.failed(address, at(0)).await.is_some());
    }
    assert_eq!(over, 40);
    assert!(limits.failed(client("2001:db8:1:3::1"), at(0)).await.is_none());
    for n in 0..60 {
        let spelling = if n % 2 == 0 { "::ffff:198.51.100.7" } else { "198.51.100.7" };
        over += usize::from(limits.failed(client(spelling), at(0)).await.is_some());
    }
    assert_eq!(over, 80);
    assert_eq!(place(client("2001:db8::1")), "2001:db8:0:0::/64");
}

#[tokio::test]
async fn without_the_store_the_process_counts_on_and_asks_seldom() {
    let store = Arc::new(Shared::default());
    let limits = replica(&store, &CONFIG);
    store.away(true);
    let fine = |now| (0..500).filter(|_| futures_ready(limits.user("ada", now))).count();
    assert_eq!(fine(at(10)), 100);
    let failures =
        |now| (0..500).filter(|_| futures_ready(limits.failed(client("203.0.113.9"), now))).count();
    assert_eq!(failures(at(20)), 20);
    assert_eq!(store.asked(), 1, "one question, then a pause");
    assert!((30..=110).contains(&fine(at(1600))));
    assert_eq!(store.asked(), 2);
    store.away(false);
    assert_eq!(fine(at(5010)), 100);
    assert!(store.asked() > 10, "asked again");
    // A clock that is set back does not keep the pause.
    store.away(true);
    assert!(limits.user("bob", at(50_000)).await.is_none());
    store.away(false);
    let asked = store.asked();
    assert!(limits.user("eve", at(6_000)).await.is_none());
    assert_eq!(store.asked(), asked + 1);
}

#[tokio::test]
async fn a_clock_set_back_gives_nothing_anew() {
    let limits = replica(&Arc::new(Shared::default()), &CONFIG);
    for _ in 0..100 {
        assert!(limits.user("ada", at(60_000)).await.is_none());
    }
    for _ in 0..100 {
        assert!(limits.user("ada", at(0)).await.is_some());
    }
}

#[tokio::test]
async fn an_address_that_guesses_is_refused_and_no_other_is() {
    let store = Arc::new(Shared::default());
    let limits = replica(&store, &CONFIG);
    let here = client("203.0.113.9");
    for _ in 0..admin::PER_ADDRESS {
        let attempt = limits.admin_allowed("admin", here, at(0)).await.unwrap();
        limits.admin_failure(attempt, at(0)).await;
    }
    for spelling in ["admin", "ADMIN", "somebody else"] {
        let over = limits.admin_allowed(spelling, here, at(1)).await.unwrap_err();
        assert!(over.whose == Whose::Admin && over.again_in <= Duration::from_secs(600), "{over:?}");
    }
    let _fine = limits.admin_allowed("admin", client("203.0.113.10"), at(1)).await.unwrap();
    let other = replica(&store, &CONFIG);
    assert!(other.admin_allowed("admin", here, at(2)).await.is_err(), "every replica knows");
    let _later = limits.admin_allowed("admin", here, at(700_000)).await.unwrap();
    // Looking alone counts nothing: whoever knows the password may come as often as they like.
    for _ in 0..100 {
        let _fine = limits.admin_allowed("admin", client("198.51.100.1"), at(2)).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_under_attack_is_slow_and_not_locked() {
    let mut limits = replica(&Arc::new(Shared::default()), &CONFIG);
    let slow = Duration::from_millis(50);
    limits.admins.slow = slow;
    let limits = Arc::new(limits);
    let names = ["admin", "Admin", "ADMIN ", "admin@example.test"];
    let began = Instant::now();
    for n in 0..30_u8 {
        let from = IpAddr::from([198, 51, 100, n]);
        let attempt = limits.admin_allowed(names[usize::from(n % 4)], from, at(0)).await.unwrap();
        limits.admin_failure(attempt, at(0)).await;
    }
    // Ten at full speed, by whatever spelling, and twenty that waited.
    assert!(began.elapsed() >= 20 * slow, "{:?}", began.elapsed());
    let began = Instant::now();
    drop(limits.admin_allowed("admin", client("203.0.113.77"), at(0)).await.unwrap());
    assert!(began.elapsed() >= slow, "the right password from a fresh address is late, and welcome");
    let over = limits.admin_allowed("admin", IpAddr::from([198, 51, 100, 3]), at(0)).await;
    assert!(over.is_err(), "one failure is enough while it is slow");
    let began = Instant::now();
    let _other = limits.admin_allowed("other", client("203.0.113.77"), at(0)).await.unwrap();
    assert!(began.elapsed() < slow, "nobody attacks that one");

    // Many at once: some wait, the others are asked to come back.
    let tries = (0..50_u8).map(|n| {
        let limits = Arc::clone(&limits);
        tokio::spawn(async move {
            let from = IpAddr::from([192, 0, 2, n]);
            match limits.admin_allowed("admin", from, at(0)).await {
                Ok(attempt) => {
                    limits.admin_failure(attempt, at(0)).await;
                    1
                }
                Err(over) => {
                    assert_eq!(over.secs(), 1);
                    0
                }
            }
        })
    });
    let mut looked_at = 0;
    for attempt in tries.collect::<Vec<_>>() {
        looked_at += attempt.await.unwrap();
    }
    assert_eq!(looked_at, admin::SLOW_AT_ONCE);
}

#[tokio::test]
async fn guesses_all_at_once_do_not_slip_through() {
    let limits = Arc::new(replica(&Arc::new(Shared::default()), &CONFIG));
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let limits = Arc::clone(&limits);
            tokio::spawn(async move {
                let Ok(attempt) = limits.admin_allowed("admin", client("203.0.113.9"), at(0)).await else {
                    return 0_u32;
                };
                limits.admin_failure(attempt, at(0)).await;
                1
            })
        })
        .collect();
    let mut looked_at = 0;
    for attempt in tries {
        looked_at += attempt.await.unwrap();
    }
    assert_eq!(looked_at, admin::PER_ADDRESS);
}

#[test]
fn what_a_refusal_says() {
    let over = Refused {
        whose: Whose::Client,
        limit: Limit { max: 20, window: MINUTE },
        again_in: Duration::from_millis(2001),
    };
    let lines: Vec<String> =
        over.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    assert_eq!(
        lines,
        [
            "retry-after: 3",
            "ratelimit-limit: 20",
            "ratelimit-remaining: 0",
            "ratelimit-reset: 3",
            "ratelimit-policy: 20;w=60"
        ]
    );
    assert_eq!(over.reason(), "over the limit of 20 failed credentials of this client in 60 s");
    assert_eq!(Refused { again_in: Duration::ZERO, ..over }.secs(), 1);
}
