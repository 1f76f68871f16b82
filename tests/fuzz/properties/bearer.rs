//! The value of an `Authorization` header.

use actix_web::http::header::HeaderValue;
use doorward::http::credentials::{Presented, presented};
use doorward::http::forwarded::Presence;

pub fn bearer(data: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(data) else { return false };
    let token = match presented(Presence::Once(&value)) {
        // There is a header, so the cookie is never asked.
        Presented::Cookie => panic!("the cookie speaks beside {value:?}"),
        Presented::Unusable => return false,
        Presented::Basic(basic) => {
            // One blank behind the scheme (RFC 7617), and a token that is not empty.
            assert!(data.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")), "{value:?}");
            assert!(!basic.token().is_empty() && !basic.token().chars().any(char::is_control), "{value:?}");
            return true;
        }
        Presented::Bearer(token) => token,
    };

    // One b64token (RFC 6750 2.1), one blank before it, nothing beside it.
    let (scheme, rest) = data.split_at("bearer ".len());
    assert!(scheme.eq_ignore_ascii_case(b"bearer "), "{value:?}");
    assert_eq!(rest, token.as_bytes());
    let mut body = rest.to_vec();
    while body.last() == Some(&b'=') {
        body.pop();
    }
    assert!(!body.is_empty(), "{value:?}");
    for byte in body {
        let of_the_grammar = matches!(byte,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        assert!(of_the_grammar, "{value:?}");
    }

    // Written again it is the same token; twice it is none.
    let again = HeaderValue::from_str(&format!("Bearer {token}")).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        matches!(presented(Presence::Once(&again)), Presented::Bearer(same) if same == token),
        "{value:?}"
    );
    assert!(matches!(presented(Presence::Repeated), Presented::Unusable));
    true
}
