use super::*;

const POLICY: &str = "\
roles: { staff: [\"reports:read\"], boss: [\"*\"] }
services:
  ws: { hosts: [ws.test], authenticated: true, origins: [\"https://app.test\"] }
  narrow: { hosts: [narrow.test], authenticated: true, audiences: [narrow-api] }
  raw: { hosts: [raw.test], roles: [boss], paths: opaque }
  app:
    hosts: [app.test]
    roles: [staff]
    preflight: true
    endpoints: [{ path: \"/a b\", roles: [boss] }, { path: \"/write/**\", permission: \"reports:write\" }]
";

fn policy() -> Policy {
    Policy::parse("policy.yaml", POLICY).unwrap()
}

fn line(members: &str) -> Recorded {
    let log = format!(r#"{{"event":"decision","decision_id":"d1","time":"t","method":"GET",{members}}}"#);
    find(log.as_bytes(), "d1").unwrap().unwrap()
}

/// What the policy says to the request of a line, and whether that is what was said then.
fn explained(members: &str) -> (String, bool) {
    let recorded = line(members);
    let explanation = recorded.explain(&policy()).unwrap();
    let missing = explanation.missing.clone().unwrap_or_default();
    (format!("{}: {missing}", explanation.decision), recorded.differs_from(&explanation))
}

#[test]
fn a_line_is_found_by_its_id_whatever_is_around_it() {
    let log = "\u{feff}starting {\n\n\
        {\"event\":\"decision\",\"decision_id\":\"d10\",\"outcome\":\"allowed\"}\n\
        {\"event\":\"session\",\"decision_id\":\"d1\"}\n\
        {\"event\":\"decision\",\"decision_id\":\"other\",\"path\":\"/d1\"}\n\
        doorward-1  | 2026 {\"event\":\"decision\",\"decision_id\":\"d1\",\"outcome\":\"forbidden\",\"new\":[1]}\r\n";
    assert_eq!(find(log.as_bytes(), "d1").unwrap().unwrap().outcome, "forbidden");
    assert!(find(log.as_bytes(), "d2").unwrap().is_none());
    let odd = [b"\xff\xfe\n".as_slice(), log.as_bytes()].concat();
    assert!(find(odd.as_slice(), "d1").unwrap().is_some());
}

#[test]
fn the_line_has_all_that_the_decision_hung_on() {
    let same = |text: &str| (text.to_owned(), false);
    let known = r#""user_id":"u","roles":["staff"]"#;
    for (members, expected) in [
        (format!(r#""host":"app.test","path":"/x","outcome":"allowed","rule":"app",{known}"#), "allow: "),
        (
            format!(r#""host":"app.test","path":"/a b","outcome":"forbidden","rule":"app /a b",{known}"#),
            "deny: the role boss",
        ),
        (
            format!(
                r#""host":"app.test","path":"/write/100%","outcome":"forbidden","rule":"app /write/**",{known}"#
            ),
            "deny: the permission reports:write",
        ),
        (
            r#""host":"app.test","path":"/x","outcome":"challenged","rule":"app""#.to_owned(),
            "login: a sign-in",
        ),
        (
            r#""host":"app.test","path":"/x","outcome":"unauthorized","rule":"app""#.to_owned(),
            "invalid: a valid credential",
        ),
        (
            r#""host":"app.test","path":"/x","outcome":"unavailable","rule":"app""#.to_owned(),
            "unavailable: an answer about the credential",
        ),
        (
            format!(r#""host":"app.test","path":"/x/..%2fy","outcome":"unreadable",{known}"#),
            "unreadable: the path has an encoded slash",
        ),
        (
            format!(r#""host":"raw.test","path":"/a%2fb","outcome":"forbidden","rule":"raw",{known}"#),
            "deny: the role boss",
        ),
        (
            format!(
                r#""host":"ws.test","path":"/","outcome":"forbidden","rule":"ws","websocket":"https://evil.test",{known}"#
            ),
            "deny: an origin that the service lists",
        ),
        (
            format!(
                r#""host":"ws.test","path":"/","outcome":"allowed","rule":"ws","websocket":"https://app.test",{known}"#
            ),
            "allow: ",
        ),
        (
            format!(
                r#""host":"narrow.test","path":"/","outcome":"forbidden","rule":"narrow","audiences":["api"],{known}"#
            ),
            "deny: a token that is meant for this service",
        ),
        (
            r#""host":"nowhere.test","path":"/","outcome":"forbidden""#.to_owned(),
            "deny: a rule that covers it",
        ),
    ] {
        assert_eq!(explained(&members), same(expected), "{members}");
    }
    let preflight =
        line(r#""host":"app.test","path":"/x","outcome":"anonymous","rule":"app","preflight":true"#);
    let preflight = Recorded { method: Some("OPTIONS".into()), ..preflight };
    assert_eq!(preflight.explain(&policy()).unwrap().decision, "allow");
}

#[test]
fn another_policy_than_then_is_noticed() {
    let asked = r#""host":"app.test","path":"/x","user_id":"u","roles":["staff"]"#;
    assert!(explained(&format!(r#"{asked},"outcome":"forbidden","rule":"app""#)).1, "another answer");
    assert!(explained(&format!(r#"{asked},"outcome":"allowed","rule":"old""#)).1, "another rule");
    assert!(explained(&format!(r#"{asked},"outcome":"allowed""#)).1, "a rule where the default spoke");
}

#[test]
fn what_cannot_be_explained_is_told() {
    let why = |members: &str| line(members).explain(&policy()).unwrap_err();
    assert!(
        matches!(why(r#""outcome":"bad_request","reason":"a header is missing""#), NotExplained::NoTarget(why) if why == "a header is missing")
    );
    assert!(matches!(why(r#""outcome":"forbidden","host":"app.test""#), NotExplained::NoTarget(_)));
    let cut = format!(r#""outcome":"forbidden","host":"app.test","path":"/{}…""#, "x".repeat(MAX_VALUE - 1));
    assert_eq!(why(&cut), NotExplained::Cut);
    let old = r#""outcome":"forbidden","host":"app.test","path":"/x","user_id":"u""#;
    assert_eq!(why(old), NotExplained::NoRoles);
    assert!(matches!(
        why(r#""outcome":"forbidden","host":"a b","path":"/x""#),
        NotExplained::Target(TargetError::Host)
    ));
}

/// Every path with one reading comes back from its line as it was decided on.
#[test]
fn decoded_paths_are_encoded_to_the_same() {
    for uri in
        ["/", "/caf%C3%A9/a%20b", "/100%25", "/%25x%25", "/a%3Fb%23c;d=1", "/~a/(1)/a,b;v=1", "/%22%3C%5B"]
    {
        let parse = |uri: &str| Target::parse(b"GET", b"https", b"app.test", uri.as_bytes()).unwrap();
        let target = parse(uri);
        assert_eq!(target.ambiguity(), None, "{uri}");
        assert_eq!(parse(&encode(target.path())).path(), target.path(), "{uri}");
    }
}
