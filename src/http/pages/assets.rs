//! What pages load: the stylesheet, the favicon, the script of the copy buttons and the operator's logo. Each is named by its content, so
//! that browsers may keep it for ever and an upgrade is seen at once.

use std::fs;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::accent::{self, Colour};
use super::{Asset, PagesError};
use crate::config;

const STYLESHEET: &str = include_str!("assets/doorward.css");
const SCRIPT: &str = include_str!("assets/copy.js");
const FAVICON: &str = include_str!("assets/favicon.svg");
/// The accent that `favicon.svg` is drawn in.
const FAVICON_ACCENT: &str = "#2b5bd7";
/// A logo is sent with the first page that somebody sees.
const LOGO_LIMIT: usize = 64 * 1024;

#[derive(Debug)]
struct Named {
    name: String,
    asset: Asset,
}

/// The served files, and their addresses.
#[derive(Debug)]
pub(super) struct Assets {
    base: String,
    stylesheet: Named,
    favicon: Named,
    script: Named,
    logo: Option<Named>,
}

impl Assets {
    pub(super) fn new(config: &config::Pages, base: &str) -> Result<Self, PagesError> {
        let accent = match config.accent.as_deref() {
            Some(text) => Some(Colour::parse(text).ok_or_else(|| PagesError::Accent(text.to_owned()))?),
            None => None,
        };
        let (mut style, mut icon) = (STYLESHEET.to_owned(), FAVICON.to_owned());
        if let Some(accent) = accent {
            style.push_str(&accent::properties(accent));
            icon = icon.replace(FAVICON_ACCENT, &accent.hex());
        }
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            stylesheet: named("doorward", "css", "text/css; charset=utf-8", style.into_bytes()),
            favicon: named("favicon", "svg", "image/svg+xml", icon.into_bytes()),
            script: named("copy", "js", "text/javascript; charset=utf-8", SCRIPT.into()),
            logo: config.logo_file.as_deref().map(logo).transpose()?,
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<&Asset> {
        [Some(&self.stylesheet), Some(&self.favicon), Some(&self.script), self.logo.as_ref()]
            .into_iter()
            .flatten()
            .find(|file| file.name == name)
            .map(|file| &file.asset)
    }

    pub(super) fn stylesheet(&self) -> String {
        self.address(&self.stylesheet)
    }

    pub(super) fn favicon(&self) -> String {
        self.address(&self.favicon)
    }

    pub(super) fn script(&self) -> String {
        self.address(&self.script)
    }

    pub(super) fn logo(&self) -> Option<String> {
        self.logo.as_ref().map(|logo| self.address(logo))
    }

    fn address(&self, file: &Named) -> String {
        format!("{}/{}", self.base, file.name)
    }
}

fn named(stem: &str, suffix: &str, content_type: &'static str, bytes: Vec<u8>) -> Named {
    let hash: String =
        digest(&SHA256, &bytes).as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Named {
        name: format!("{stem}.{hash}.{suffix}"),
        asset: Asset { bytes: bytes.into(), content_type, etag: format!("\"{hash}\"") },
    }
}

fn logo(path: &Path) -> Result<Named, PagesError> {
    let wrong = |why| PagesError::Logo { path: path.to_owned(), why };
    let bytes = fs::read(path).map_err(|source| PagesError::Read { path: path.to_owned(), source })?;
    if bytes.len() > LOGO_LIMIT {
        return Err(wrong("it is larger than 64 KiB"));
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(named("logo", "png", "image/png", bytes));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("<svg") => Ok(named("logo", "svg", "image/svg+xml", bytes)),
        _ => Err(wrong("it is neither a PNG nor an SVG")),
    }
}
