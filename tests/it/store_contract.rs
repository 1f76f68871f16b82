//! The suite that every store is held to. A further backend adds a `Backend` and one line of `contract!`.

mod crash;
mod embedded;
mod known;
mod lists;
mod redis;
mod tokens;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::store::page::Slice;
use doorward::store::token::Used;
use doorward::store::{Change, Once, SessionId, SessionRecord, SignIn, Store, UserOrder, UserRecord};
use tokio::sync::mpsc::Receiver;

use self::lists::*;
use self::tokens::*;

/// One empty store that any number of handles can be opened on, as other processes would.
#[async_trait::async_trait]
trait Backend: Send + Sync {
    async fn open(&self) -> Arc<dyn Store>;
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

fn sid(n: u32) -> SessionId {
    SessionId::parse(&format!("{n:022}")).unwrap()
}

fn first(limit: u32) -> Slice {
    Slice { offset: 0, limit }
}

fn use_of(n: u32, secs: u64) -> (Used, Timestamp) {
    (Used::Session(sid(n)), at(secs))
}

fn who(user: &str) -> SignIn {
    SignIn {
        user_id: user.into(),
        provider: "google".into(),
        subject: format!("sub-{user}"),
        email: Some(format!("{user}@example.com")),
        name: Some(format!("Name of {user}")),
    }
}

fn session(n: u32, user: &str) -> SessionRecord {
    SessionRecord {
        id: sid(n),
        user_id: user.into(),
        provider: "google".into(),
        subject: format!("sub-{user}"),
        provider_sid: Some(format!("sid-{n}")),
        created_at: at(u64::from(n)),
        last_seen_at: at(u64::from(n)),
        expires_at: at(28_800),
        address: Some("192.0.2.7".into()),
        agent: Some("Mozilla/5.0".into()),
        logout_hint: Some(vec![0, 255, 39, 34]),
    }
}

async fn user_with(store: &dyn Store, user: &str, sessions: &[u32]) -> UserRecord {
    let record = store.sign_in(&who(user), NOW).await.unwrap();
    for n in sessions {
        store.open_session(&session(*n, user)).await.unwrap();
    }
    record
}

fn ids(sessions: &[SessionRecord]) -> Vec<SessionId> {
    sessions.iter().map(|s| s.id.clone()).collect()
}

/// What is told until `last` is, within the second that is promised.
async fn told_until(changes: &mut Receiver<Change>, last: &Change) -> Vec<Change> {
    let mut told = Vec::new();
    let all = async {
        while let Some(change) = changes.recv().await {
            told.push(change);
            if told.last() == Some(last) {
                break;
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(1), all).await.is_ok();
    assert!(in_time && told.last() == Some(last), "wanted {last:?}, was told {told:?}");
    told
}

async fn a_user_is_made_once_and_refreshed(backend: &dyn Backend) {
    let store = backend.open().await;
    store.ping().await.unwrap();
    assert_eq!(store.user("ada").await.unwrap(), None);

    let made = store.sign_in(&who("ada"), NOW).await.unwrap();
    assert_eq!((made.first_seen, made.last_seen, made.disabled), (NOW, NOW, false));
    assert_eq!(made.granted, Vec::<String>::new());
    store.grant("ada", "ops").await.unwrap();

    let later = SignIn { email: None, name: Some("Ada L.".into()), ..who("ada") };
    let again = store.sign_in(&later, at(60)).await.unwrap();
    assert_eq!((again.first_seen, again.last_seen), (NOW, at(60)));
    assert_eq!((again.email.as_deref(), again.name.as_deref()), (None, Some("Ada L.")));
    assert_eq!(again.granted, ["ops"]);
    assert_eq!(store.user("ada").await.unwrap(), Some(again));

    let back = store.sign_in(&later, at(30)).await.unwrap();
    assert_eq!(back.last_seen, at(60), "a clock set back moves nothing back");
}

async fn users_are_found_by_name_and_by_part(backend: &dyn Backend) {
    let store = backend.open().await;
    for user in ["cy", "ada", "bob"] {
        user_with(&*store, user, &[]).await;
    }
    store.sign_in(&SignIn { email: None, ..who("aaa") }, NOW).await.unwrap();
    store.sign_in(&SignIn { user_id: "100%_x".into(), ..who("odd") }, NOW).await.unwrap();

    let named = |name: &'static str| {
        let store = Arc::clone(&store);
        async move {
            let found = store.users_named(name).await.unwrap();
            found.into_iter().map(|u| u.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(named("ada").await, ["ada"]);
    assert_eq!(named("bob@example.com").await, ["bob"]);
    assert_eq!(named("bob@example").await, [""; 0]);

    let page = |search: &'static str, offset, limit| {
        let store = Arc::clone(&store);
        async move {
            let found = store.users(search, UserOrder::Email, Slice { offset, limit }).await.unwrap();
            found.items.into_iter().map(|u| u.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page("", 0, 10).await, ["ada", "bob", "cy", "100%_x", "aaa"]);
    assert_eq!(page("", 1, 2).await, ["bob", "cy"]);
    assert_eq!(page("", u64::MAX, 2).await, [""; 0]);
    assert_eq!(page("BOB@EX", 0, 10).await, ["bob"]);
    assert_eq!(page("name of c", 0, 10).await, ["cy"]);
    assert_eq!(page("%", 0, 10).await, ["100%_x"]);
    assert_eq!(page("_", 0, 10).await, ["100%_x"]);
    assert_eq!(page("a_a", 0, 10).await, [""; 0]);
    assert_eq!(page("\\", 0, 10).await, [""; 0]);
}

async fn roles_are_granted_and_taken_back(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[]).await;
    for role in ["z", "a", "m", "a"] {
        assert!(store.grant("ada", role).await.unwrap());
    }
    assert_eq!(store.user("ada").await.unwrap().unwrap().granted, ["a", "m", "z"]);
    assert!(store.ungrant("ada", "m").await.unwrap());
    assert!(store.ungrant("ada", "never").await.unwrap());
    assert_eq!(store.user("ada").await.unwrap().unwrap().granted, ["a", "z"]);
    assert!(!store.grant("nobody", "a").await.unwrap());
    assert!(!store.ungrant("nobody", "a").await.unwrap());
}

async fn disabling_ends_every_session(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    user_with(&*store, "bob", &[3]).await;
    assert!(store.set_disabled("ada", true).await.unwrap());
    assert!(store.user("ada").await.unwrap().unwrap().disabled);
    assert!(store.sign_in(&who("ada"), NOW).await.unwrap().disabled, "signing in enables nobody");
    assert_eq!(store.session(&sid(1), at(5)).await.unwrap(), None);

    // A sign-in that was under way meanwhile leaves nothing for the day that she is enabled again.
    store.open_session(&session(4, "ada")).await.unwrap();
    assert!(store.set_disabled("ada", false).await.unwrap());
    assert_eq!(ids(&store.sessions("", first(10), at(5)).await.unwrap().items), [sid(3)]);
    assert!(!store.user("ada").await.unwrap().unwrap().disabled);
    assert!(!store.set_disabled("nobody", true).await.unwrap());
}

async fn sessions_are_listed_newest_first_until_they_expire(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[2, 3, 1]).await;
    user_with(&*store, "bob", &[5]).await;
    let early = SessionRecord { expires_at: at(100), ..session(4, "ada") };
    store.open_session(&early).await.unwrap();
    let bare = SessionRecord {
        provider_sid: None,
        address: None,
        agent: None,
        logout_hint: None,
        ..session(6, "bob")
    };
    store.open_session(&bare).await.unwrap();

    assert_eq!(store.session(&sid(4), at(99)).await.unwrap(), Some(early));
    assert_eq!(store.session(&sid(6), at(99)).await.unwrap(), Some(bare));
    assert_eq!(store.session(&sid(4), at(100)).await.unwrap(), None, "the limit itself is too late");
    assert_eq!(store.session(&sid(77), at(1)).await.unwrap(), None);

    assert_eq!(ids(&store.sessions_of("ada", at(99)).await.unwrap()), [sid(4), sid(3), sid(2), sid(1)]);
    assert_eq!(ids(&store.sessions_of("ada", at(100)).await.unwrap()), [sid(3), sid(2), sid(1)]);
    assert_eq!(ids(&store.sessions("", first(3), at(99)).await.unwrap().items), [sid(6), sid(5), sid(4)]);
    assert_eq!(ids(&store.sessions("", first(3), at(100)).await.unwrap().items), [sid(6), sid(5), sid(3)]);
    assert_eq!(
        ids(&store.sessions("", Slice { offset: 3, limit: 3 }, at(100)).await.unwrap().items),
        [sid(2), sid(1)]
    );
    assert_eq!(store.sessions("", Slice { offset: u64::MAX, limit: 3 }, at(100)).await.unwrap().items, []);
}

async fn last_seen_never_moves_back(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[1, 2]).await;
    let seen = |n| {
        let store = Arc::clone(&store);
        async move { store.session(&sid(n), at(5)).await.unwrap().unwrap().last_seen_at }
    };
    store.touch(&[]).await.unwrap();
    store.touch(&[use_of(1, 60), use_of(99, 60), use_of(2, 61)]).await.unwrap();
    assert_eq!((seen(1).await, seen(2).await), (at(60), at(61)));
    store.touch(&[use_of(1, 59)]).await.unwrap();
    assert_eq!(seen(1).await, at(60));
    assert_eq!(store.session(&sid(99), at(5)).await.unwrap(), None, "seeing opens nothing");
}

async fn sessions_end_by_name_and_by_user(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[1, 2, 3]).await;
    user_with(&*store, "bob", &[4]).await;
    assert!(store.end_session(&sid(1)).await.unwrap());
    assert!(!store.end_session(&sid(1)).await.unwrap());
    assert_eq!(store.session(&sid(1), at(5)).await.unwrap(), None);
    let ended: HashSet<_> = store.end_sessions_of("ada").await.unwrap().into_iter().collect();
    assert_eq!(ended, HashSet::from([sid(2), sid(3)]));
    assert_eq!(store.end_sessions_of("ada").await.unwrap(), []);
    assert_eq!(ids(&store.sessions("", first(10), at(5)).await.unwrap().items), [sid(4)]);
}

async fn a_provider_ends_what_it_names_and_nothing_else(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[1, 2, 3]).await;
    user_with(&*store, "bob", &[4]).await;
    let elsewhere = SessionRecord {
        provider: "keycloak".into(),
        provider_sid: Some("sid-1".into()),
        ..session(5, "ada")
    };
    store.open_session(&elsewhere).await.unwrap();

    let end = |subject: Option<&'static str>, sid: Option<&'static str>| {
        let store = Arc::clone(&store);
        async move {
            let mut ended = store.end_sessions_at("google", subject, sid).await.unwrap();
            ended.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            ended
        }
    };
    assert_eq!(end(None, None).await, []);
    assert_eq!(end(Some("sub-bob"), Some("sid-1")).await, [], "another subject's sid");
    assert_eq!(end(Some("sub-ada"), Some("sid-1")).await, [sid(1)]);
    assert_eq!(end(None, Some("sid-2")).await, [sid(2)]);
    assert_eq!(end(Some("sub-ada"), None).await, [sid(3)]);
    assert_eq!(ids(&store.sessions("", first(10), at(9)).await.unwrap().items), [sid(5), sid(4)]);
}

async fn once_is_once_however_many_ask(backend: &dyn Backend) {
    let (one, two) = (backend.open().await, backend.open().await);
    let mut claims = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        claims.spawn(async move { store.claim_once(Once::LoginState, "state", at(600)).await.unwrap() });
    }
    let won = claims.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    assert!(one.claim_once(Once::LogoutToken, "state", at(600)).await.unwrap(), "a namespace each");

    one.sweep(at(599)).await.unwrap();
    assert!(!two.claim_once(Once::LoginState, "state", at(900)).await.unwrap());
    one.sweep(at(600)).await.unwrap();
    assert!(two.claim_once(Once::LoginState, "state", at(900)).await.unwrap());
}

async fn a_handover_is_taken_once_however_many_ask(backend: &dyn Backend) {
    let (one, two) = (backend.open().await, backend.open().await);
    let (digest, sealed) = ([7_u8; 32], vec![0_u8, 1, 255]);
    one.put_handover(&digest, &sealed, at(30)).await.unwrap();
    assert_eq!(two.take_handover(&[8; 32], NOW).await.unwrap(), None);
    let mut takes = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        takes.spawn(async move { store.take_handover(&[7; 32], at(29)).await.unwrap() });
    }
    let taken: Vec<_> = takes.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [sealed]);
}

async fn a_handover_expires(backend: &dyn Backend) {
    let store = backend.open().await;
    store.put_handover(&[1; 32], b"late", at(30)).await.unwrap();
    assert_eq!(store.take_handover(&[1; 32], at(30)).await.unwrap(), None);
    assert_eq!(store.take_handover(&[1; 32], at(1)).await.unwrap(), None, "late is gone");
    store.put_handover(&[2; 32], b"swept", at(30)).await.unwrap();
    store.put_handover(&[3; 32], b"kept", at(31)).await.unwrap();
    store.sweep(at(30)).await.unwrap();
    assert_eq!(store.take_handover(&[2; 32], at(1)).await.unwrap(), None);
    assert_eq!(store.take_handover(&[3; 32], at(1)).await.unwrap().as_deref(), Some(&b"kept"[..]));
}

async fn sweeping_forgets_what_ran_out_and_only_that(backend: &dyn Backend) {
    let store = backend.open().await;
    user_with(&*store, "ada", &[1]).await;
    store.open_session(&SessionRecord { expires_at: at(100), ..session(2, "ada") }).await.unwrap();
    store.sweep(at(100)).await.unwrap();
    // Asked about an earlier time: only what was swept is gone.
    assert_eq!(ids(&store.sessions_of("ada", at(1)).await.unwrap()), [sid(1)]);
    assert!(store.user("ada").await.unwrap().is_some(), "users stay");
}

/// Every kind of mutation, made through `by`, is told to who listens at `to`.
async fn changes_are_told(by: &dyn Store, to: &dyn Store) {
    let mut changes = to.changes();
    let ada = Change::User("ada".into());
    user_with(by, "ada", &[1, 2, 3, 4, 5]).await;

    by.end_session(&sid(1)).await.unwrap();
    let told = told_until(&mut changes, &Change::Session(sid(1))).await;
    assert_eq!(told.len(), 1, "nobody knew what is new: {told:?}");
    by.end_sessions_at("google", None, Some("sid-2")).await.unwrap();
    told_until(&mut changes, &Change::Session(sid(2))).await;

    by.grant("ada", "ops").await.unwrap();
    assert_eq!(told_until(&mut changes, &ada).await.len(), 1);
    by.grant("ada", "ops").await.unwrap();
    by.touch(&[use_of(3, 70)]).await.unwrap();
    by.sign_in(&who("ada"), at(70)).await.unwrap();
    by.ungrant("ada", "ops").await.unwrap();
    assert_eq!(told_until(&mut changes, &ada).await.len(), 1, "what changes nothing is not told");
    by.sign_in(&SignIn { email: Some("new@example.com".into()), ..who("ada") }, at(71)).await.unwrap();
    told_until(&mut changes, &ada).await;

    by.end_sessions_of("nobody").await.unwrap();
    by.set_disabled("ada", true).await.unwrap();
    let mut told = told_until(&mut changes, &ada).await;
    while told.len() < 4 {
        told.push(tokio::time::timeout(Duration::from_secs(1), changes.recv()).await.unwrap().unwrap());
    }
    for n in [3, 4, 5] {
        assert!(told.contains(&Change::Session(sid(n))), "{told:?}");
    }
    by.set_disabled("ada", false).await.unwrap();
    told_until(&mut changes, &ada).await;
    assert_eq!(to.changes().recv().await, None, "told to one listener");
}

async fn own_changes_are_told(backend: &dyn Backend) {
    let store = backend.open().await;
    changes_are_told(&*store, &*store).await;
}

async fn changes_by_another_process_are_told(backend: &dyn Backend) {
    let (server, command_line) = (backend.open().await, backend.open().await);
    changes_are_told(&*command_line, &*server).await;
}

async fn a_restart_forgets_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let ada = user_with(&*store, "ada", &[1, 2]).await;
    store.grant("ada", "ops").await.unwrap();
    store.end_session(&sid(2)).await.unwrap();
    store.claim_once(Once::LogoutToken, "jti", at(600)).await.unwrap();
    store.put_handover(&[1; 32], b"sealed", at(30)).await.unwrap();
    drop(store);

    let store = backend.open().await;
    let expected = UserRecord { granted: vec!["ops".into()], ..ada };
    assert_eq!(store.user("ada").await.unwrap(), Some(expected));
    assert_eq!(store.sessions("", first(10), at(5)).await.unwrap().items, [session(1, "ada")]);
    assert!(!store.claim_once(Once::LogoutToken, "jti", at(600)).await.unwrap());
    assert_eq!(store.take_handover(&[1; 32], NOW).await.unwrap().as_deref(), Some(&b"sealed"[..]));
}

async fn hostile_text_comes_back_as_it_went_in(backend: &dyn Backend) {
    let store = backend.open().await;
    let long = "\u{1F6AA}'\"".repeat(20_000);
    let texts =
        ["'; DROP TABLE users; --", "\"\\\u{202E}\u{0}\r\n", "[\"json\"]", "*{hash-tag}:\u{7f}", &long];
    for (n, text) in (0_u32..).zip(texts) {
        let sign_in = SignIn {
            user_id: format!("{n}{text}"),
            provider: text.into(),
            subject: text.into(),
            email: Some(text.into()),
            name: Some(text.into()),
        };
        let made = store.sign_in(&sign_in, NOW).await.unwrap();
        assert!(store.grant(&made.id, text).await.unwrap());
        let read = store.user(&made.id).await.unwrap().unwrap();
        assert_eq!((&read.id, &read.subject), (&sign_in.user_id, &sign_in.subject));
        assert_eq!((&read.email, &read.name), (&sign_in.email, &sign_in.name));
        assert_eq!(read.granted, [text]);
        assert_eq!(store.users_named(text).await.unwrap(), std::slice::from_ref(&read));

        let opened = SessionRecord {
            user_id: made.id.clone(),
            provider: text.into(),
            subject: text.into(),
            provider_sid: Some(text.into()),
            address: Some(text.into()),
            agent: Some(text.into()),
            logout_hint: Some(text.as_bytes().to_vec()),
            ..session(n, "x")
        };
        store.open_session(&opened).await.unwrap();
        assert_eq!(store.session(&opened.id, at(5)).await.unwrap(), Some(opened));
        assert!(store.claim_once(Once::LoginState, text, at(600)).await.unwrap());
        assert!(!store.claim_once(Once::LoginState, text, at(600)).await.unwrap());
        assert_eq!(store.end_sessions_at(text, Some(text), Some(text)).await.unwrap(), [sid(n)]);
        assert!(store.users(text, UserOrder::Email, first(10)).await.unwrap().items.contains(&read));
    }
}

/// Hands the rules to a macro.
macro_rules! rules {
    ($to:ident $($with:tt)*) => { $to! { $($with)*
        a_user_is_made_once_and_refreshed
        users_are_found_by_name_and_by_part
        users_are_counted_and_come_by_last_sign_in
        roles_are_granted_and_taken_back
        disabling_ends_every_session
        sessions_are_listed_newest_first_until_they_expire
        sessions_are_counted_and_searched
        last_seen_never_moves_back
        sessions_end_by_name_and_by_user
        a_provider_ends_what_it_names_and_nothing_else
        once_is_once_however_many_ask
        a_handover_is_taken_once_however_many_ask
        a_handover_expires
        sweeping_forgets_what_ran_out_and_only_that
        own_changes_are_told
        changes_by_another_process_are_told
        a_restart_forgets_nothing
        hostile_text_comes_back_as_it_went_in
        a_token_is_written_replaced_and_revoked
        tokens_are_listed_counted_and_searched
        tokens_are_listed_by_when_they_end
        a_token_is_replaced_once_however_many_ask
        a_token_gets_another_digest_and_keeps_the_rest
        last_use_of_a_token_never_moves_back
        what_changes_about_a_token_is_told
        sweeping_forgets_tokens_that_ended
        activity_is_listed_newest_first_and_filtered
        old_activity_is_forgotten
        a_window_slides
        looking_at_a_window_takes_nothing
        never_more_than_the_limit_however_many_ask
    } };
}

macro_rules! a_test_each {
    ($backend:expr; $($rule:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let backend = $backend;
            super::$rule(&backend).await;
        }
    )* };
}

macro_rules! contract {
    ($module:ident, $backend:expr) => {
        mod $module {
            rules! { a_test_each $backend; }
        }
    };
}

macro_rules! one_after_the_other {
    ($backend:expr, $clean:expr; $($rule:ident)*) => { $(
        $clean();
        $rule($backend).await;
    )* };
}

/// All of them on one store, for those that are dear to start; it is emptied before each.
async fn every_rule(backend: &dyn Backend, clean: impl Fn()) {
    rules! { one_after_the_other backend, clean; }
}

contract!(sqlite, super::embedded::File::new());
contract!(redis_server, super::redis::Server::new());
