//! The administrator by password: `Authorization: Basic` (RFC 7617).

use actix_web::http::header::HeaderValue;
use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::config;

/// A name and a password as somebody sent them; nothing was checked.
pub(super) struct Basic {
    /// The name, as it was written.
    pub(super) user: String,
    pass: SecretString,
}

impl Basic {
    /// From the header's value; `None` when it is another scheme or not well formed.
    pub(super) fn read(value: &HeaderValue) -> Option<Self> {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, pass) = text.split_once(':')?;
        Some(Self { user: user.to_owned(), pass: SecretString::from(pass) })
    }

    /// Whether both are the administrator's. Takes as long whatever is wrong, also where there is no such
    /// administrator.
    pub(super) fn is(&self, admin: &config::Admin) -> bool {
        let pass = admin.pass.as_ref().map_or("", |pass| pass.expose_secret());
        let same_user = same(&self.user, &admin.user);
        let same_pass = same(self.pass.expose_secret(), pass);
        same_user & same_pass & !pass.is_empty()
    }
}

/// Digests are compared, so that the lengths do not show either.
fn same(given: &str, wanted: &str) -> bool {
    let of = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    constant_time::verify_slices_are_equal(of(given).as_ref(), of(wanted).as_ref()).is_ok()
}

/// What binds CSRF tokens to this administrator: they end with the password.
pub(super) fn binding(admin: &config::Admin, key: &[u8; 32]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let pass = admin.pass.as_ref().map_or("", |pass| pass.expose_secret());
    let mut context = hmac::Context::with_key(&key);
    for part in ["administrator by password", &admin.user, pass] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    context.sign().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Basic> {
        Basic::read(&HeaderValue::from_str(text).unwrap())
    }

    fn basic(pair: &str) -> Basic {
        read(&format!("Basic {}", STANDARD.encode(pair))).unwrap()
    }

    #[test]
    fn only_both_together_are_the_administrator() {
        let admin =
            config::Admin { user: "admin".into(), pass: Some(SecretString::from("correct:horse Ü")) };
        assert!(basic("admin:correct:horse Ü").is(&admin));
        for wrong in [
            "admin:",
            "admin:correct",
            ":correct:horse Ü",
            "root:correct:horse Ü",
            "admin:correct:horse Ü ",
            "Admin:correct:horse Ü",
        ] {
            assert!(!basic(wrong).is(&admin), "{wrong}");
        }
        let nobody = config::Admin { user: "admin".into(), pass: None };
        assert!(!basic("admin:").is(&nobody) && !basic("admin:x").is(&nobody));
    }

    #[test]
    fn a_header_is_read_in_one_way_only() {
        assert_eq!(read("bASIC YTpi").unwrap().user, "a");
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic YTpi YTpi",
            "Basic  YTpi",
            "Basic YQ==",
            "Basic ###",
            "Basic YTpi,",
            "Bearer YTpi",
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
