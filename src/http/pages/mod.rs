//! The pages that people see, as strings: templates and one stylesheet, compiled in, with what operators may
//! change about them. No page needs JavaScript, none carries inline style or script, and none loads anything
//! from another origin than the gateway's own; one page loads one script, for its copy buttons.
//!
//! Pages are also seen on a service's host, when the gateway answers there through the proxy. So the
//! addresses of assets and of the account page are absolute wherever an external address is configured.

mod accent;
mod assets;
mod built_in;
mod tokens;
mod trouble;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use actix_web::http::StatusCode;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use url::Url;

pub use self::tokens::{Choice, MOST_TOKENS, NewTokenForm, OwnToken, OwnTokens, RevokeToken, TokenMade};
pub use self::trouble::Trouble;
pub use self::view::{
    Account, Action, Choose, Destination, Forbidden, Href, Page, Problem, ProviderChoice, Session, SignOut,
    SignOutEverywhere, SignedOut,
};
pub use self::words::{ago, count, device_in_words, span_in_words, until};

use self::assets::Assets;
use self::built_in::BUILT_IN;
pub(in crate::http) use self::words::{clip, moment};
use crate::config;

/// Larger than any page may become.
const TEMPLATE_LIMIT: u64 = 64 * 1024;
/// Enough for the longest page several times over (`fuel_is_ample` measures), and milliseconds at most: an
/// operator's endless loop ends in the built-in page.
const FUEL: u64 = 1_000_000;
/// What is left when even a built-in template fails.
const LAST_RESORT: &str = "<!doctype html><html lang=\"en\"><title>Something went wrong</title>\
     <h1>Something went wrong on our side</h1><p>Try again in a moment.</p></html>";

/// Why pages cannot be made as configured.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A file or folder cannot be read.
    #[error("pages: cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A template has a mistake in it.
    #[error("pages.templates_dir: {} line {line}: {message}", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// Where in it; 0 when not known.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A template is too large.
    #[error("pages.templates_dir: {} is larger than 64 KiB", path.display())]
    TemplateTooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file replaces nothing; most likely its name is misspelt.
    #[error(
        "pages.templates_dir: {} replaces no page; the names are {known} (parts of your own begin with `_`)",
        path.display()
    )]
    UnknownTemplate {
        /// The file.
        path: PathBuf,
        /// The names there are.
        known: String,
    },
    /// The logo cannot be used.
    #[error("pages.logo_file: {} cannot be used: {why}", path.display())]
    Logo {
        /// The file.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// The accent is no colour.
    #[error("pages.accent: `{0}` is not a colour of the form #rrggbb")]
    Accent(String),
}

/// A file that pages load. Its name changes with its content: it may be cached for ever
/// (`Cache-Control: public, max-age=31536000, immutable`), and must be sent with [`Asset::CSP`].
#[derive(Clone, Debug)]
pub struct Asset {
    /// The content.
    pub bytes: Arc<[u8]>,
    /// For `Content-Type`.
    pub content_type: &'static str,
    /// For `ETag`, quoted.
    pub etag: String,
}

impl Asset {
    /// `Content-Security-Policy` of every asset: an operator's SVG, opened by itself, runs no script.
    pub const CSP: &'static str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
}

/// Renders pages and holds their assets. Made once, at start.
#[derive(Debug)]
pub struct Pages {
    built_in: Environment<'static>,
    /// With the operator's templates in the place of ours; `None` without a folder.
    replaced: Option<Environment<'static>>,
    assets: Assets,
    /// What every template sees beside `page`.
    frame: Value,
    /// The same for the admin site, which is seen on the gateway's own addresses only: all of them are paths.
    admin_frame: Value,
    asset_source: String,
    csp: String,
}

impl Pages {
    /// `assets_base` is where [`Pages::asset`] is served (`https://auth.example.com/rbac/assets`, or a path
    /// alone where no external address is configured); `home` is the account page
    /// (`https://auth.example.com/rbac/`).
    ///
    /// # Errors
    /// When the logo, the accent or a template of the operator's cannot be used.
    pub fn new(config: &config::Pages, assets_base: String, home: String) -> Result<Self, PagesError> {
        let assets = Assets::new(config, &assets_base)?;
        let built_in = environment(&BTreeMap::new())?;
        let replaced = match &config.templates_dir {
            Some(folder) => Some(environment(&read_folder(folder)?)?),
            None => None,
        };
        let absolute = |address: &str| Url::parse(address).ok().filter(Url::has_host);
        let path = absolute(&home).map_or_else(|| home.clone(), |url| url.path().to_owned());
        let asset_source = absolute(&assets_base)
            .map_or_else(|| "'self'".to_owned(), |url| url.origin().ascii_serialization());
        let support = config.support_url.as_deref().filter(|address| view::safe(address));
        let frame = context! {
            brand => context! { name => config.name.as_str(), logo => assets.logo(), support },
            css => assets.stylesheet(),
            favicon => assets.favicon(),
            script => assets.script(),
            // For links: absolute, as pages are seen on other hosts too.
            home => Href::new(home).as_str(),
            // For forms and the account page's own links: a path, so always on the host that shows them.
            base => path.trim_end_matches('/'),
        };
        let at = |address: String| absolute(&address).map_or(address, |url| url.path().to_owned());
        let admin_frame = context! {
            brand => context! { name => config.name.as_str(), logo => assets.logo().map(at), support },
            css => at(assets.stylesheet()),
            admin_css => at(assets.admin_stylesheet()),
            script => at(assets.admin_script()),
            copy_script => at(assets.script()),
            favicon => at(assets.favicon()),
            home => path.as_str(),
            base => path.trim_end_matches('/'),
            site => format!("{}/admin", path.trim_end_matches('/')),
        };
        let mut pages =
            Self { built_in, replaced, assets, frame, admin_frame, asset_source, csp: String::new() };
        pages.csp = pages.csp_with_form_action("");
        Ok(pages)
    }

    /// The page as HTML, to be sent with [`Page::status`], as [`Pages::status_of`] has it, and [`Pages::csp`]. Never fails: where a template of
    /// the operator's does, the built-in one takes its place and the fault is logged.
    #[must_use]
    pub fn render(&self, page: &Page<'_>) -> String {
        self.fill(page.template(), &context! { page => page.value(), ..self.frame.clone() })
    }

    /// A page of the admin site, to be sent with [`Pages::status_of`] and [`Pages::ADMIN_CSP`]. `values` are what its template sees beside
    /// the frame.
    #[must_use]
    pub fn render_admin(&self, template: &str, values: Value) -> String {
        self.fill(template, &context! { ..values, ..self.admin_frame.clone() })
    }

    fn fill(&self, name: &str, values: &Value) -> String {
        let try_with = |environment: &Environment<'_>| {
            environment.get_template(name).and_then(|template| template.render(values))
        };
        if let Some(replaced) = &self.replaced {
            match try_with(replaced) {
                Ok(html) => return html,
                Err(fault) => tracing::error!(
                    template = fault.name().unwrap_or(name),
                    line = fault.line(),
                    "a template in pages.templates_dir failed, the built-in page is shown instead: {fault}"
                ),
            }
        }
        try_with(&self.built_in).unwrap_or_else(|fault| {
            tracing::error!(template = name, "a built-in template failed: {fault}");
            LAST_RESORT.to_owned()
        })
    }

    /// The status that a page made so is sent with: no success where no template could be shown.
    #[must_use]
    pub fn status_of(html: &str, wanted: StatusCode) -> StatusCode {
        if html == LAST_RESORT && wanted.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { wanted }
    }

    /// A served file by its name under the assets' address.
    #[must_use]
    pub fn asset(&self, name: &str) -> Option<Asset> {
        self.assets.find(name).cloned()
    }

    /// `Content-Security-Policy` of the admin site: one small script of ours, which may ask for the page it is on.
    pub const ADMIN_CSP: &'static str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// `Content-Security-Policy` of every other page.
    #[must_use]
    pub fn csp(&self) -> &str {
        &self.csp
    }

    /// The same, for a page that loads the one script of ours.
    #[must_use]
    pub fn csp_with_script(&self) -> String {
        format!("{}; script-src {}", self.csp, self.asset_source)
    }

    /// The same, where a form's answer redirects to another origin: browsers apply `form-action` to the
    /// redirect too (CSP Level 3, 4.2.4), so a sign-out that ends at the provider must name that origin.
    /// What is no http(s) origin is left out.
    #[must_use]
    pub fn csp_with_form_action(&self, address: &str) -> String {
        let origin = Url::parse(address)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http"))
            .map(|url| format!(" {}", url.origin().ascii_serialization()))
            .unwrap_or_default();
        let assets = &self.asset_source;
        format!(
            "default-src 'none'; style-src {assets}; img-src {assets}; form-action 'self'{origin}; \
             base-uri 'none'; frame-ancestors 'none'"
        )
    }
}

type Templates = BTreeMap<String, (PathBuf, String)>;

fn environment(replacements: &Templates) -> Result<Environment<'static>, PagesError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Its messages would repeat the values of a page in the log.
    environment.set_debug(false);
    match SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        Ok(syntax) => environment.set_syntax(syntax),
        Err(fault) => tracing::warn!("templates keep the white space around their tags: {fault}"),
    }
    let built_in = BUILT_IN
        .iter()
        .map(|(name, source)| ((*name).to_owned(), (PathBuf::from(name), (*source).to_owned())));
    let mut all: Templates = built_in.collect();
    all.extend(replacements.iter().map(|(name, file)| (name.clone(), file.clone())));
    for (name, (path, source)) in all {
        environment.add_template_owned(name, source).map_err(|fault| PagesError::Template {
            path,
            line: fault.line().unwrap_or_default(),
            message: fault.detail().map_or_else(|| fault.kind().to_string(), str::to_owned),
        })?;
    }
    Ok(environment)
}

// The `.html` files of the operator's folder; whatever else lies there is not ours to judge.
fn read_folder(folder: &Path) -> Result<Templates, PagesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |source| PagesError::Read { path, source }
    };
    let mut found = Templates::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || !name.ends_with(".html") {
            continue;
        }
        let own_part = name.starts_with('_');
        if !own_part && !BUILT_IN.iter().any(|(known, _)| *known == name) {
            let known = BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(PagesError::UnknownTemplate { path, known });
        }
        // Follows links: mounted configuration is made of them.
        if fs::metadata(&path).map_err(unreadable(&path))?.len() > TEMPLATE_LIMIT {
            return Err(PagesError::TemplateTooLarge { path });
        }
        let source = fs::read_to_string(&path).map_err(unreadable(&path))?;
        found.insert(name.to_owned(), (path, source));
    }
    Ok(found)
}
