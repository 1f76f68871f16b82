//! A signed token in its compact form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward::identity::claims::Claims;
use doorward::identity::compact::Compact;

pub fn jwt(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(token) = Compact::read(text) else { return false };

    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("{} parts", parts.len()) };
    assert!(!signature.is_empty());
    assert_eq!(object(header), token.header);
    assert_eq!(object(claims), token.claims);
    assert!(!token.header.contains_key("crit"));
    assert_eq!(token.header.get("alg").and_then(|alg| alg.as_str()), Some(token.alg.as_str()));
    assert_eq!(token.header.get("kid").and_then(|kid| kid.as_str()), token.kid());

    // Another library that reads the header at all reads it in the same way.
    if let Ok(theirs) = jsonwebtoken::decode_header(text) {
        assert_eq!(token.alg.parse().ok(), Some(theirs.alg));
        assert_eq!(token.kid(), theirs.kid.as_deref());
    }

    // Written again from what was read it is the same token.
    let written = |part: &Claims| {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap_or_else(|error| panic!("{error}")))
    };
    let again = format!("{}.{}.{signature}", written(&token.header), written(&token.claims));
    let again = Compact::read(&again).unwrap_or_else(|why| panic!("{again}: {why}"));
    assert!(again.header == token.header && again.alg == token.alg);
    // A number of more digits than a float holds may come back as its neighbour.
    assert!(again.claims.keys().eq(token.claims.keys()));
    true
}

fn object(part: &str) -> Claims {
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_else(|error| panic!("{part}: {error}"));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{part}: {error}"))
}
