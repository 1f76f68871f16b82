//! API tokens, in every store.

use std::sync::Arc;
use std::time::Duration;

use doorward::store::page::{Page, Slice};
use doorward::store::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord, Used};
use doorward::store::{Change, Store};

use super::{Backend, NOW, at, first};

/// Ten years: Redis ends keys by its own clock, which must not come near while a test runs.
pub(super) const LATE: u64 = 320_000_000;

pub(super) fn digest(n: u8) -> TokenDigest {
    TokenDigest::new([n; 32])
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

/// A token with nothing but a host.
pub(super) fn plain(n: u8) -> TokenRecord {
    TokenRecord {
        digest: digest(n),
        id: Some(digest(n).id()),
        name: Some(format!("token {n}")),
        email: None,
        comment: None,
        hosts: texts(&["app.example.com"]),
        roles: Vec::new(),
        scopes: Vec::new(),
        owner: None,
        vested: Vec::new(),
        limit: None,
        created_at: Some(at(u64::from(n))),
        expires_at: None,
        last_used_at: None,
        replaced_at: None,
    }
}

/// A token with all there is.
pub(super) fn whole(n: u8) -> TokenRecord {
    TokenRecord {
        name: Some("Backup 'n \"more\" <b>".into()),
        email: Some("ops@example.com".into()),
        comment: Some("line\r\n\u{202E}*{tag}\u{0}".into()),
        hosts: texts(&["*.example.com", "*"]),
        roles: texts(&["reader", "writer"]),
        scopes: texts(&["admin", "authorize"]),
        owner: Some("ada".into()),
        vested: texts(&["reader"]),
        limit: Some(7),
        created_at: Some(NOW.plus(Duration::from_millis(123))),
        expires_at: Some(at(LATE)),
        last_used_at: Some(at(9)),
        ..plain(n)
    }
}

pub(super) fn digests(page: &Page<TokenRecord>) -> Vec<u8> {
    page.items.iter().map(|token| token.digest.as_bytes()[0]).collect()
}

pub(super) async fn search(
    store: &dyn Store,
    search: &str,
    owner: Option<&str>,
    order: TokenOrder,
    slice: Slice,
) -> Page<TokenRecord> {
    let filter = TokenFilter { search: search.into(), owner: owner.map(str::to_owned), ends_before: None };
    store.tokens(&filter, order, slice, at(50)).await.unwrap()
}

pub(super) async fn a_token_is_written_replaced_and_revoked(backend: &dyn Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    assert_eq!(store.token(&digest(1), NOW).await.unwrap(), None);
    for token in [whole(1), plain(2)] {
        store.put_token(&token).await.unwrap();
        assert_eq!(other.token(&token.digest, at(1)).await.unwrap(), Some(token));
    }
    assert!(other.token(&digest(1), at(LATE - 1)).await.unwrap().is_some());
    assert_eq!(other.token(&digest(1), at(LATE)).await.unwrap(), None, "the limit itself is too late");

    let replaced = TokenRecord { name: None, expires_at: None, ..plain(1) };
    store.put_token(&replaced).await.unwrap();
    assert_eq!(other.token(&digest(1), at(LATE)).await.unwrap(), Some(replaced));
    let page = search(&*other, "", None, TokenOrder::Name, first(9)).await;
    assert_eq!((digests(&page), page.total), (vec![2, 1], 2));

    assert!(other.revoke_token(&digest(1)).await.unwrap());
    assert!(!store.revoke_token(&digest(1)).await.unwrap());
    assert_eq!(store.token(&digest(1), at(1)).await.unwrap(), None);
    assert_eq!(digests(&search(&*store, "", None, TokenOrder::Newest, first(9)).await), [2]);
}

pub(super) async fn tokens_are_listed_counted_and_searched(backend: &dyn Backend) {
    let store = backend.open().await;
    let names = ["cy", "Ada", "bob", "Bob", "zoe"];
    for (n, name) in (1..).zip(names) {
        let owner = (n > 2).then(|| "ada".to_owned());
        store.put_token(&TokenRecord { name: Some(name.into()), owner, ..plain(n) }).await.unwrap();
    }
    // Without a name, without a time, and one that has ended by the time of the list.
    let owner = Some("ada".to_owned());
    store.put_token(&TokenRecord { name: None, owner: owner.clone(), ..plain(6) }).await.unwrap();
    store.put_token(&TokenRecord { created_at: None, ..plain(7) }).await.unwrap();
    let ended = TokenRecord { expires_at: Some(at(LATE)), owner, ..plain(8) };
    store.put_token(&ended).await.unwrap();

    let list = |owner: Option<&'static str>, order, offset, limit, now| {
        let store = Arc::clone(&store);
        async move {
            let filter = TokenFilter { owner: owner.map(str::to_owned), ..TokenFilter::default() };
            let page = store.tokens(&filter, order, Slice { offset, limit }, now).await.unwrap();
            (digests(&page), page.total)
        }
    };
    use TokenOrder::{Name, Newest};
    let late = at(LATE);
    assert_eq!(list(None, Newest, 0, 9, late).await, (vec![6, 5, 4, 3, 2, 1, 7], 7));
    assert_eq!(list(None, Name, 0, 9, late).await, (vec![2, 3, 4, 1, 7, 5, 6], 7));
    assert_eq!(list(None, Newest, 0, 2, at(50)).await, (vec![8, 6], 8));
    assert_eq!(list(None, Name, 3, 3, at(50)).await, (vec![1, 7, 8], 8));
    assert_eq!(list(None, Name, 4, 2, late).await, (vec![7, 5], 7));
    assert_eq!(list(None, Newest, 2, 3, late).await, (vec![4, 3, 2], 7));
    assert_eq!(list(None, Newest, u64::MAX, 3, late).await, (vec![], 7));
    assert_eq!(list(None, Newest, 0, 0, late).await, (vec![], 7));
    assert_eq!(list(Some("ada"), Newest, 0, 9, late).await, (vec![6, 5, 4, 3], 4));
    assert_eq!(list(Some("ada"), Newest, 0, 9, at(50)).await, (vec![8, 6, 5, 4, 3], 5));
    assert_eq!(list(Some("ada"), Name, 1, 2, late).await, (vec![4, 5], 4));
    assert_eq!(list(Some("nobody"), Name, 0, 9, late).await, (vec![], 0));

    store.put_token(&TokenRecord { digest: digest(9), ..whole(9) }).await.unwrap();
    let found = |text: &'static str, owner: Option<&'static str>| {
        let store = Arc::clone(&store);
        async move {
            let page = search(&*store, text, owner, Newest, Slice { offset: 0, limit: 9 }).await;
            assert_eq!(page.items.len() as u64, page.total);
            digests(&page)
        }
    };
    assert_eq!(found("BOB", None).await, [4, 3]);
    assert_eq!(found("ops@EX", None).await, [9], "by e-mail");
    assert_eq!(found("{TAG}", None).await, [9], "by comment");
    assert_eq!(found("*.example", None).await, [9], "by host");
    assert_eq!(found("0505050505", None).await, [5], "by digest");
    assert_eq!(found("bo", Some("ada")).await, [4, 3]);
    assert_eq!(found("cy", Some("ada")).await, [0_u8; 0]);
    assert_eq!(found("%", None).await, [0_u8; 0]);
    assert_eq!(found("a_a", None).await, [0_u8; 0]);
    let page = search(&*store, "o", None, Name, Slice { offset: 1, limit: 2 }).await;
    assert!(page.items.len() == 2 && page.total > 3, "{page:?}");
}

pub(super) async fn tokens_are_listed_by_when_they_end(backend: &dyn Backend) {
    let store = backend.open().await;
    for (n, end) in [(1, None), (2, Some(30)), (3, Some(10)), (4, None), (5, Some(20)), (6, Some(20))] {
        let owner = (n > 2).then(|| "ada".to_owned());
        let expires_at = end.map(|secs| at(LATE + secs));
        store.put_token(&TokenRecord { expires_at, owner, ..plain(n) }).await.unwrap();
    }
    let list =
        |search: &'static str, owner: Option<&'static str>, before: Option<u64>, offset, limit, now| {
            let store = Arc::clone(&store);
            async move {
                let ends_before = before.map(|secs| at(LATE + secs));
                let owner = owner.map(str::to_owned);
                let filter = TokenFilter { search: search.into(), owner, ends_before };
                let slice = Slice { offset, limit };
                let page = store.tokens(&filter, TokenOrder::Ends, slice, at(LATE + now)).await.unwrap();
                (digests(&page), page.total)
            }
        };
    assert_eq!(list("", None, None, 0, 9, 0).await, (vec![3, 5, 6, 2, 1, 4], 6));
    assert_eq!(list("", None, None, 1, 2, 0).await, (vec![5, 6], 6));
    assert_eq!(list("", None, None, 0, 3, 10).await, (vec![5, 6, 2], 5), "one has ended");
    assert_eq!(list("", None, None, 2, 3, 20).await, (vec![4], 3), "three have");
    assert_eq!(list("token", None, None, 0, 2, 10).await, (vec![5, 6], 5));
    assert_eq!(list("", Some("ada"), None, 0, 9, 10).await, (vec![5, 6, 4], 3));
    // Those that end soon, and only those.
    assert_eq!(list("", None, Some(30), 0, 9, 0).await, (vec![3, 5, 6], 3), "the limit itself is too late");
    assert_eq!(list("", None, Some(31), 1, 2, 10).await, (vec![6, 2], 3));
    assert_eq!(list("", None, Some(30), 0, 0, 0).await, (vec![], 3));
    assert_eq!(list("", None, Some(30), u64::MAX, 5, 0).await, (vec![], 3));
    assert_eq!(list("", None, Some(5), 0, 9, 6).await, (vec![], 0));
    assert_eq!(list("TOKEN 5", None, Some(30), 0, 9, 0).await, (vec![5], 1));
    assert_eq!(list("", Some("ada"), Some(30), 1, 9, 0).await, (vec![5, 6], 3));
    let filter = TokenFilter { ends_before: Some(at(LATE + 30)), ..TokenFilter::default() };
    let newest = store.tokens(&filter, TokenOrder::Newest, first(2), at(LATE)).await.unwrap();
    assert_eq!((digests(&newest), newest.total), (vec![6, 5], 3), "in any order");

    // They move as their end does.
    store.put_token(&TokenRecord { expires_at: Some(at(LATE + 5)), ..plain(1) }).await.unwrap();
    store.put_token(&plain(3)).await.unwrap();
    store.revoke_token(&digest(5)).await.unwrap();
    assert_eq!(list("", None, None, 0, 9, 0).await, (vec![1, 6, 2, 3, 4], 5));
    assert_eq!(list("", None, Some(30), 0, 9, 0).await, (vec![1, 6], 2));
}

pub(super) async fn a_token_is_replaced_once_however_many_ask(backend: &dyn Backend) {
    let store = backend.open().await;
    let by = |secs| Some(at(LATE + secs));
    let new = |n: u8| TokenRecord { id: whole(1).id, ..plain(n) };
    store.put_token(&TokenRecord { last_used_at: None, ..whole(1) }).await.unwrap();
    // Each over a connection of its own: what happens between reading and writing would show.
    let mut asking = tokio::task::JoinSet::new();
    for n in 10..18 {
        let other = backend.open().await;
        asking.spawn(
            async move { (n, other.rotate_token(&digest(1), &new(n), by(100), at(5)).await.unwrap()) },
        );
    }
    let told = asking.join_all().await;
    let done: Vec<u8> = told.iter().filter(|(_, told)| *told == Rotated::Done).map(|(n, _)| *n).collect();
    assert_eq!(done.len(), 1, "{told:?}");
    assert!(told.iter().filter(|(_, told)| *told == Rotated::Before).count() == told.len() - 1, "{told:?}");
    for (n, told) in told {
        let there = store.token(&digest(n), at(6)).await.unwrap();
        assert_eq!(there, (told == Rotated::Done).then(|| new(n)), "{n}: {told:?}");
    }
    // It goes on to its own end, as that is sooner, and nothing else about it changed.
    let old = TokenRecord { replaced_at: Some(at(5)), last_used_at: None, ..whole(1) };
    assert_eq!(store.token(&digest(1), at(6)).await.unwrap(), Some(old));
    let listed = search(&*store, "", None, TokenOrder::Newest, first(9)).await;
    assert_eq!((digests(&listed), listed.total), (vec![done[0], 1], 2));
    assert_eq!(store.rotate_token(&digest(1), &new(20), None, at(7)).await.unwrap(), Rotated::Before);

    // The next one likewise, with an end, and the one after that at once.
    let rotate = |from, to, until| {
        let store = Arc::clone(&store);
        async move { store.rotate_token(&digest(from), &new(to), until, at(8)).await.unwrap() }
    };
    assert_eq!(rotate(done[0], 21, by(100)).await, Rotated::Done);
    let old = store.token(&digest(done[0]), at(9)).await.unwrap().unwrap();
    assert_eq!((old.expires_at, old.replaced_at), (by(100), Some(at(8))));
    assert_eq!(rotate(21, 22, None).await, Rotated::Done);
    assert_eq!(store.token(&digest(21), at(9)).await.unwrap(), None);
    assert_eq!(rotate(21, 23, None).await, Rotated::Absent);
    assert_eq!(store.token(&digest(23), at(9)).await.unwrap(), None);
    let listed = search(&*store, "", None, TokenOrder::Ends, first(9)).await;
    assert_eq!(digests(&listed), [1, done[0], 22]);

    // A new pepper forgets nothing of it.
    assert!(store.redigest_token(&digest(done[0]), &digest(30)).await.unwrap());
    assert_eq!(store.token(&digest(30), at(9)).await.unwrap().unwrap().replaced_at, Some(at(8)));
}

pub(super) async fn a_token_gets_another_digest_and_keeps_the_rest(backend: &dyn Backend) {
    let store = backend.open().await;
    store.put_token(&whole(1)).await.unwrap();
    store.put_token(&plain(2)).await.unwrap();
    store.put_token(&TokenRecord { id: None, ..plain(3) }).await.unwrap();
    assert!(store.redigest_token(&digest(1), &digest(5)).await.unwrap());
    assert!(!store.redigest_token(&digest(1), &digest(6)).await.unwrap(), "it is there no more");
    let moved = TokenRecord { digest: digest(5), ..whole(1) };
    assert_eq!(store.token(&digest(5), at(1)).await.unwrap(), Some(moved));
    assert_eq!(store.token(&digest(1), at(1)).await.unwrap(), None);

    assert!(!store.redigest_token(&digest(2), &digest(5)).await.unwrap(), "the place is taken");
    assert_eq!(store.token(&digest(2), at(1)).await.unwrap(), Some(plain(2)));
    assert!(store.redigest_token(&digest(3), &digest(4)).await.unwrap());
    let named = store.token(&digest(4), at(1)).await.unwrap().unwrap();
    assert_eq!(named.id, Some(digest(3).id()), "services go on knowing it");
    let page = search(&*store, "", None, TokenOrder::Newest, first(9)).await;
    assert_eq!((digests(&page), page.total), (vec![4, 2, 5], 3));
    let page = search(&*store, "", Some("ada"), TokenOrder::Name, first(9)).await;
    assert_eq!(digests(&page), [5]);
}

pub(super) async fn last_use_of_a_token_never_moves_back(backend: &dyn Backend) {
    let store = backend.open().await;
    store.put_token(&plain(1)).await.unwrap();
    let use_at = |secs| [(Used::Token(digest(1)), at(secs)), (Used::Token(digest(99)), at(secs))];
    let used = || async { store.token(&digest(1), at(50)).await.unwrap().unwrap().last_used_at };
    store.touch(&use_at(60)).await.unwrap();
    assert_eq!(used().await, Some(at(60)));
    store.touch(&use_at(59)).await.unwrap();
    assert_eq!(used().await, Some(at(60)));
    store.touch(&use_at(3600)).await.unwrap();
    assert_eq!(used().await, Some(at(3600)));
    assert_eq!(store.token(&digest(99), at(1)).await.unwrap(), None, "use makes nothing");
}

/// Told within the second that is promised.
pub(super) async fn what_changes_about_a_token_is_told(backend: &dyn Backend) {
    let (listener, by) = (backend.open().await, backend.open().await);
    by.put_token(&plain(1)).await.unwrap();
    by.put_token(&plain(2)).await.unwrap();
    // What was told until now may be about new ones.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut changes = listener.changes();
    while changes.try_recv().is_ok() {}

    by.put_token(&TokenRecord { hosts: Vec::new(), ..plain(1) }).await.unwrap();
    super::told_until(&mut changes, &Change::Token(digest(1))).await;
    by.redigest_token(&digest(1), &digest(3)).await.unwrap();
    super::told_until(&mut changes, &Change::Token(digest(1))).await;
    by.revoke_token(&digest(2)).await.unwrap();
    super::told_until(&mut changes, &Change::Token(digest(2))).await;
}

pub(super) async fn sweeping_forgets_tokens_that_ended(backend: &dyn Backend) {
    let store = backend.open().await;
    store.put_token(&TokenRecord { expires_at: Some(at(LATE)), ..plain(1) }).await.unwrap();
    store.put_token(&TokenRecord { expires_at: Some(at(LATE + 1)), ..plain(2) }).await.unwrap();
    store.put_token(&plain(3)).await.unwrap();
    store.sweep(at(LATE)).await.unwrap();
    // Asked about an earlier time: only what was swept is gone.
    let page = search(&*store, "", None, TokenOrder::Newest, first(9)).await;
    assert_eq!((digests(&page), page.total), (vec![3, 2], 2));
    assert_eq!(store.token(&digest(1), at(1)).await.unwrap(), None);
}
