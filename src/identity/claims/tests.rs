use serde_json::json;

use super::*;

fn claims(value: Value) -> Claims {
    value.as_object().unwrap().clone()
}

#[test]
fn a_path_goes_from_object_to_object_and_no_other_way() {
    let nested =
        claims(json!({"realm_access": {"roles": ["a"]}, "resource_access": {"web": {"roles": ["b"]}}}));
    assert_eq!(roles_at(&nested, "realm_access.roles", &[]), ["a"]);
    assert_eq!(roles_at(&nested, "resource_access.web.roles", &[]), ["b"]);
    for (lying, path) in [
        (json!({"realm_access.roles": ["x"]}), "realm_access.roles"),
        (json!({"realm_access": ["x"]}), "realm_access.roles"),
        (json!({"realm_access": {"roles": "x"}}), "realm_access.roles"),
        (json!({"roles": ["x"], "groups": ["x"]}), "realm_access.roles"),
        (json!({"resource_access": {"other": {"roles": ["x"]}}}), "resource_access.web.roles"),
        (json!({"roles": "x y"}), "roles"),
        (json!({"": {"": ["x"]}}), "a"),
    ] {
        assert_eq!(roles_at(&claims(lying.clone()), path, &[]), [""; 0], "{lying}");
    }
}

#[test]
fn a_name_with_an_address_in_it_is_one_name() {
    let auth0 = claims(json!({"https://example.com/roles": ["a"], "https://example": {"com/roles": ["x"]}}));
    assert_eq!(roles_at(&auth0, "https://example.com/roles", &[]), ["a"]);
}

#[test]
fn only_values_that_fit_a_list_are_taken() {
    let odd = json!({"roles": [
        "b", "a", "b", "", "has blank", "has,comma", "has;semicolon", "tab\t", "nul\0", "nbsp\u{a0}", "c1\u{85}",
        1, null, ["nested"], {"k": "v"}, "x".repeat(256), "x".repeat(257), "Ünï"
    ]});
    assert_eq!(roles_at(&claims(odd), "roles", &[]), ["a", "b", &"x".repeat(256), "Ünï"]);
    let many: Vec<_> = (0..10_001).map(|n| format!("r{n:05}")).collect();
    let taken = roles_at(&claims(json!({"roles": many})), "roles", &[]);
    assert_eq!((taken.len(), taken.last().map(String::as_str)), (10_000, Some("r09999")));
    assert_eq!(roles_at(&claims(json!({"scope": "b  a"})), "scope", &[]), ["a", "b"]);
}

#[test]
fn groups_go_into_no_header_and_may_have_blanks() {
    let odd = json!({"groups": ["b", "Domain Admins", "a,b", "b", "", "tab\t", "nul\0", 1, null, ["x"], "x".repeat(257)]});
    assert_eq!(groups_at(&claims(odd), "groups"), ["Domain Admins", "a,b", "b"]);
    for not_a_list in [json!("admins"), json!({"admins": {"1": "x"}}), json!(null)] {
        assert_eq!(groups_at(&claims(json!({"groups": not_a_list})), "groups"), [""; 0]);
    }
    assert_eq!(groups_at(&claims(json!({"scope": "a b"})), "scope"), [""; 0]);
}

#[test]
fn zitadels_roles_are_the_members_of_an_object_and_nobody_elses() {
    let granted = json!({"admin": {"1": "a.example"}, "user": {"1": "a.example", "2": "b.example"}, "two": {"2": "b.example"},
        "none": {}, "yes": true, "list": ["1"], "a,b": {"1": "a.example"}});
    let of = |path: &str, organisations: &[&str]| {
        let organisations: Vec<String> = organisations.iter().map(|id| (*id).to_owned()).collect();
        roles_at(&claims(json!({path: granted})), path, &organisations)
    };
    for path in ["urn:zitadel:iam:org:project:roles", "urn:zitadel:iam:org:project:69234237810729019:roles"] {
        assert_eq!(of(path, &[]), ["admin", "two", "user"], "{path}");
        assert_eq!(of(path, &["1"]), ["admin", "user"], "{path}");
        assert_eq!(of(path, &["3", "2"]), ["two", "user"], "{path}");
        assert_eq!(of(path, &["a.example"]), [""; 0], "a domain can change hands, an id cannot");
    }
    for path in [
        "roles",
        "https://zitadel.example/roles",
        "urn:zitadel:iam:org:project:1:2:roles",
        "urn:zitadel:iam:roles",
    ] {
        assert_eq!(of(path, &[]), [""; 0], "{path}");
    }
}

#[test]
fn a_claim_that_is_elsewhere_is_not_one_that_is_absent() {
    let overage = json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}});
    for (document, path, elsewhere) in [
        (overage.clone(), "groups", true),
        (overage.clone(), "groups.inner", true),
        (overage.clone(), "roles", false),
        (overage, "https://example.com/groups", false),
        (json!({"_claim_names": {"https://example.com/roles": "s"}}), "https://example.com/roles", true),
        (json!({"groups": ["a"], "_claim_names": {"groups": "src1"}}), "groups", true),
        (json!({"hasgroups": true}), "groups", true),
        (json!({"hasgroups": "true"}), "groups", true),
        (json!({"hasgroups": true}), "roles", false),
        (json!({"hasgroups": false}), "groups", false),
        (json!({"_claim_names": ["groups"]}), "groups", false),
        (json!({"groups": []}), "groups", false),
        (json!({}), "groups", false),
    ] {
        assert_eq!(is_elsewhere(&claims(document.clone()), path), elsewhere, "{path} of {document}");
    }
}

#[test]
fn another_claim_may_say_that_an_email_is_verified() {
    let of = |value: Value| verified_email(&claims(value), "xms_edov").map(str::to_owned);
    for yes in [json!(true), json!("true"), json!(1), json!("1")] {
        assert_eq!(
            of(json!({"email": "a@b.example", "xms_edov": yes})),
            Ok("a@b.example".to_owned()),
            "{yes}"
        );
    }
    for no in [
        json!(false),
        json!(0),
        json!("0"),
        json!(null),
        json!("yes"),
        json!([true]),
        json!({}),
        json!(2),
        json!(1.5),
    ] {
        assert_eq!(of(json!({"email": "a@b.example", "xms_edov": no})), Err(EmailFault::NotVerified), "{no}");
    }
    // The claim that was named decides, and a standard one beside it may only object.
    assert_eq!(of(json!({"email": "a@b.example", "email_verified": true})), Err(EmailFault::NotVerified));
    let contradiction = json!({"email": "a@b.example", "xms_edov": true, "email_verified": false});
    assert_eq!(of(contradiction), Err(EmailFault::NotVerified));
    assert_eq!(of(json!({"xms_edov": true})), Err(EmailFault::Missing));
}

#[test]
fn an_email_counts_only_when_verified_and_usable() {
    let of = |value: Value| verified_email(&claims(value), EMAIL_VERIFIED).map(str::to_owned);
    let good = Ok("a@b.example".to_owned());
    assert_eq!(of(json!({"email": "a@b.example", "email_verified": true})), good);
    assert_eq!(of(json!({"email": "a@b.example", "email_verified": "true"})), good);
    for unverified in [json!(false), json!("false"), json!("True"), json!(1), json!(null), json!([true])] {
        let outcome = of(json!({"email": "a@b.example", "email_verified": unverified}));
        assert_eq!(outcome, Err(EmailFault::NotVerified), "{unverified}");
    }
    assert_eq!(of(json!({"email": "a@b.example"})), Err(EmailFault::NotVerified));
    for missing in [json!({}), json!({"email": null}), json!({"email": ""})] {
        assert_eq!(of(missing), Err(EmailFault::Missing));
    }
    let long = format!("{}@b.example", "a".repeat(250));
    for unusable in ["a@evil.example@b.example", "a", "@b", "a@", "a\n@b", "a\0@b", "a @b", "a,c@b", &long] {
        let outcome = of(json!({"email": unusable, "email_verified": true}));
        assert_eq!(outcome, Err(EmailFault::Unusable), "{unusable:?}");
    }
    assert_eq!(of(json!({"email": ["a@b"], "email_verified": true})), Err(EmailFault::Unusable));
}

#[test]
fn a_domain_is_the_whole_domain() {
    let domains = ["example.com".to_owned()];
    assert!(in_domains("a@example.com", &domains) && in_domains("a@EXAMPLE.com", &domains));
    for other in ["a@evil-example.com", "a@example.com.evil", "a@sub.example.com", "a@com"] {
        assert!(!in_domains(other, &domains), "{other}");
    }
    assert!(in_domains("a@anything", &[]));
}

#[test]
fn names_and_subjects_are_cut_to_what_is_safe() {
    assert_eq!(display_name("  Jürgen\r\n Ñandú 東京\u{85} ").as_deref(), Some("Jürgen Ñandú 東京"));
    assert_eq!(display_name(&"東".repeat(5000)).map(|name| name.chars().count()), Some(256));
    assert_eq!(display_name(" \n "), None);
    assert_eq!(subject("a b/ü"), Some("a b/ü"));
    assert!(subject("").is_none() && subject("a\n").is_none() && subject(&"x".repeat(256)).is_none());
}
