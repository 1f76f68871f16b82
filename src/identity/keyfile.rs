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
