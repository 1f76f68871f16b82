//! Peppers: what is put behind a token before it is digested, and kept apart from the store. Whoever reads the store
//! alone can neither use its digests nor try tokens against them.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Timestamp;
use crate::config;
use crate::identity::keyfile::KeyFile;
use crate::identity::seal::{KeyError, KeyRing};
use crate::store::token::TokenDigest;

/// Why there is no pepper.
#[derive(Debug, thiserror::Error)]
pub enum PepperError {
    /// Its file cannot be read or made.
    #[error("the pepper of the API tokens in {} (data_dir must be a folder that doorward can write)", path.display())]
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// There is nothing to make one from.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The pepper, and the one before it for as long as that is accepted.
pub struct Peppers {
    current: SecretString,
    previous: Option<(SecretString, Timestamp)>,
}

/// The digests under which a token may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Under the pepper of now.
    pub current: TokenDigest,
    /// Under the one before, while that is accepted.
    pub previous: Option<TokenDigest>,
}

impl Peppers {
    /// The configured pepper, else the one kept in `data_dir/keys/pepper`, which is made when it is first asked for.
    ///
    /// # Errors
    /// [`PepperError`].
    pub fn open(tokens: &config::Tokens, data_dir: &Path) -> Result<Self, PepperError> {
        let current = match &tokens.pepper {
            Some(pepper) => pepper.clone(),
            None => {
                let file = KeyFile::new(data_dir, "pepper");
                let new = KeyRing::new_root()?;
                let text = file
                    .read_or_make(&new)
                    .map_err(|error| PepperError::File { path: file.path().to_owned(), source: error })?;
                SecretString::from(text.trim_end())
            }
        };
        Ok(Self::new(current, tokens.previous_pepper.clone().zip(tokens.previous_pepper_until)))
    }

    /// The pepper, and the one before it with its end.
    #[must_use]
    pub const fn new(current: SecretString, previous: Option<(SecretString, Timestamp)>) -> Self {
        Self { current, previous }
    }

    /// `SHA-256(token + pepper)`, by which a token is kept. The token is its whole text, `dw_` included; other tools'
    /// tokens may have any.
    #[must_use]
    pub fn digest(&self, token: &str) -> TokenDigest {
        digest(token, &self.current)
    }

    /// Every digest under which a token may be kept at `now`.
    #[must_use]
    pub fn digests(&self, token: &str, now: Timestamp) -> Digests {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        Digests { current: self.digest(token), previous: previous.map(|(pepper, _)| digest(token, pepper)) }
    }
}

fn digest(token: &str, pepper: &SecretString) -> TokenDigest {
    let mut context = Context::new(&SHA256);
    context.update(token.as_bytes());
    context.update(pepper.expose_secret().as_bytes());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    TokenDigest::new(bytes)
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peppers({})", 1 + usize::from(self.previous.is_some()))
    }
}
