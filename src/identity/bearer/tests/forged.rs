//! Tokens by somebody who knows how such checks fail (RFC 8725).

use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::forging::*;
use super::*;

#[actix_web::test]
async fn good_tokens_hold() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    let ec = json!({ "alg": "ES256", "kid": "k2" });
    let mut good = vec![es256(&keys.k2, &ec, &claims())];
    for change in
        [json!({}), json!({"typ": null}), json!({"typ": "at+jwt"}), json!({"typ": "application/AT+JWT"})]
    {
        good.push(rs256(&keys.k1, &with(header(), change), &claims()));
    }
    for change in [
        json!({"aud": ["other", "gw-api"]}),
        json!({"exp": SECS - 28}),
        json!({"exp": 1_800_000_300.5}),
        json!({"nbf": SECS + 28}),
        json!({"typ": "Bearer"}),
        json!({"unknown": {"x": [1, 2]}}),
        json!({"realm_access": {"roles": (0..30).map(|n| format!("r{n}")).collect::<Vec<_>>()}}),
    ] {
        good.push(rs256(&keys.k1, &header(), &with(claims(), change)));
    }
    for token in good {
        let verdict = ask(&issuers, &token, NOW).await;
        assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}: {token}");
    }
    assert_eq!(site.hits("/jwks"), 1);
}

#[actix_web::test]
async fn claims_that_do_not_fit_are_refused() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    let table: &[(Value, &str)] = &[
        (json!({"exp": SECS - 31}), "it has expired"),
        (json!({"exp": null}), "it has no exp"),
        (json!({"exp": "9999999999"}), "a time in it"),
        (json!({"exp": 1e300}), "a time in it"),
        (json!({"exp": -1}), "a time in it"),
        (json!({"nbf": SECS + 31}), "not valid yet"),
        (json!({"nbf": "9999999999"}), "a time in it"),
        (json!({"iat": SECS + 86_400}), "in the future"),
        (json!({"aud": null}), "another audience"),
        (json!({"aud": 5}), "another audience"),
        (json!({"aud": []}), "another audience"),
        (json!({"aud": "other"}), "another audience"),
        (json!({"aud": "account"}), "another audience"),
        (json!({"aud": "gw-api-evil"}), "another audience"),
        (json!({"aud": "GW-API"}), "another audience"),
        (json!({"aud": ["other"]}), "another audience"),
        (json!({"aud": ["gw-api", 5]}), "another audience"),
        (json!({"iss": null}), "no issuer that is configured"),
        (json!({"iss": format!("{ISSUER}/")}), "no issuer that is configured"),
        (json!({"iss": "https://KC.example.com/realms/main"}), "no issuer that is configured"),
        (json!({"iss": "http://kc.example.com/realms/main"}), "no issuer that is configured"),
        (json!({"iss": "https://kc.example.com/realms/other"}), "no issuer that is configured"),
        (json!({"iss": ["https://evil.test", ISSUER]}), "no issuer that is configured"),
        (json!({"sub": null}), "no usable sub"),
        (json!({"sub": ""}), "no usable sub"),
        (json!({"sub": 7}), "no usable sub"),
        (json!({"sub": "a\nb"}), "no usable sub"),
        (json!({"nonce": "n"}), "ID token"),
        (json!({"at_hash": "h"}), "ID token"),
        (json!({"c_hash": "h"}), "ID token"),
        (json!({"aud": "gw-web", "nonce": "n", "at_hash": "h"}), "ID token"),
        (json!({"typ": "ID"}), "another kind"),
        (json!({"typ": "Refresh"}), "another kind"),
        (json!({"typ": "Offline"}), "another kind"),
        (json!({"typ": "Logout"}), "another kind"),
        (json!({"token_use": "id"}), "another kind"),
        (json!({"events": {}}), "event"),
        (json!({"cnf": {"jkt": "x"}}), "bound to a key"),
    ];
    for (change, why) in table {
        let token = rs256(&keys.k1, &header(), &with(claims(), change.clone()));
        let got = refusal(&issuers, &token, NOW).await;
        assert!(got.contains(why), "{change}: {got}");
    }
    assert_eq!(site.hits("/jwks"), 0, "rubbish has no keys asked for");
}

#[actix_web::test]
async fn headers_that_do_not_fit_are_refused() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    for alg in ["none", "None", "nOnE", "", "HS256", "RS384", "rs256", "RS256 "] {
        let token = rs256(&keys.k1, &with(header(), json!({"alg": alg})), &claims());
        assert_eq!(
            refusal(&issuers, &token, NOW).await,
            "its algorithm is not allowed (`algorithms`)",
            "{alg}"
        );
    }
    let good = rs256(&keys.k1, &header(), &claims());
    let (_, signature) = good.rsplit_once('.').unwrap();
    for alg in [json!("none"), json!("None"), json!("nOnE"), json!(""), Value::Null] {
        let mut unsigned = header();
        unsigned["alg"] = alg.clone();
        let unsigned = parts(&unsigned, &claims());
        assert!(refusal(&issuers, &format!("{unsigned}."), NOW).await.contains("three parts"), "{alg}");
        // With the signature that the token had under its right header.
        let why = refusal(&issuers, &format!("{unsigned}.{signature}"), NOW).await;
        assert!(why.contains("algorithm"), "{alg}: {why}");
    }
    for (change, why) in [
        (json!({"alg": null}), "no algorithm"),
        (json!({"alg": 5}), "no algorithm"),
        (json!({"typ": "logout+jwt"}), "another kind"),
        (json!({"typ": "dpop+jwt"}), "another kind"),
        (json!({"typ": "secevent+jwt"}), "another kind"),
        (json!({"typ": 5}), "another kind"),
        (json!({"crit": ["x"], "x": "1"}), "critical"),
        (json!({"crit": ["x"]}), "critical"),
        (json!({"crit": ["exp"]}), "critical"),
        (json!({"crit": []}), "critical"),
        (json!({"crit": "x"}), "critical"),
        (json!({"crit": ["b64"], "b64": false}), "critical"),
        (json!({"kid": 1}), "kid is not a string"),
        (json!({"kid": "../../../../dev/null"}), "no such key"),
        (json!({"kid": "k1\u{0}"}), "no such key"),
        (json!({"kid": "k1' OR '1'='1"}), "no such key"),
        (json!({"kid": "*"}), "no such key"),
        (json!({"kid": "tok:"}), "no such key"),
        (json!({"kid": ""}), "no such key"),
        (json!({"kid": "k2"}), "no such key"),
        (json!({"kid": "x".repeat(64 * 1024)}), "too long"),
    ] {
        let token = rs256(&keys.k1, &with(header(), change.clone()), &claims());
        let got = refusal(&issuers, &token, NOW).await;
        assert!(got.contains(why), "{change}: {got}");
    }
    assert!(site.hits("/jwks") <= 2, "made-up kids share the cool-down");
    // JSON's null is a value.
    for (name, why) in [("kid", "kid is not a string"), ("typ", "another kind"), ("crit", "critical")] {
        let mut nulled = header();
        nulled[name] = Value::Null;
        let why_not = refusal(&issuers, &rs256(&keys.k1, &nulled, &claims()), NOW).await;
        assert!(why_not.contains(why), "{name}: {why_not}");
    }
}

#[actix_web::test]
async fn a_token_without_kid_is_tried_against_the_only_key_of_its_algorithm() {
    let keys = Keys::new();
    let without = with(header(), json!({"kid": null}));
    let by = |key| rs256(key, &without, &claims());
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    assert!(matches!(ask(&issuers, &by(&keys.k1), NOW).await, Verdict::Valid(_)));
    assert_eq!(refusal(&issuers, &by(&keys.stranger), NOW).await, "its signature is wrong");
    // Where there are two, nobody guesses.
    let two = site_with(json!({ "keys": [rsa_jwk(&keys.k1, "k1"), rsa_jwk(&keys.stranger, "k3")] }));
    assert_eq!(refusal(&keys.issuers(&two), &by(&keys.k1), NOW).await, "its issuer publishes no such key");
}

#[actix_web::test]
async fn a_claim_that_is_null_is_not_absent() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    for (name, why) in [
        ("exp", "a time in it"),
        ("nbf", "a time in it"),
        ("iat", "a time in it"),
        ("aud", "another audience"),
        ("iss", "no issuer that is configured"),
        ("sub", "no usable sub"),
        ("typ", "another kind"),
        ("nonce", "ID token"),
    ] {
        let mut nulled = claims();
        nulled[name] = Value::Null;
        let told = refusal(&issuers, &rs256(&keys.k1, &header(), &nulled), NOW).await;
        assert!(told.contains(why), "{name}: {told}");
    }
}

#[actix_web::test]
async fn a_public_key_is_no_secret_and_a_key_brought_along_is_none() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    let der = der_of(&keys.k1);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let (modulus, exponent) = (keys.k1.public_key().modulus(), keys.k1.public_key().exponent());
    let pkcs1 = pkcs1(modulus.big_endian_without_leading_zero(), exponent.big_endian_without_leading_zero());
    let secrets: [Vec<u8>; 8] = [
        format!(
            "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
            STANDARD.encode(&pkcs1)
        )
        .into_bytes(),
        pkcs1,
        modulus.big_endian_without_leading_zero().to_vec(),
        pem.clone().into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        der,
        rsa_jwk(&keys.k1, "k1").to_string().into_bytes(),
        keys.jwks().to_string().into_bytes(),
    ];
    for secret in secrets {
        for (alg, why) in
            [("HS256", "its algorithm is not allowed (`algorithms`)"), ("RS256", "its signature is wrong")]
        {
            let signed = parts(&with(header(), json!({"alg": alg})), &claims());
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            assert_eq!(refusal(&issuers, &format!("{signed}.{}", encode(tag)), NOW).await, why);
        }
    }
    let own = rsa_jwk(&keys.stranger, "kx");
    let at = |path: &str| format!("{}{path}", site.origin());
    for change in [
        json!({"jwk": own}),
        json!({"jku": at("/evil")}),
        json!({"x5u": at("/evil")}),
        json!({"x5c": [STANDARD.encode(der_of(&keys.stranger))]}),
    ] {
        for (kid, why) in [("k1", "its signature is wrong"), ("kx", "its issuer publishes no such key")] {
            let header = with(with(header(), change.clone()), json!({"kid": kid}));
            assert_eq!(
                refusal(&issuers, &rs256(&keys.stranger, &header, &claims()), NOW).await,
                why,
                "{change}"
            );
        }
    }
    assert_eq!(site.hits("/evil"), 0);
}

#[actix_web::test]
async fn nothing_is_repaired() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    let good = rs256(&keys.k1, &header(), &claims());
    assert!(matches!(ask(&issuers, &good, NOW).await, Verdict::Valid(_)));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let richer = encode(with(claims(), json!({"realm_access": {"roles": ["writer"]}})).to_string());
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[7] ^= 1;
    // 256 bytes leave four unused bits in the last letter, which is `A`, `Q`, `g` or `w`.
    let last = signature.chars().last().unwrap();
    let odd = char::from(u8::try_from(last).unwrap() + 1);
    let unused = format!("{signed}.{}{odd}", &signature[..signature.len() - 1]);
    let bom = format!("{head}.{}", encode(format!("\u{feff}{}", claims())));
    for broken in [
        format!("{head}.{richer}.{signature}"),
        format!("{signed}.{}", encode(flipped)),
        unused,
        format!("{good}="),
        signed.to_owned(),
        format!("{good}.x"),
        format!("{good}.x.y"),
        good.replacen('.', " .", 1),
        good.replacen('.', ".\n", 1),
        format!("{signed}."),
        format!("{signed}.{}", STANDARD.encode([0xfb; 256])),
        format!("{bom}.{signature}"),
        format!("..{signature}"),
        "..".to_owned(),
        "a.b.c".to_owned(),
    ] {
        refusal(&issuers, &broken, NOW).await;
    }
    let mut n = 0;
    let token = es256(&keys.k2, &json!({"alg": "ES256", "kid": "k2"}), &claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut swapped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    swapped.rotate_left(32);
    assert_eq!(
        refusal(&issuers, &format!("{signed}.{}", encode(swapped)), NOW).await,
        "its signature is wrong"
    );
    // The other alphabet, with a signature that is spelt differently in it.
    let other = loop {
        let good = rs256(&keys.k1, &header(), &with(claims(), json!({"jti": n})));
        n += 1;
        let (signed, signature) = good.rsplit_once('.').unwrap();
        if signature.contains(['-', '_']) {
            break format!("{signed}.{}", signature.replace('-', "+").replace('_', "/"));
        }
    };
    refusal(&issuers, &other, NOW).await;
}

#[actix_web::test]
async fn roles_come_from_the_configured_claim_alone() {
    let keys = Keys::new();
    let site = site_with(keys.jwks());
    let issuers = keys.issuers(&site);
    for lying in [
        json!({"roles": ["writer"], "groups": ["/writer"]}),
        json!({"resource_access": {"other": {"roles": ["writer"]}}}),
        json!({"realm_access": {"roles": "writer"}}),
        json!({"realm_access": ["writer"]}),
        json!({"realm_access.roles": ["writer"]}),
        json!({"realm_access": {"roles": ["writer ", "a,writer", "b;writer"]}}),
    ] {
        let token = rs256(&keys.k1, &header(), &with(claims(), lying.clone()));
        let Verdict::Valid(who) = ask(&issuers, &token, NOW).await else { panic!("{lying}") };
        assert!(!who.roles.iter().any(|role| role.contains("writer")), "{lying}: {:?}", who.roles);
    }
}

#[actix_web::test]
async fn a_new_key_is_found_and_a_withdrawn_one_is_forgotten() {
    let keys = Keys::new();
    let site = site_with(json!({ "keys": [rsa_jwk(&keys.k1, "k1")] }));
    let issuers = keys.issuers(&site);
    let later = |secs| NOW.plus(Duration::from_secs(secs));
    let long = with(claims(), json!({"exp": SECS + 86_400}));
    let old = rs256(&keys.k1, &header(), &long);
    assert!(matches!(ask(&issuers, &old, NOW).await, Verdict::Valid(_)));
    site.set("/jwks", Page::Json(json!({ "keys": [rsa_jwk(&keys.stranger, "k3")] })));
    let new = rs256(&keys.stranger, &with(header(), json!({"kid": "k3"})), &long);
    // Within the cool-down nobody is asked again.
    assert_eq!(refusal(&issuers, &new, later(1)).await, "its issuer publishes no such key");
    assert!(matches!(ask(&issuers, &new, later(31)).await, Verdict::Valid(_)));
    assert_eq!(site.hits("/jwks"), 2);
    // A signature that was checked counts for five minutes.
    assert!(matches!(ask(&issuers, &old, later(299)).await, Verdict::Valid(_)));
    assert_eq!(refusal(&issuers, &old, later(300)).await, "its issuer publishes no such key");
}
