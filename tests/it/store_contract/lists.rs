//! Lists with their totals, and rate windows, in every store.

use std::sync::Arc;
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::store::activity::{Activity, ActivityFilter, Share};
use doorward::store::page::Slice;
use doorward::store::rate::{Limit, Taken};
use doorward::store::{SessionRecord, SignIn, UserOrder};

use super::{Backend, NOW, at, first, ids, session, sid, user_with, who};

pub(super) async fn users_are_counted_and_come_by_last_sign_in(backend: &dyn Backend) {
    let store = backend.open().await;
    for (user, secs) in [("ada", 5), ("bob", 9), ("cy", 1), ("dan", 5)] {
        store.sign_in(&who(user), at(secs)).await.unwrap();
    }
    let page = |search: &'static str, order, offset, limit| {
        let store = Arc::clone(&store);
        async move {
            let page = store.users(search, order, Slice { offset, limit }).await.unwrap();
            (page.items.into_iter().map(|user| user.id).collect::<Vec<_>>(), page.total)
        }
    };
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    use UserOrder::{Email, LastSeen};
    assert_eq!(page("", LastSeen, 0, 9).await, (list(&["bob", "ada", "dan", "cy"]), 4));
    assert_eq!(page("", LastSeen, 1, 2).await, (list(&["ada", "dan"]), 4));
    assert_eq!(page("", Email, 3, 2).await, (list(&["dan"]), 4));
    assert_eq!(page("", Email, 9, 2).await, (list(&[]), 4));
    assert_eq!(page("A", LastSeen, 1, 1).await, (list(&["ada"]), 4), "all have it in `name of`");
    assert_eq!(page("DA@", LastSeen, 0, 9).await, (list(&["ada"]), 1));
    assert_eq!(page("sub-ada", Email, 0, 9).await, (list(&[]), 0), "subjects are not searched");

    // Signing in again moves them up, with another e-mail elsewhere, and nobody is listed twice.
    store.sign_in(&SignIn { email: Some("zz@example.com".into()), ..who("ada") }, at(20)).await.unwrap();
    store.sign_in(&SignIn { email: None, ..who("bob") }, at(20)).await.unwrap();
    assert_eq!(page("", LastSeen, 0, 9).await, (list(&["ada", "bob", "dan", "cy"]), 4));
    assert_eq!(page("", Email, 0, 9).await, (list(&["cy", "dan", "ada", "bob"]), 4));
    assert_eq!(page("ada@", Email, 0, 9).await, (list(&[]), 0));
    assert_eq!(store.users_named("ada@example.com").await.unwrap(), []);
}

pub(super) async fn sessions_are_counted_and_searched(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    user_with(&*store, "bob", &[]).await;
    let other = SessionRecord {
        provider: "Keycloak".into(),
        address: Some("2001:DB8::7".into()),
        ..session(3, "bob")
    };
    store.open_session(&other).await.unwrap();
    let early = SessionRecord { expires_at: at(100), ..session(4, "bob") };
    store.open_session(&early).await.unwrap();
    let page = |search: &'static str, offset, limit, now| {
        let store = Arc::clone(&store);
        async move {
            let page = store.sessions(search, Slice { offset, limit }, now).await.unwrap();
            (ids(&page.items), page.total)
        }
    };
    assert_eq!(page("", 0, 9, at(9)).await, (vec![sid(4), sid(3), sid(2), sid(1)], 4));
    assert_eq!(page("", 0, 2, at(100)).await, (vec![sid(3), sid(2)], 3));
    assert_eq!(page("", 1, 9, at(100)).await, (vec![sid(2), sid(1)], 3));
    assert_eq!(page("ADA", 0, 9, at(9)).await, (vec![sid(2), sid(1)], 2), "by user");
    assert_eq!(page("bob@example", 0, 9, at(9)).await, (vec![sid(4), sid(3)], 2), "by e-mail");
    assert_eq!(page("bob@example", 0, 9, at(100)).await, (vec![sid(3)], 1));
    assert_eq!(page("keycloak", 0, 9, at(9)).await, (vec![sid(3)], 1), "by provider");
    assert_eq!(page("db8::", 0, 9, at(9)).await, (vec![sid(3)], 1), "by address");
    assert_eq!(page("192.0.2.7", 1, 1, at(9)).await, (vec![sid(2)], 3));
    assert_eq!(page("mozilla", 0, 9, at(9)).await, (vec![], 0), "the browser is not searched");
    store.sign_in(&SignIn { email: Some("new@example.com".into()), ..who("ada") }, at(9)).await.unwrap();
    assert_eq!(page("NEW@", 0, 9, at(9)).await, (vec![sid(2), sid(1)], 2), "by the e-mail of now");
}

fn line(n: u64) -> Activity {
    Activity {
        at: at(n),
        event: if n.is_multiple_of(2) { "admin".into() } else { "decision".into() },
        what: if n.is_multiple_of(3) { "forbidden".into() } else { "token_created".into() },
        who: (n != 4).then(|| format!("User-{n}")),
        decision_id: (n.is_multiple_of(5)).then(|| format!("{n:016x}")),
        line: format!(r#"{{"n":{n},"text":"Größe \u0000 \\ <b>"}}"#),
    }
}

pub(super) async fn activity_is_listed_newest_first_and_filtered(backend: &dyn Backend) {
    let store = backend.open().await;
    store.note(&[]).await.unwrap();
    store.note(&(0..6).map(line).collect::<Vec<_>>()).await.unwrap();
    store.note(&(6..10).map(line).collect::<Vec<_>>()).await.unwrap();
    let page = |filter: ActivityFilter, offset, limit| {
        let store = Arc::clone(&store);
        async move {
            let page = store.activity(&filter, Slice { offset, limit }).await.unwrap();
            for one in &page.items {
                let n = one.at.since(NOW).as_secs();
                assert_eq!(*one, line(n));
            }
            (page.items.iter().map(|one| one.at.since(NOW).as_secs()).collect::<Vec<_>>(), page.total)
        }
    };
    let all = ActivityFilter::default;
    assert_eq!(page(all(), 0, 3).await, (vec![9, 8, 7], 10));
    assert_eq!(page(all(), 8, 5).await, (vec![1, 0], 10));
    assert_eq!(page(all(), u64::MAX, 5).await, (vec![], 10));
    assert_eq!(page(all(), 0, 0).await, (vec![], 10));
    let event = || ActivityFilter { event: Some("admin".into()), ..all() };
    assert_eq!(page(event(), 1, 2).await, (vec![6, 4], 5));
    let both = ActivityFilter { what: Some("forbidden".into()), ..event() };
    assert_eq!(page(both, 0, 9).await, (vec![6, 0], 2));
    let search = |text: &str| ActivityFilter { search: text.into(), ..all() };
    assert_eq!(page(search("USER-7"), 0, 9).await, (vec![7], 1));
    assert_eq!(page(search("\"n\":4"), 0, 9).await, (vec![4], 1), "also without anybody");
    assert_eq!(page(search("größe"), 3, 2).await, (vec![6, 5], 10));
    assert_eq!(page(search("%"), 0, 9).await, (vec![], 0));
    let decision = ActivityFilter { decision_id: Some(format!("{:016x}", 5)), ..all() };
    assert_eq!(page(decision, 0, 9).await, (vec![5], 1));
    let none = ActivityFilter { event: Some(String::new()), ..all() };
    assert_eq!(page(none, 0, 9).await, (vec![], 0), "empty is not any");
}

pub(super) async fn old_activity_is_forgotten(backend: &dyn Backend) {
    let store = backend.open().await;
    let of = |event: &str, what: &str, n: u64| Activity { event: event.into(), what: what.into(), ..line(n) };
    let (changes, people) = (u64::from(Share::Changes.kept()), u64::from(Share::People.kept()));
    // Old changes and sign-ins, as many as are kept and a few more, and then a flood of refusals.
    let mut lines = vec![of("admin", "role_granted", 0), of("policy", "policy_refused", 1)];
    lines.extend((2..changes + 1).map(|n| of("admin", "role_granted", n)));
    lines.extend((0..people + 1).map(|n| of("session", "sign_in", n)));
    lines.extend((0..20_000).map(|n| of("decision", "forbidden", n)));
    lines.extend((0..3).map(|n| of("session", "sign_in_refused", n)));
    for part in lines.chunks(5_000) {
        store.note(part).await.unwrap();
    }
    store.sweep(NOW).await.unwrap();
    let all = Slice { offset: 49_997, limit: 5 };
    let page = store.activity(&ActivityFilter::default(), all).await.unwrap();
    let oldest: Vec<Activity> = lines[1..4].iter().rev().cloned().collect();
    assert_eq!((page.items, page.total), (oldest, 50_000), "the oldest change alone is gone");
    let count = |event: &str, what: &str| {
        let (event, what) = (Some(event.to_owned()), (!what.is_empty()).then(|| what.to_owned()));
        let (store, filter) = (Arc::clone(&store), ActivityFilter { event, what, ..Default::default() });
        async move { store.activity(&filter, first(1)).await.unwrap().total }
    };
    assert_eq!(count("admin", "").await, changes - 1);
    assert_eq!(count("policy", "").await, 1);
    assert_eq!(count("session", "sign_in").await, people);
    assert_eq!(count("session", "sign_in_refused").await, 3, "a refusal as every other");
    assert_eq!(count("decision", "").await, u64::from(Share::Refusals.kept()) - 3);
    let filter = ActivityFilter { search: "\"n\":19999,".into(), ..ActivityFilter::default() };
    let found = store.activity(&filter, first(5)).await.unwrap().items;
    assert_eq!(found, [of("decision", "forbidden", 19_999)]);
}

const LIMIT: Limit = Limit { max: 10, window: Duration::from_secs(60) };

fn ms(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}

pub(super) async fn a_window_slides(backend: &dyn Backend) {
    let store = backend.open().await;
    let take = |bucket: &'static str, want, at| {
        let store = Arc::clone(&store);
        async move { store.take(bucket, LIMIT, want, at).await.unwrap() }
    };
    let part = |granted, left| Taken { granted, left, again_in: Duration::ZERO };
    assert_eq!(take("a", 4, ms(0)).await, part(4, 6));
    assert_eq!(take("a", 4, ms(1)).await, part(4, 2));
    assert_eq!(take("a", 0, ms(1)).await, part(0, 2), "asking takes nothing");
    let full = take("a", 4, ms(2)).await;
    assert_eq!((full.granted, full.left), (2, 0));
    assert!(full.again_in > Duration::from_secs(30), "{full:?}");
    assert_eq!(take("b", 1, ms(2)).await, part(1, 9), "a bucket each");
    assert_eq!(take("a", 1, ms(0)).await.granted, 0, "a clock set back gives nothing anew");

    let wait = u64::try_from(take("a", 1, ms(2)).await.again_in.as_millis()).unwrap();
    assert_eq!(take("a", 1, ms(2 + wait - 1)).await.granted, 0);
    assert_eq!(take("a", 1, ms(2 + wait)).await.granted, 1);
    assert_eq!(take("a", 99, ms(600_000)).await.granted, 10, "all of it is to be had again");
    let none = Limit { max: 0, ..LIMIT };
    assert_eq!(store.take("c", none, 1, ms(0)).await.unwrap().granted, 0);
}

pub(super) async fn never_more_than_the_limit_however_many_ask(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let store = Arc::clone(&store);
        asking.spawn(async move { store.take("busy", LIMIT, 1, NOW).await.unwrap().granted });
    }
    assert_eq!(asking.join_all().await.into_iter().sum::<u32>(), 10);
}

pub(super) async fn looking_at_a_window_takes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let limit = Limit { max: 3, window: Duration::from_secs(60) };
    for taken in 0..3 {
        for _ in 0..5 {
            let looked = store.take("a", limit, 0, NOW).await.unwrap();
            assert_eq!((looked.granted, looked.left, looked.again_in), (0, 3 - taken, Duration::ZERO));
        }
        assert_eq!(store.take("a", limit, 1, NOW).await.unwrap().granted, 1);
    }
    let full = store.take("a", limit, 0, NOW).await.unwrap();
    assert!((full.granted, full.left) == (0, 0) && full.again_in > Duration::ZERO, "{full:?}");
}
