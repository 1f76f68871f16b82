//! Query and form parameters, each at most once (RFC 6749 §3.1: "parameters MUST NOT be included more than
//! once").

use url::form_urlencoded;

/// Parameters that were asked for by name; others are ignored.
#[derive(Debug, Default)]
pub struct Params(Vec<(&'static str, String)>);

/// A known parameter is there twice, or the text is over 16 KiB.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a parameter is there more than once, or the query is too long")]
pub struct BadParams;

impl Params {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    /// [`BadParams`].
    pub fn read(text: &str, known: &[&'static str]) -> Result<Self, BadParams> {
        if text.len() > 16 * 1024 {
            return Err(BadParams);
        }
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let Some(known) = known.iter().find(|known| **known == name) else { continue };
            if found.iter().any(|(seen, _)| seen == known) {
                return Err(BadParams);
            }
            found.push((known, value.into_owned()));
        }
        Ok(Self(found))
    }

    /// The value, unless it is missing or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(seen, _)| *seen == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_refused_for_what_is_known() {
        let names = ["code", "state"];
        let params = Params::read("code=a%20b&x=1&x=2&state=", &names).unwrap();
        assert_eq!((params.get("code"), params.get("state"), params.get("x")), (Some("a b"), None, None));
        assert_eq!(Params::read("code=a&code=a", &names).unwrap_err(), BadParams);
        assert!(Params::read("code[]=a&code=b;state=c", &names).unwrap().get("state").is_none());
    }
}
