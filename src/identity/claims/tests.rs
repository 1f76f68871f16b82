use serde_json::json;

use super::*;

fn claims(value: Value) -> Claims {
    value.as_object().unwrap().clone()
}

#[test]
fn a_path_goes_from_object_to_object_and_no_other_way() {
    let nested =
        claims(json!({"realm_access": {"roles": ["a"]}, "resource_access": {"web": {"roles": ["b"]}}}));
    assert_eq!(values_at(&nested, "realm_access.roles"), ["a"]);
    assert_eq!(values_at(&nested, "resource_access.web.roles"), ["b"]);
    for (lying, path) in [
        (json!({"realm_access.roles": ["x"]}), "realm_access.roles"),
        (json!({"realm_access": ["x"]}), "realm_access.roles"),
        (json!({"realm_access": {"roles": "x"}}), "realm_access.roles"),
        (json!({"roles": ["x"], "groups": ["x"]}), "realm_access.roles"),
        (json!({"resource_access": {"other": {"roles": ["x"]}}}), "resource_access.web.roles"),
        (json!({"roles": "x y"}), "roles"),
        (json!({"": {"": ["x"]}}), "a"),
    ] {
        assert_eq!(values_at(&claims(lying.clone()), path), [""; 0], "{lying}");
    }
}

#[test]
fn a_name_with_an_address_in_it_is_one_name() {
    let auth0 = claims(json!({"https://example.com/roles": ["a"], "https://example": {"com/roles": ["x"]}}));
    assert_eq!(values_at(&auth0, "https://example.com/roles"), ["a"]);
}

#[test]
fn only_values_that_fit_a_list_are_taken() {
    let odd = json!({"roles": [
        "b", "a", "b", "", "has blank", "has,comma", "has;semicolon", "tab\t", "nul\0", "nbsp\u{a0}", "c1\u{85}",
        1, null, ["nested"], {"k": "v"}, "x".repeat(256), "x".repeat(257), "Ünï"
    ]});
    assert_eq!(values_at(&claims(odd), "roles"), ["a", "b", &"x".repeat(256), "Ünï"]);
    let many: Vec<_> = (0..10_001).map(|n| format!("r{n:05}")).collect();
    let taken = values_at(&claims(json!({"roles": many})), "roles");
    assert_eq!((taken.len(), taken.last().map(String::as_str)), (10_000, Some("r09999")));
    assert_eq!(values_at(&claims(json!({"scope": "b  a"})), "scope"), ["a", "b"]);
}

#[test]
fn an_email_counts_only_when_verified_and_usable() {
    let of = |value: Value| verified_email(&claims(value)).map(str::to_owned);
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
