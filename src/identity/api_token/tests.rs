use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::config;

fn rules(max_ttl: Option<u64>) -> config::Tokens {
    config::Tokens {
        pepper: None,
        previous_pepper: None,
        previous_pepper_until: None,
        default_ttl: max_ttl.map(Duration::from_secs),
        max_ttl: max_ttl.map(Duration::from_secs),
        self_service: true,
    }
}

fn peppers() -> Peppers {
    Peppers::new(SecretString::from("a pepper of the tests"), None)
}

fn new(asked: &Asked, owner: Option<&Owner>, max_ttl: Option<u64>) -> Result<NewToken, Vec<FieldFault>> {
    NewToken::new(asked, owner, &rules(max_ttl), |role| role != "public" && !role.contains(','))
}

fn faults(asked: &Asked, owner: Option<&Owner>, max_ttl: Option<u64>) -> Vec<&'static str> {
    new(asked, owner, max_ttl).unwrap_err().into_iter().map(|fault| fault.field).collect()
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_token_passes_its_own_check_and_its_neighbours_do_not() {
    let plain = Plain::new().unwrap();
    let text = plain.expose();
    assert_eq!(text.len(), 36);
    assert!(is_well_formed(text) && Plain::parse(text).unwrap().expose() == text);
    assert_eq!(format!("{plain:?}"), "Plain(dw_…)");
    for n in 0..text.len() {
        assert!(!is_well_formed(&text[..n]), "the first {n}");
        let mut other = text.to_owned();
        let with = if text.as_bytes()[n] == b'a' { "b" } else { "a" };
        other.replace_range(n..=n, with);
        assert!(!is_well_formed(&other), "another letter at {n}");
    }
    let swapped = |from: usize| {
        let other = Plain::new().unwrap();
        format!("{}{}", &text[..from], &other.expose()[from..])
    };
    for wrong in [
        format!("{text}a"),
        format!("{text}="),
        format!(" {text}"),
        format!("{text} "),
        format!("\"{text}\""),
        format!("{text}%20"),
        text.to_ascii_lowercase(),
        text.to_ascii_uppercase(),
        text.replace("dw_", "dw%5F"),
        format!("dw_{text}"),
        swapped(12),
        swapped(30),
        "dw_".to_owned(),
        "dw_ä".repeat(9),
        String::new(),
    ] {
        assert!(!is_well_formed(&wrong), "{wrong:?}");
    }
}

#[test]
fn the_checksum_is_the_crc_that_everybody_has() {
    // The check value of CRC-32/ISO-HDLC is 0xCBF43926 for these digits.
    let number = checksum("123456789").bytes().fold(0_u64, |number, digit| {
        number * 62 + ALPHABET.iter().position(|letter| *letter == digit).unwrap() as u64
    });
    assert_eq!(number, 0xCBF4_3926);
}

#[test]
fn the_digest_is_of_the_token_and_then_the_pepper() {
    let until = Timestamp::from_secs(100);
    let previous = (SecretString::from("and an older one"), until);
    let peppers = Peppers::new(SecretString::from("pepper"), Some(previous));
    // printf 'dw_xpepper' | sha256sum
    let expected = "ab10763f69fe7a3fef56a93135da45e4f9d76fe77d89becfce086b4e6fe34904";
    assert_eq!(peppers.digest("dw_x").to_string(), expected);
    let digests = peppers.digests("dw_x", Timestamp::from_secs(99));
    assert_eq!(digests.current.to_string(), expected);
    assert!(digests.previous.is_some_and(|previous| previous != digests.current));
    assert_eq!(peppers.digests("dw_x", until).previous, None, "its time is over");
    assert!(!format!("{peppers:?}").contains("pepper"));
}

#[test]
fn a_pepper_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let one = Peppers::open(&rules(None), dir.path()).unwrap();
    let two = Peppers::open(&rules(None), dir.path()).unwrap();
    assert_eq!(one.digest("x"), two.digest("x"));
    let elsewhere = tempfile::tempdir().unwrap();
    assert_ne!(one.digest("x"), Peppers::open(&rules(None), elsewhere.path()).unwrap().digest("x"));
    let kept = std::fs::read_dir(dir.path().join("keys")).unwrap().count();
    assert_eq!(kept, 1, "nothing is left beside it");
}

#[test]
fn hosts_end_where_their_names_end() {
    let hosts = Hosts::new(&["API.example.test", " *.apps.example.test ", "api.example.test:8443", "[::1]"]);
    for good in ["api.example.test", "secret.apps.example.test", "a.b.apps.example.test", "[::1]"] {
        assert!(hosts.cover(good), "{good}");
    }
    for wrong in [
        "apps.example.test",
        "xapi.example.test",
        "api.example.test.evil.test",
        "xapps.example.test",
        ".apps.example.test",
        "app.example.test",
        "",
    ] {
        assert!(!hosts.cover(wrong), "{wrong}");
    }
    assert!(Hosts::new(&["*"]).cover("anything.test"));
    assert!(!Hosts::new::<&str>(&[]).cover("anything.test"));
    for wrong in
        ["", ".", "*.", "**", "*.*", "a b", "http://a", "a/b", "*.10.0.0.1", "a:1", "a*.b", "*x", "_a.b"]
    {
        assert_eq!(host_pattern(wrong), None, "{wrong}");
    }
    assert_eq!(host_pattern("Bücher.example").as_deref(), Some("xn--bcher-kva.example"));
}

#[test]
fn every_fault_names_its_field() {
    let asked = Asked {
        name: Some("a\nb".into()),
        email: Some("nobody".into()),
        comment: Some("x".repeat(501)),
        hosts: texts(&["app.example.com", "http://a"]),
        roles: texts(&["fine", "public", "a,b"]),
        scopes: texts(&["admin", "root"]),
        ttl_seconds: Some(-1),
        limit: Some(-1),
    };
    assert_eq!(
        faults(&asked, None, None),
        ["name", "email", "comment", "hosts", "roles", "roles", "scopes", "ttl_seconds", "limit"]
    );
    let roles: Vec<String> = (0..60).map(|n| format!("{n:0100}")).collect();
    assert_eq!(faults(&Asked { roles, ..Asked::default() }, None, None), ["roles"]);
    let hosts: Vec<String> = (0..101).map(|n| format!("h{n}.test")).collect();
    assert_eq!(faults(&Asked { hosts, ..Asked::default() }, None, None), ["hosts"]);
}

#[test]
fn a_token_lives_as_long_as_the_operator_lets_it() {
    let now = Timestamp::from_secs(1000);
    let end = |ttl_seconds, max| {
        let asked = Asked { ttl_seconds, ..Asked::default() };
        let new = new(&asked, None, max).map_err(|faults| faults[0].field)?;
        Ok::<_, &str>(new.mint(&peppers(), now).unwrap().1.expires_at.map(Timestamp::secs))
    };
    assert_eq!(end(None, None), Ok(None));
    assert_eq!(end(Some(0), None), Ok(None));
    assert_eq!(end(Some(60), None), Ok(Some(1060)));
    assert_eq!(end(None, Some(3600)), Ok(Some(4600)));
    assert_eq!(end(Some(3600), Some(3600)), Ok(Some(4600)));
    for (ttl, max) in [(3601, Some(3600)), (0, Some(3600)), (-1, None), (i64::MIN, None), (i64::MAX, None)] {
        assert_eq!(end(Some(ttl), max), Err("ttl_seconds"), "{ttl}");
    }
}

#[test]
fn nobody_makes_themselves_more_than_they_are() {
    let owner = Owner {
        user_id: "a-1".into(),
        email: Some("ada@example.com".into()),
        roles: texts(&["granted", "staff"]),
        vested: texts(&["staff"]),
    };
    let fine = Asked {
        name: Some(" laptop ".into()),
        hosts: texts(&["App.example.com", "app.example.com."]),
        roles: texts(&["staff", "granted", "staff"]),
        email: Some("somebody@else.example".into()),
        ..Asked::default()
    };
    let (_, record) =
        new(&fine, Some(&owner), None).unwrap().mint(&peppers(), Timestamp::from_secs(0)).unwrap();
    assert_eq!(record.name.as_deref(), Some("ada@example.com/laptop"));
    assert_eq!(record.email, owner.email);
    assert_eq!(record.owner.as_deref(), Some("a-1"));
    assert_eq!(record.hosts, ["app.example.com"]);
    assert_eq!(
        (record.roles.clone(), record.vested.clone()),
        (texts(&["granted", "staff"]), texts(&["staff"]))
    );
    assert_eq!(record.stable_id(), record.digest.to_string()[..16]);

    let with = |change: fn(&mut Asked)| {
        let mut asked = fine.clone();
        change(&mut asked);
        faults(&asked, Some(&owner), None)
    };
    assert_eq!(with(|asked| asked.roles.push("admin".into())), ["roles"]);
    assert_eq!(with(|asked| asked.scopes.push("authorize".into())), ["scopes"]);
    assert_eq!(with(|asked| asked.limit = Some(0)), ["limit"]);
    assert_eq!(with(|asked| asked.name = None), ["name"]);
    assert_eq!(with(|asked| asked.name = Some("root@example.com".into())), ["name"]);
}
