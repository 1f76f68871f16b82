//! Keys that Doorward makes for itself and keeps in `data_dir/keys`, readable by its own user alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The file of one kind of key.
#[derive(Debug, Clone)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// `data_dir/keys/NAME`.
    #[must_use]
    pub fn new(data_dir: &Path, name: &str) -> Self {
        Self(data_dir.join("keys").join(name))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it holds; `None` when there is no such file yet.
    ///
    /// # Errors
    /// When it cannot be read, or when others than its owner can read it.
    pub fn read(&self) -> io::Result<Option<String>> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mode = fs::metadata(&self.0)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "{} can be read by others (mode {mode:04o}): `chmod 600` it, or remove it to have new keys made",
                self.0.display()
            )));
        }
        Ok(Some(text))
    }

    /// What it holds; `new` when there is no such file yet, which is kept then. Of several processes that come at once
    /// one keeps its own, and all get that.
    ///
    /// # Errors
    /// As [`Self::read`], and when the folder cannot be written.
    pub fn read_or_make(&self, new: &str) -> io::Result<String> {
        if let Some(text) = self.read()? {
            return Ok(text);
        }
        let folder = self.0.parent().unwrap_or_else(|| Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let beside = self.0.with_extension(super::ids::random::<8>().map_err(io::Error::other)?);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        // Written whole under a name of its own, then linked: a link is refused where the name is taken.
        let linked = file
            .write_all(new.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&beside, &self.0));
        fs::remove_file(&beside)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.read()?.ok_or_else(|| io::Error::other("it was removed as soon as it was made")),
        }
    }

    /// Replaces it whole: written beside, synced, then renamed, so that a crash leaves the old or the new.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, text: &str) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or_else(|| Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let beside = self.0.with_extension("new");
        // A file left by a crash is replaced; create_new refuses to follow a link somebody put there.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path(), "session");
        assert_eq!(file.read().unwrap(), None);
        file.write("one\n").unwrap();
        file.write("two\n").unwrap();
        assert_eq!(file.read().unwrap().unwrap(), "two\n");
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(file.read().unwrap_err().to_string().contains("chmod 600"));
    }
}
