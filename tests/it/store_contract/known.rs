//! What the process knows, with a store that can be made to fail, to hang, and to tell what it likes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use doorward::clock::{Clock, ManualClock, Timestamp};
use doorward::store::activity::{Activity, ActivityFilter};
use doorward::store::known::{Confirm, Known, KnownSession, KnownToken, Standing, TokenStanding};
use doorward::store::page::{Page, Slice};
use doorward::store::rate::{Limit, Taken};
use doorward::store::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord, Used};
use doorward::store::{
    Change, Once, Result, SessionId, SessionRecord, SignIn, Store, StoreError, UserOrder, UserRecord,
};
use tokio::sync::{RwLock, mpsc};

use super::embedded::File;
use super::{Backend as _, NOW, at, session, sid, user_with};

const GRACE: Duration = Duration::from_secs(60);
const IDLE: Option<Duration> = Some(Duration::from_secs(3600));

/// The real store behind switches.
struct Faulty {
    real: Arc<dyn Store>,
    fails: AtomicBool,
    /// It has forgotten when tokens end.
    keeps: AtomicBool,
    /// Answers about sessions that were read and are held back while the test holds this for writing.
    gate: RwLock<()>,
    read: AtomicUsize,
    changes: Mutex<Option<mpsc::Receiver<Change>>>,
}

impl Faulty {
    fn real(&self) -> Result<&dyn Store> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("switched off".into()));
        }
        Ok(&*self.real)
    }
}

#[async_trait]
impl Store for Faulty {
    async fn ping(&self) -> Result<()> {
        self.real()?.ping().await
    }
    async fn sign_in(&self, who: &SignIn, now: Timestamp) -> Result<UserRecord> {
        self.real()?.sign_in(who, now).await
    }
    async fn user(&self, id: &str) -> Result<Option<UserRecord>> {
        self.real()?.user(id).await
    }
    async fn users_named(&self, name: &str) -> Result<Vec<UserRecord>> {
        self.real()?.users_named(name).await
    }
    async fn users(&self, search: &str, order: UserOrder, slice: Slice) -> Result<Page<UserRecord>> {
        self.real()?.users(search, order, slice).await
    }
    async fn grant(&self, user: &str, role: &str) -> Result<bool> {
        self.real()?.grant(user, role).await
    }
    async fn ungrant(&self, user: &str, role: &str) -> Result<bool> {
        self.real()?.ungrant(user, role).await
    }
    async fn set_disabled(&self, user: &str, disabled: bool) -> Result<bool> {
        self.real()?.set_disabled(user, disabled).await
    }
    async fn open_session(&self, session: &SessionRecord) -> Result<()> {
        self.real()?.open_session(session).await
    }
    async fn session(&self, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>> {
        let found = match self.real() {
            Ok(real) => real.session(id, now).await,
            Err(error) => Err(error),
        };
        self.read.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.read().await;
        found
    }
    async fn sessions_of(&self, user: &str, now: Timestamp) -> Result<Vec<SessionRecord>> {
        self.real()?.sessions_of(user, now).await
    }
    async fn sessions(&self, search: &str, slice: Slice, now: Timestamp) -> Result<Page<SessionRecord>> {
        self.real()?.sessions(search, slice, now).await
    }
    async fn touch(&self, seen: &[(Used, Timestamp)]) -> Result<()> {
        self.real()?.touch(seen).await
    }
    async fn end_session(&self, id: &SessionId) -> Result<bool> {
        self.real()?.end_session(id).await
    }
    async fn end_sessions_of(&self, user: &str) -> Result<Vec<SessionId>> {
        self.real()?.end_sessions_of(user).await
    }
    async fn end_sessions_at(
        &self,
        provider: &str,
        subject: Option<&str>,
        sid: Option<&str>,
    ) -> Result<Vec<SessionId>> {
        self.real()?.end_sessions_at(provider, subject, sid).await
    }
    async fn claim_once(&self, kind: Once, name: &str, until: Timestamp) -> Result<bool> {
        self.real()?.claim_once(kind, name, until).await
    }
    async fn put_handover(&self, digest: &[u8; 32], sealed: &[u8], until: Timestamp) -> Result<()> {
        self.real()?.put_handover(digest, sealed, until).await
    }
    async fn take_handover(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>> {
        self.real()?.take_handover(digest, now).await
    }
    async fn put_token(&self, token: &TokenRecord) -> Result<()> {
        self.real()?.put_token(token).await
    }
    async fn token(&self, digest: &TokenDigest, now: Timestamp) -> Result<Option<TokenRecord>> {
        let found = match self.real() {
            Ok(real) => real.token(digest, if self.keeps.load(Ordering::SeqCst) { at(0) } else { now }).await,
            Err(error) => Err(error),
        };
        self.read.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.read().await;
        found
    }
    async fn tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<TokenRecord>> {
        self.real()?.tokens(filter, order, slice, now).await
    }
    async fn revoke_token(&self, digest: &TokenDigest) -> Result<bool> {
        self.real()?.revoke_token(digest).await
    }
    async fn rotate_token(
        &self,
        old: &TokenDigest,
        new: &TokenRecord,
        old_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Rotated> {
        self.real()?.rotate_token(old, new, old_until, now).await
    }
    async fn redigest_token(&self, old: &TokenDigest, new: &TokenDigest) -> Result<bool> {
        self.real()?.redigest_token(old, new).await
    }
    async fn take(&self, bucket: &str, limit: Limit, want: u32, now: Timestamp) -> Result<Taken> {
        self.real()?.take(bucket, limit, want, now).await
    }
    async fn note(&self, activity: &[Activity]) -> Result<()> {
        self.real()?.note(activity).await
    }
    async fn activity(&self, filter: &ActivityFilter, slice: Slice) -> Result<Page<Activity>> {
        self.real()?.activity(filter, slice).await
    }
    async fn sweep(&self, now: Timestamp) -> Result<()> {
        self.real()?.sweep(now).await
    }
    fn changes(&self) -> mpsc::Receiver<Change> {
        self.changes.lock().unwrap().take().unwrap()
    }
}

/// A gateway's knowledge, and the hands on everything it depends on. Ada has session 1, Bob session 2.
struct Scene {
    store: Arc<Faulty>,
    known: Arc<Known>,
    clock: Arc<ManualClock>,
    tell: mpsc::Sender<Change>,
    _file: File,
}

impl Scene {
    async fn new(grace: Duration) -> Self {
        let file = File::new();
        let real = file.open().await;
        user_with(&*real, "ada", &[1]).await;
        user_with(&*real, "bob", &[2]).await;
        let (tell, changes) = mpsc::channel(8);
        let store = Arc::new(Faulty {
            real,
            fails: AtomicBool::new(false),
            keeps: AtomicBool::new(false),
            gate: RwLock::new(()),
            read: AtomicUsize::new(0),
            changes: Mutex::new(Some(changes)),
        });
        let clock = Arc::new(ManualClock::at(at(5)));
        let known = Known::start(Arc::clone(&store) as _, grace, Arc::clone(&clock) as _);
        Self { store, known, clock, tell, _file: file }
    }

    fn fail(&self, fails: bool) {
        self.store.fails.store(fails, Ordering::SeqCst);
    }

    fn read(&self) -> usize {
        self.store.read.load(Ordering::SeqCst)
    }

    async fn ask(&self, n: u32) -> Standing {
        self.known.session(&sid(n), self.clock.now()).await
    }

    async fn live(&self, n: u32) -> Arc<KnownSession> {
        match self.ask(n).await {
            Standing::Live(session) => session,
            other => panic!("not live: {other:?}"),
        }
    }

    /// A token of nobody's, or of somebody's, that ends when it is told to.
    async fn make(&self, n: u8, owner: Option<&str>, ends: Option<u32>) -> TokenDigest {
        let digest = TokenDigest::new([n; 32]);
        let record = TokenRecord {
            digest,
            id: None,
            name: None,
            email: None,
            comment: None,
            hosts: vec!["*".into()],
            roles: vec![],
            scopes: vec![],
            owner: owner.map(str::to_owned),
            vested: vec![],
            limit: None,
            created_at: None,
            expires_at: ends.map(|ends| at(u64::from(ends))),
            last_used_at: None,
            replaced_at: None,
        };
        self.store.real.put_token(&record).await.unwrap();
        digest
    }

    async fn token(&self, digest: &TokenDigest) -> TokenStanding {
        self.known.token(digest, None, self.clock.now()).await
    }

    async fn there(&self, digest: &TokenDigest) -> Arc<KnownToken> {
        match self.token(digest).await {
            TokenStanding::There(token) => token,
            other => panic!("not there: {other:?}"),
        }
    }

    fn confirm_token(&self, token: &KnownToken) -> Confirm {
        self.known.confirm_token(token, self.clock.now())
    }

    fn confirm(&self, session: &KnownSession) -> Confirm {
        self.known.confirm(session, IDLE, self.clock.now())
    }

    /// Tells, and waits until it was heard.
    async fn told(&self, change: Change) {
        self.tell.send(change).await.unwrap();
        eventually(|| self.tell.capacity() == self.tell.max_capacity()).await;
        tokio::task::yield_now().await;
    }
}

async fn eventually(mut what: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it did not come to that");
}

#[tokio::test]
async fn a_session_is_read_once_and_then_confirmed() {
    let scene = Scene::new(GRACE).await;
    let ada = scene.live(1).await;
    assert_eq!((ada.user.id.as_str(), ada.expires_at), ("ada", at(28_800)));
    scene.live(1).await;
    assert_eq!(scene.confirm(&ada), Confirm::Holds);
    assert_eq!(scene.read(), 1);
    assert!(scene.known.healthy());
    assert!(matches!(scene.ask(99).await, Standing::Ended));
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_look_and_its_failure() {
    let scene = Scene::new(GRACE).await;
    for (fails, looks) in [(true, 1), (false, 2)] {
        scene.fail(fails);
        let gate = scene.store.gate.write().await;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let known = Arc::clone(&scene.known);
            asking.spawn(async move { known.session(&sid(1), at(5)).await });
        }
        eventually(|| scene.read() == looks).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(gate);
        for standing in asking.join_all().await {
            assert_eq!(matches!(standing, Standing::Live(_)), !fails, "{standing:?}");
            assert_eq!(matches!(standing, Standing::Unchecked), fails, "{standing:?}");
        }
        assert_eq!(scene.read(), looks);
    }
}

#[tokio::test]
async fn who_looks_may_be_cancelled_and_another_takes_over() {
    let scene = Scene::new(GRACE).await;
    let gate = scene.store.gate.write().await;
    let ask = || {
        let known = Arc::clone(&scene.known);
        tokio::spawn(async move { known.session(&sid(1), at(5)).await })
    };
    let leader = ask();
    eventually(|| scene.read() == 1).await;
    let follower = ask();
    tokio::time::sleep(Duration::from_millis(10)).await;
    leader.abort();
    eventually(|| scene.read() == 2).await;
    drop(gate);
    assert!(matches!(follower.await.unwrap(), Standing::Live(_)));
}

#[tokio::test]
async fn what_ended_stays_ended_while_the_store_is_away() {
    let scene = Scene::new(GRACE).await;
    let (ada, bob) = (scene.live(1).await, scene.live(2).await);
    scene.told(Change::Session(sid(1))).await;
    scene.told(Change::Silent).await;
    scene.fail(true);
    assert_eq!(scene.confirm(&ada), Confirm::Ended);
    assert!(matches!(scene.ask(1).await, Standing::Ended));
    assert_eq!(scene.confirm(&bob), Confirm::Holds);
    scene.known.ended(&sid(2));
    assert_eq!(scene.confirm(&bob), Confirm::Ended);
}

#[tokio::test]
async fn a_revocation_wins_over_a_look_under_way() {
    for locally in [true, false] {
        let scene = Scene::new(GRACE).await;
        let gate = scene.store.gate.write().await;
        let known = Arc::clone(&scene.known);
        let asking = tokio::spawn(async move { known.session(&sid(1), at(5)).await });
        eventually(|| scene.read() == 1).await;
        // The record was read, and is on its way.
        assert!(scene.store.end_session(&sid(1)).await.unwrap());
        if locally {
            scene.known.ended(&sid(1));
        } else {
            scene.told(Change::Session(sid(1))).await;
        }
        drop(gate);
        assert!(matches!(asking.await.unwrap(), Standing::Ended));
        assert!(matches!(scene.ask(1).await, Standing::Ended));
    }
}

#[tokio::test]
async fn a_change_to_the_user_wins_over_a_look_under_way() {
    let scene = Scene::new(GRACE).await;
    scene.live(1).await;
    scene.known.user_changed("ada");
    let gate = scene.store.gate.write().await;
    let known = Arc::clone(&scene.known);
    let asking = tokio::spawn(async move { known.session(&sid(1), at(5)).await });
    eventually(|| scene.read() == 2).await;
    scene.store.set_disabled("ada", true).await.unwrap();
    scene.told(Change::User("ada".into())).await;
    drop(gate);
    assert!(matches!(asking.await.unwrap(), Standing::Ended));
}

#[tokio::test]
async fn a_grant_counts_from_the_next_request() {
    let scene = Scene::new(GRACE).await;
    let (ada, bob) = (scene.live(1).await, scene.live(2).await);
    scene.store.grant("ada", "ops").await.unwrap();
    scene.told(Change::User("ada".into())).await;
    assert_eq!(scene.confirm(&ada), Confirm::Stale);
    assert_eq!(scene.confirm(&bob), Confirm::Holds);
    let ada = scene.live(1).await;
    assert_eq!(ada.user.granted, ["ops"]);
    assert_eq!(scene.confirm(&ada), Confirm::Holds);

    // Told, and then the store cannot be asked what: closed.
    scene.known.user_changed("ada");
    scene.fail(true);
    assert_eq!(scene.confirm(&ada), Confirm::Stale);
    assert!(matches!(scene.ask(1).await, Standing::Unchecked));
    scene.fail(false);
    scene.live(1).await;
}

#[tokio::test]
async fn a_disabled_user_is_out() {
    let scene = Scene::new(GRACE).await;
    let ada = scene.live(1).await;
    scene.store.set_disabled("ada", true).await.unwrap();
    scene.known.user_changed("ada");
    assert_eq!(scene.confirm(&ada), Confirm::Stale);
    assert!(matches!(scene.ask(1).await, Standing::Ended));
}

#[tokio::test]
async fn in_silence_known_sessions_hold_for_the_grace() {
    let scene = Scene::new(GRACE).await;
    let ada = scene.live(1).await;
    scene.fail(true);
    scene.told(Change::Silent).await;
    assert!(!scene.known.healthy());
    assert!(matches!(scene.ask(2).await, Standing::Unchecked), "unknown, and nobody to ask");
    scene.clock.advance(GRACE - Duration::from_millis(1));
    assert_eq!(scene.confirm(&ada), Confirm::Holds);
    assert!(matches!(scene.ask(1).await, Standing::Live(_)));
    // Silence told again does not begin again.
    scene.told(Change::Silent).await;
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.confirm(&ada), Confirm::Unchecked);
    assert!(matches!(scene.ask(1).await, Standing::Unchecked));

    // Back: everything is looked at again, and nothing before.
    assert!(scene.store.real.end_session(&sid(1)).await.unwrap());
    scene.fail(false);
    scene.told(Change::Everything).await;
    scene.told(Change::Telling).await;
    assert!(scene.known.healthy());
    assert_eq!(scene.confirm(&ada), Confirm::Stale);
    assert!(matches!(scene.ask(1).await, Standing::Ended));
    let bob = scene.live(2).await;
    assert_eq!(scene.confirm(&bob), Confirm::Holds);
}

#[tokio::test]
async fn without_grace_silence_is_the_end_at_once() {
    let scene = Scene::new(Duration::ZERO).await;
    let ada = scene.live(1).await;
    assert_eq!(scene.confirm(&ada), Confirm::Holds);
    scene.told(Change::Silent).await;
    assert_eq!(scene.confirm(&ada), Confirm::Unchecked);
    assert!(matches!(scene.ask(1).await, Standing::Unchecked));
}

#[tokio::test]
async fn a_clock_set_back_extends_no_grace_and_no_session() {
    let scene = Scene::new(Duration::from_millis(50)).await;
    let (ada, bob) = (scene.live(1).await, scene.live(2).await);
    scene.clock.set(at(28_800));
    assert_eq!(scene.confirm(&ada), Confirm::Ended);
    scene.clock.set(at(10));
    assert_eq!(scene.confirm(&ada), Confirm::Ended, "over is over");
    assert!(matches!(scene.ask(1).await, Standing::Ended));

    assert_eq!(scene.confirm(&bob), Confirm::Holds);
    scene.told(Change::Silent).await;
    scene.clock.set(NOW);
    eventually(|| scene.confirm(&bob) == Confirm::Unchecked).await;
}

#[tokio::test]
async fn a_store_that_is_gone_for_good_is_silent_for_good() {
    let scene = Scene::new(Duration::from_millis(50)).await;
    let ada = scene.live(1).await;
    let Scene { known, clock, tell, .. } = scene;
    drop(tell);
    eventually(|| !known.healthy()).await;
    clock.set(NOW);
    eventually(|| known.confirm(&ada, IDLE, clock.now()) == Confirm::Unchecked).await;
}

#[tokio::test]
async fn an_idle_session_ends_unless_another_replica_saw_it() {
    let scene = Scene::new(GRACE).await;
    let ada = scene.live(1).await;
    assert_eq!(scene.confirm(&ada), Confirm::Holds);
    scene.clock.advance(Duration::from_secs(3600));
    assert_eq!(scene.confirm(&ada), Confirm::Holds, "the limit itself is in time");
    assert_eq!(ada.last_seen(), scene.clock.now());

    scene.clock.advance(Duration::from_secs(3601));
    let elsewhere = scene.clock.now().minus(Duration::from_secs(30));
    scene.store.touch(&[(Used::Session(sid(1)), elsewhere)]).await.unwrap();
    assert_eq!(scene.confirm(&ada), Confirm::Stale);
    let ada = scene.live(1).await;
    assert_eq!(ada.last_seen(), elsewhere);
    assert_eq!(scene.confirm(&ada), Confirm::Holds);

    scene.clock.advance(Duration::from_secs(3601));
    assert_eq!(scene.confirm(&ada), Confirm::Stale);
    let ada = scene.live(1).await;
    assert_eq!(scene.confirm(&ada), Confirm::Ended);
    scene.clock.set(at(100));
    assert_eq!(scene.confirm(&ada), Confirm::Ended);
    assert!(matches!(scene.ask(1).await, Standing::Ended));

    assert_eq!(
        scene.known.confirm(&*scene.live(2).await, None, at(20_000)),
        Confirm::Holds,
        "idle may be off"
    );
}

#[tokio::test]
async fn last_seen_is_written_behind_and_kept_when_it_cannot_be() {
    let scene = Scene::new(GRACE).await;
    let (ada, bob) = (scene.live(1).await, scene.live(2).await);
    scene.clock.set(at(60));
    assert_eq!((scene.confirm(&ada), scene.confirm(&bob)), (Confirm::Holds, Confirm::Holds));
    scene.fail(true);
    scene.known.flush().await;
    scene.clock.set(at(90));
    assert_eq!(scene.confirm(&ada), Confirm::Holds);
    scene.fail(false);
    scene.known.flush().await;
    let seen = |n| {
        let real = Arc::clone(&scene.store.real);
        async move { real.session(&sid(n), at(90)).await.unwrap().unwrap().last_seen_at }
    };
    assert_eq!((seen(1).await, seen(2).await), (at(90), at(60)));

    // What was seen here and not yet written survives a new look at the store.
    scene.clock.set(at(120));
    assert_eq!(scene.confirm(&ada), Confirm::Holds);
    scene.known.user_changed("ada");
    assert_eq!(scene.live(1).await.last_seen(), at(120));
    scene.clock.set(at(100));
    assert_eq!(scene.confirm(&*scene.live(1).await), Confirm::Holds);
    assert_eq!(ada.last_seen(), at(120), "never back");
}

#[tokio::test]
async fn a_sign_in_warms_what_is_known_unless_something_changed_meanwhile() {
    let scene = Scene::new(GRACE).await;
    let user = scene.store.user("ada").await.unwrap().unwrap();
    let began = scene.clock.now();
    let user = UserRecord { last_seen: began, ..user };
    let opened = SessionRecord { created_at: began, ..session(7, "ada") };
    scene.store.open_session(&opened).await.unwrap();
    scene.known.session_opened(&opened, &user);
    let known = scene.live(7).await;
    assert_eq!((scene.read(), scene.confirm(&known)), (0, Confirm::Holds));

    // Between the sign-in and now her session was ended and a role granted elsewhere: both told already.
    let opened = SessionRecord { id: sid(8), ..opened };
    scene.store.open_session(&opened).await.unwrap();
    scene.store.end_session(&sid(8)).await.unwrap();
    scene.told(Change::Session(sid(8))).await;
    scene.known.session_opened(&opened, &user);
    assert!(matches!(scene.ask(8).await, Standing::Ended));

    let opened = SessionRecord { id: sid(9), ..opened };
    scene.store.open_session(&opened).await.unwrap();
    scene.store.grant("ada", "ops").await.unwrap();
    scene.told(Change::User("ada".into())).await;
    scene.known.session_opened(&opened, &user);
    assert_eq!(scene.live(9).await.user.granted, ["ops"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_and_a_restart() {
    let file = File::new();
    let (one, two) = (file.open().await, file.open().await);
    user_with(&*one, "ada", &[1, 2]).await;
    let clock = Arc::new(ManualClock::at(at(5)));
    let here = Known::start(Arc::clone(&one), GRACE, Arc::clone(&clock) as _);
    let there = Known::start(Arc::clone(&two), GRACE, Arc::clone(&clock) as _);
    let Standing::Live(session) = there.session(&sid(1), at(5)).await else { panic!("not live") };
    assert_eq!(there.confirm(&session, IDLE, at(5)), Confirm::Holds);

    one.end_session(&sid(1)).await.unwrap();
    here.ended(&sid(1));
    assert!(matches!(here.session(&sid(1), at(5)).await, Standing::Ended));
    let told = tokio::time::timeout(Duration::from_secs(1), async {
        while there.confirm(&session, IDLE, at(5)) != Confirm::Ended {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    told.await.expect("told within a second");

    drop((here, there, one, two));
    let again = Known::start(file.open().await, GRACE, clock);
    assert!(matches!(again.session(&sid(1), at(6)).await, Standing::Ended));
    assert!(matches!(again.session(&sid(2), at(6)).await, Standing::Live(_)));
}

#[tokio::test]
async fn a_token_is_read_once_and_one_that_is_unknown_once_a_second() {
    let scene = Scene::new(GRACE).await;
    let digest = scene.make(1, None, Some(60)).await;
    let token = scene.there(&digest).await;
    scene.there(&digest).await;
    assert_eq!((scene.confirm_token(&token), scene.read()), (Confirm::Holds, 1));
    let unknown = TokenDigest::new([9; 32]);
    for looks in [2, 2, 3] {
        if looks == 3 {
            scene.clock.advance(Duration::from_secs(1));
        }
        assert!(matches!(scene.token(&unknown).await, TokenStanding::Absent));
        assert_eq!(scene.read(), looks);
    }
    // A clock set back hides no new token.
    scene.clock.set(at(4));
    scene.make(9, None, None).await;
    scene.there(&unknown).await;
}

#[tokio::test]
async fn a_token_ends_by_its_record_whatever_the_store_says() {
    let scene = Scene::new(GRACE).await;
    let digest = scene.make(1, None, Some(60)).await;
    let token = scene.there(&digest).await;
    scene.clock.set(at(60));
    assert_eq!(scene.confirm_token(&token), Confirm::Ended);
    scene.store.keeps.store(true, Ordering::SeqCst);
    assert!(matches!(scene.token(&digest).await, TokenStanding::Absent));
}

#[tokio::test]
async fn many_who_bring_the_same_token_share_one_look() {
    let scene = Scene::new(GRACE).await;
    let digest = scene.make(1, None, None).await;
    let gate = scene.store.gate.write().await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let known = Arc::clone(&scene.known);
        asking.spawn(async move { known.token(&digest, None, at(5)).await });
    }
    eventually(|| scene.read() == 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(gate);
    assert!(asking.join_all().await.iter().all(|standing| matches!(standing, TokenStanding::There(_))));
    assert_eq!(scene.read(), 1);
}

#[tokio::test]
async fn a_revocation_wins_over_a_token_under_way_and_over_the_grace() {
    let scene = Scene::new(GRACE).await;
    let (one, two) = (scene.make(1, None, None).await, scene.make(2, None, None).await);
    let known = scene.there(&two).await;
    let gate = scene.store.gate.write().await;
    let asking = {
        let known = Arc::clone(&scene.known);
        tokio::spawn(async move { known.token(&one, None, at(5)).await })
    };
    eventually(|| scene.read() == 2).await;
    assert!(scene.store.real.revoke_token(&one).await.unwrap());
    scene.told(Change::Token(one)).await;
    drop(gate);
    assert!(matches!(asking.await.unwrap(), TokenStanding::Absent));
    // The store goes away: what was revoked before is not let in, what was known goes on, for the grace.
    scene.told(Change::Silent).await;
    scene.fail(true);
    assert_eq!(scene.confirm_token(&known), Confirm::Holds);
    scene.known.token_changed(&two);
    assert_eq!(scene.confirm_token(&known), Confirm::Stale);
    assert!(matches!(scene.token(&two).await, TokenStanding::Unchecked));
}

#[tokio::test]
async fn known_tokens_go_on_for_the_grace_and_unknown_ones_do_not() {
    let scene = Scene::new(GRACE).await;
    let (one, two) = (scene.make(1, Some("ada"), None).await, scene.make(2, None, None).await);
    let known = scene.there(&one).await;
    scene.told(Change::Silent).await;
    scene.fail(true);
    scene.clock.advance(GRACE - Duration::from_millis(1));
    assert_eq!(scene.confirm_token(&known), Confirm::Holds);
    scene.there(&one).await;
    assert!(matches!(scene.token(&two).await, TokenStanding::Unchecked));
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!(scene.confirm_token(&known), Confirm::Unchecked);
    assert!(matches!(scene.token(&one).await, TokenStanding::Unchecked));
}

#[tokio::test]
async fn a_token_follows_its_owner() {
    let scene = Scene::new(GRACE).await;
    let digest = scene.make(1, Some("ada"), None).await;
    let before = scene.there(&digest).await;
    scene.store.grant("ada", "ops").await.unwrap();
    scene.told(Change::User("ada".into())).await;
    assert_eq!(scene.confirm_token(&before), Confirm::Stale);
    let after = scene.there(&digest).await;
    assert_eq!(after.owner.as_ref().unwrap().granted, ["ops"]);
    scene.store.set_disabled("ada", true).await.unwrap();
    scene.told(Change::User("ada".into())).await;
    let disabled = scene.there(&digest).await;
    assert_eq!(scene.confirm_token(&disabled), Confirm::Ended);
    let nobodys = scene.make(2, Some("gone"), None).await;
    assert!(matches!(scene.token(&nobodys).await, TokenStanding::Absent));
}
