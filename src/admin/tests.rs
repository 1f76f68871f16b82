//! The actions against a real store, by somebody at the desk.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;
use crate::identity::api_token::Asked;
use crate::identity::ids;
use crate::identity::seal::KeyRing;
use crate::policy::ADMIN_ROLE;
use crate::policy::Policy;
use crate::store::activity::{Activity, ActivityFilter};
use crate::store::sqlite::SqliteStore;
use crate::store::token::{TokenFilter, TokenOrder};
use crate::store::{SessionRecord, SignIn, UserOrder};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const POLICY: &str = "\
roles: { reader: [read], writer: [write] }
assign:
  - { role: reader, email: ada@example.com, provider: p0 }
  - { role: reader, email: ada@example.com, provider: p1 }
services:
  app: { hosts: [app.example.test], roles: [reader, writer] }
";

struct Office {
    desk: Desk,
    dir: TempDir,
}

impl Office {
    async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("doorward.yaml");
        std::fs::write(&file, format!("data_dir: {}\n", dir.path().display())).unwrap();
        let config = Arc::new(Config::load(Some(&file), &BTreeMap::new()).unwrap());
        let store = SqliteStore::open(&dir.path().join("test.db")).await.unwrap();
        let ring = KeyRing::from_base64(&[KeyRing::new_root().unwrap()]).unwrap();
        let policy = Policy::parse_and_try("policy.yaml", POLICY).unwrap();
        let desk = Desk {
            store: Arc::new(store),
            known: None,
            policy: Arc::new(LivePolicy::fixed(policy)),
            audit: Arc::new(
                Audit::open(config.audit.decisions, Some(&dir.path().join("audit.log"))).unwrap(),
            ),
            peppers: Arc::new(Peppers::open(&config.tokens, dir.path()).unwrap()),
            handles: SessionHandles::new(&ring).unwrap(),
            config,
        };
        let office = Self { desk, dir };
        office.signs_in("a-1", "p0", "ada@example.com").await;
        office.signs_in("g-1", "p0", "grace@example.com").await;
        office
    }

    async fn signs_in(&self, id: &str, provider: &str, email: &str) -> SessionId {
        let who = SignIn {
            user_id: id.into(),
            provider: provider.into(),
            subject: id.into(),
            email: Some(email.into()),
            name: None,
        };
        self.desk.store.sign_in(&who, NOW).await.unwrap();
        let session = SessionRecord {
            id: ids::session_id().unwrap(),
            user_id: id.into(),
            provider: provider.into(),
            subject: id.into(),
            provider_sid: None,
            created_at: NOW,
            last_seen_at: NOW,
            expires_at: NOW.plus(std::time::Duration::from_secs(3600)),
            address: Some("203.0.113.9".into()),
            agent: None,
            logout_hint: None,
        };
        self.desk.store.open_session(&session).await.unwrap();
        session.id
    }

    fn root(&self) -> Admin<'_> {
        self.desk.seat(Actor::Password("root".into()), NOW, None, Some("r-1"))
    }

    fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir.path().join("audit.log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn actions(&self) -> Vec<String> {
        self.log().iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect()
    }
}

fn fields(refusal: Refusal) -> Vec<(&'static str, String)> {
    match refusal {
        Refusal::Faults(faults) => faults.into_iter().map(|fault| (fault.field, fault.problem)).collect(),
        other => panic!("{other:?}"),
    }
}

fn asked(name: &str) -> Asked {
    Asked { name: Some(name.into()), hosts: vec!["app.example.test".into()], ..Asked::default() }
}

#[actix_web::test]
async fn roles_are_granted_by_id_or_email_and_only_those_that_exist() {
    let office = Office::open().await;
    let root = office.root();
    assert_eq!(root.grant("ada@example.com", "writer").await.unwrap().roles, ["writer"]);
    assert_eq!(root.grant("a-1", ADMIN_ROLE).await.unwrap().roles, ["doorward-admin", "writer"]);
    assert_eq!(root.grant("a-1", "writer").await.unwrap().roles, ["doorward-admin", "writer"]);
    let (field, why) = fields(root.grant("a-1", "wirter").await.unwrap_err()).remove(0);
    assert!(field == "role" && why.contains("it knows reader, writer, and doorward-admin"), "{why}");
    for no_role in ["", "a,b", "public", "a b", "rölle"] {
        assert_eq!(fields(root.grant("a-1", no_role).await.unwrap_err())[0].0, "role", "{no_role}");
    }
    assert!(matches!(root.grant("nobody@example.com", "writer").await, Err(Refusal::NoSuch(_))));
    assert_eq!(root.ungrant("a-1", "writer").await.unwrap().roles, ["doorward-admin"]);
    assert!(matches!(root.ungrant("a-1", "reader").await, Err(Refusal::NoSuch(_))), "that is the policy's");
    let detail = root.user("ada@example.com").await.unwrap();
    assert_eq!(
        (detail.user.roles, detail.assigned),
        (vec!["doorward-admin".to_owned()], vec!["reader".to_owned()])
    );
    assert_eq!(detail.sessions.len(), 1);
    assert_eq!(office.actions(), ["role_granted", "role_granted", "role_granted", "role_revoked"]);
    let line = &office.log()[0];
    assert_eq!(
        (&line["event"], &line["actor"], &line["auth_method"], &line["target"], &line["details"]),
        (&"admin".into(), &"root".into(), &"password".into(), &"a-1".into(), &"writer".into())
    );
}

#[actix_web::test]
async fn an_email_of_several_people_names_none_of_them() {
    let office = Office::open().await;
    office.signs_in("p1/a-1", "p1", "ada@example.com").await;
    let (field, why) = fields(office.root().disable("ada@example.com").await.unwrap_err()).remove(0);
    assert!(field == "user" && why.contains("a-1") && why.contains("p1/a-1"), "{why}");
    assert!(office.root().disable("p1/a-1").await.unwrap().disabled);
    // An id that looks like somebody's e-mail takes nothing from them, and can be named all the same.
    office.signs_in("grace@example.com", "p0", "mallory@example.com").await;
    let (_, why) = fields(office.root().grant("grace@example.com", "writer").await.unwrap_err()).remove(0);
    assert!(why.contains("id:g-1") && why.contains("id:grace@example.com"), "{why}");
    assert!(office.root().disable("id:grace@example.com").await.unwrap().disabled);
    assert!(!office.root().user("g-1").await.unwrap().user.disabled);
}

#[actix_web::test]
async fn nobody_locks_themselves_out() {
    let office = Office::open().await;
    let session = office.signs_in("a-1", "p0", "ada@example.com").await;
    let actor = Actor::User { id: "a-1".into(), name: "ada".into(), session };
    let ada = office.desk.seat(actor, NOW, None, None);
    let (field, why) = fields(ada.disable("ada@example.com").await.unwrap_err()).remove(0);
    assert!(field == "user" && why.contains("yourself"), "{why}");
    assert!(ada.disable("g-1").await.unwrap().disabled);
    assert!(ada.user("g-1").await.unwrap().sessions.is_empty());
    assert!(!ada.enable("grace@example.com").await.unwrap().disabled);
    assert_eq!(office.actions(), ["user_disabled", "user_enabled"]);
}

#[actix_web::test]
async fn sessions_are_ended_by_names_that_are_not_their_own() {
    let office = Office::open().await;
    let session = office.signs_in("a-1", "p0", "ada@example.com").await;
    let actor = Actor::User { id: "a-1".into(), name: "ada".into(), session: session.clone() };
    let ada = office.desk.seat(actor, NOW, None, None);
    let list = ada.sessions("ada@", Part::default()).await.unwrap();
    assert_eq!((list.total, list.items.len()), (2, 2));
    assert_eq!(list.items.iter().filter(|session| session.current).count(), 1);
    let own = list.items.iter().find(|session| session.current).unwrap();
    assert_eq!(own.email.as_deref(), Some("ada@example.com"));
    assert!(!serde_json::to_string(&list).unwrap().contains(session.as_str()));
    assert!(matches!(ada.end_session(session.as_str()).await, Err(Refusal::NoSuch(_))));
    ada.end_session(&own.id).await.unwrap();
    assert!(matches!(ada.end_session(&own.id).await, Err(Refusal::NoSuch(_))));
    assert!(matches!(ada.end_session("nonsense").await, Err(Refusal::NoSuch(_))));
    assert_eq!(ada.sign_out_everywhere("a-1").await.unwrap(), 1);
    assert_eq!(ada.sessions("", Part::default()).await.unwrap().total, 1);
    assert_eq!(office.actions(), ["session_ended", "sessions_ended"]);
}

#[actix_web::test]
async fn a_token_is_shown_once_and_known_by_many_names() {
    let office = Office::open().await;
    let root = office.root();
    let made = root.create_token(&Asked { roles: vec!["reader".into()], ..asked("ci") }).await.unwrap();
    let secret = secrecy::ExposeSecret::expose_secret(&made.secret).to_owned();
    for name in [&*secret, &made.token.digest, &made.token.digest.to_uppercase(), &made.token.id] {
        assert_eq!(root.token(name).await.unwrap(), made.token, "{name}");
    }
    assert_eq!(root.token(&made.token.digest[..8]).await.unwrap(), made.token);
    for name in ["", "ci", "dw_x", &made.token.digest[..7], &"0".repeat(64)] {
        let Err(Refusal::NoSuch(why)) = root.token(name).await else { panic!("{name}") };
        assert!(name.is_empty() || !why.contains(name), "{why}");
    }
    assert_eq!(root.revoke_token(&secret).await.unwrap().name.as_deref(), Some("ci"));
    assert!(matches!(root.revoke_token(&secret).await, Err(Refusal::NoSuch(_))));
    let bad = Asked { roles: vec!["raeder".into()], hosts: vec!["a b".into()], ..asked("x") };
    let faulty: Vec<&str> =
        fields(root.create_token(&bad).await.unwrap_err()).into_iter().map(|(field, _)| field).collect();
    assert_eq!(faulty, ["hosts", "roles"]);
    assert_eq!(office.actions(), ["token_created", "token_revoked"]);
    assert!(!format!("{:?}", office.log()).contains(&secret));
}

#[actix_web::test]
async fn a_replaced_token_is_the_same_one_to_services() {
    let office = Office::open().await;
    let root = office.root();
    let old = root.create_token(&Asked { ttl_seconds: Some(100), ..asked("ci") }).await.unwrap();
    let later = NOW.plus(std::time::Duration::from_secs(60));
    let root_later = office.desk.seat(Actor::Shell("root".into()), later, None, None);
    let new = root_later.rotate_token(&old.token.digest, 30).await.unwrap();
    assert_eq!((&new.token.id, &new.token.hosts), (&old.token.id, &old.token.hosts));
    assert_ne!(new.token.digest, old.token.digest);
    assert_eq!(new.token.expires_at, Some(later.plus(std::time::Duration::from_secs(100))));
    let dying = root_later.token(&old.token.digest).await.unwrap();
    assert_eq!(dying.expires_at, Some(later.plus(std::time::Duration::from_secs(30))));
    assert_eq!(fields(root_later.token(&new.token.id).await.unwrap_err())[0].0, "token", "two have that id");
    root_later.rotate_token(&new.token.digest, 0).await.unwrap();
    assert!(matches!(root_later.token(&new.token.digest).await, Err(Refusal::NoSuch(_))));
    // What somebody made for themselves is nobody else's to see.
    let mut own =
        office.desk.store.token(&TokenDigest::parse(&dying.digest).unwrap(), later).await.unwrap().unwrap();
    own.owner = Some("a-1".into());
    office.desk.store.put_token(&own).await.unwrap();
    assert_eq!(fields(root_later.rotate_token(&dying.digest, 0).await.unwrap_err())[0].0, "token");
    assert_eq!(office.actions(), ["token_created", "token_rotated", "token_rotated"]);
}

#[actix_web::test]
async fn lists_come_in_parts() {
    let office = Office::open().await;
    let root = office.root();
    for n in 0..5 {
        root.create_token(&asked(&format!("t{n}"))).await.unwrap();
    }
    let part = Part { offset: 2, limit: 2 };
    let list = root.tokens(&TokenFilter::default(), TokenOrder::Name, part).await.unwrap();
    let names: Vec<_> = list.items.iter().map(|token| token.name.as_deref().unwrap()).collect();
    assert_eq!((list.total, list.offset, list.limit, names), (5, 2, 2, vec!["t2", "t3"]));
    let huge = Part { offset: 0, limit: u32::MAX };
    assert_eq!(root.users("", UserOrder::Email, huge).await.unwrap().limit, LONGEST_LIST);
    assert_eq!(root.users("GRACE", UserOrder::Email, Part::default()).await.unwrap().total, 1);
}

#[actix_web::test]
async fn requests_are_explained_for_anybody() {
    let office = Office::open().await;
    let root = office.root();
    let url = || Some("https://app.example.test/x?secret".to_owned());
    let explain =
        async |question: Question| root.explain(&question).await.map(|told| told.explanation.decision);
    let as_user = |user: &str| Question { user: Some(user.into()), url: url(), ..Question::default() };
    assert_eq!(explain(Question { url: url(), ..Question::default() }).await.unwrap(), "login");
    assert_eq!(explain(as_user("ada@example.com")).await.unwrap(), "allow");
    assert_eq!(explain(as_user("g-1")).await.unwrap(), "deny");
    assert_eq!(explain(as_user("new@example.com")).await.unwrap(), "deny");
    root.grant("g-1", "writer").await.unwrap();
    assert_eq!(explain(as_user("g-1")).await.unwrap(), "allow");
    root.disable("g-1").await.unwrap();
    assert_eq!(explain(as_user("g-1")).await.unwrap(), "invalid");
    let roles = Question { roles: vec!["reader".into()], url: url(), ..Question::default() };
    assert_eq!(explain(roles).await.unwrap(), "allow");
    let made = root.create_token(&Asked { roles: vec!["reader".into()], ..asked("ci") }).await.unwrap();
    let as_token = |url: &str| Question {
        token: Some(made.token.id.clone()),
        url: Some(url.into()),
        ..Question::default()
    };
    assert_eq!(explain(as_token("https://app.example.test/")).await.unwrap(), "allow");
    assert_eq!(explain(as_token("https://other.example.test/")).await.unwrap(), "deny");
    for wrong in ["", "app.example.test", "ftp://x/", "/x"] {
        let question = Question { url: Some(wrong.into()), ..Question::default() };
        assert_eq!(fields(root.explain(&question).await.unwrap_err())[0].0, "url", "{wrong}");
    }
}

#[actix_web::test]
async fn a_decision_of_the_past_is_explained_by_the_policy_of_now() {
    let office = Office::open().await;
    let line = serde_json::json!({
        "event": "decision", "outcome": "forbidden", "decision_id": "d-1", "method": "POST",
        "host": "app.example.test", "path": "/a b/ü", "user_id": "g-1", "scheme": "https", "roles": ["staff"], "auth_method": "session",
        "user": "grace@example.com", "time": NOW.rfc3339(),
    });
    let activity = Activity {
        at: NOW,
        event: "decision".into(),
        what: "forbidden".into(),
        who: Some("g-1".into()),
        decision_id: Some("d-1".into()),
        line: line.to_string(),
    };
    office.desk.store.note(&[activity]).await.unwrap();
    let root = office.root();
    let question = Question { decision_id: Some("d-1".into()), ..Question::default() };
    let told = root.explain(&question).await.unwrap();
    assert_eq!(told.explanation.decision, "deny");
    assert_eq!(told.explanation.request, "POST https://app.example.test/a b/ü");
    assert_eq!(told.recorded.as_ref().unwrap()["outcome"], "forbidden");
    assert_eq!((told.caller.roles, told.caller.id.as_deref()), (vec!["staff".to_owned()], Some("g-1")));
    let unknown = Question { decision_id: Some("d-2".into()), ..Question::default() };
    assert!(matches!(root.explain(&unknown).await, Err(Refusal::NoSuch(_))));
    assert_eq!(root.activity(&ActivityFilter::default(), Part::default()).await.unwrap().total, 1);
}

#[actix_web::test]
async fn the_policy_is_told_as_a_table() {
    let office = Office::open().await;
    let policy = office.root().policy();
    assert_eq!(policy.roles, ["reader", "writer"]);
    assert_eq!(policy.access.callers, ["anonymous", "signed in", "reader", "writer"]);
    let answers: Vec<_> = policy.access.callers.iter().map(|who| policy.access.rows[0].access[who]).collect();
    assert_eq!(answers, ["login", "no", "yes", "yes"]);
    assert!(policy.faults.is_empty() && policy.version == 1);
}
