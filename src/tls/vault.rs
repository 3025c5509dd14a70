//! A folder for keys: files appear whole or not at all, and nobody else may read the secret ones.
//!
//! ```text
//!   publish:  .name.tmp ──write──▶ fsync ──rename──▶ name ──▶ fsync of the folder
//! ```
//!
//! Knows nothing of certificates. All calls block.
//! Invariant: a name in the folder, however the process ended, holds exactly what was once given to `publish`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::seams::Entropy;

/// A folder of keys and certificates.
#[derive(Debug)]
pub struct Vault {
    dir: PathBuf,
    /// Steps until the simulated `kill -9`.
    #[cfg(test)]
    steps_left: std::sync::atomic::AtomicU32,
}

impl Vault {
    /// Opens `dir`, and makes it (mode 0700) if it is not there. An existing folder keeps its mode: it may hold a
    /// README for everyone, and each secret file has a mode of its own.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or is not a folder.
    pub fn open(dir: &Path) -> Result<Self, VaultError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(|source| VaultError::io("make the folder", dir, source))?;
        Ok(Self {
            dir: dir.to_path_buf(),
            #[cfg(test)]
            steps_left: u32::MAX.into(),
        })
    }

    /// Where `name` is or would be.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Keeps other processes out of the folder until the returned file is dropped or this process ends.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn lock(&self) -> Result<File, VaultError> {
        let path = self.path(".lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        // Whoever can open it can lock us out.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|source| VaultError::io("open", &path, source))?;
        file.lock().map_err(|source| VaultError::io("lock", &path, source))?;
        Ok(file)
    }

    /// What `name` holds, or `None` if it was never published.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(VaultError::io("read", &path, source)),
        }
    }

    /// As [`Vault::read`], for a key.
    ///
    /// # Errors
    ///
    /// Also when anyone but the owner may read or write the file: then it may no longer be a secret.
    pub fn read_secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        refuse_exposed(&self.path(name), 0o077)?;
        Ok(self.read(name)?.map(Zeroizing::new))
    }

    /// Makes `name` hold `bytes`, readable by everyone who may enter the folder.
    ///
    /// # Errors
    ///
    /// When the disk refuses. `name` then holds what it held before.
    pub fn publish(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        self.replace(name, bytes, 0o644)
    }

    /// As [`Vault::publish`], readable by the owner only.
    ///
    /// # Errors
    ///
    /// As [`Vault::publish`].
    pub fn publish_secret(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        self.replace(name, bytes, 0o600)
    }

    /// The `N` random bytes kept in `name`, drawn at the first call.
    ///
    /// # Errors
    ///
    /// When the file is exposed, of another length, or cannot be read or made.
    pub fn secret<const N: usize>(
        &self,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Zeroizing<[u8; N]>, VaultError> {
        let mut secret = Zeroizing::new([0; N]);
        if let Some(bytes) = self.read_secret(name)? {
            if bytes.len() != N {
                return Err(VaultError::Length { path: self.path(name), bytes: bytes.len(), wanted: N });
            }
            secret.copy_from_slice(&bytes);
        } else {
            entropy.fill(secret.as_mut());
            self.publish_secret(name, secret.as_ref())?;
        }
        Ok(secret)
    }

    fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), VaultError> {
        let (path, temporary) = (self.path(name), self.path(&format!(".{name}.tmp")));
        self.write_new(&temporary, bytes, mode)
            .map_err(|source| VaultError::io("write", &temporary, source))?;
        self.rename(&temporary, &path).map_err(|source| VaultError::io("publish", &path, source))
    }

    fn write_new(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        // What a killed process left behind. Opening it anew instead would keep its mode.
        match fs::remove_file(path) {
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(source),
            _ => self.step()?,
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = options.open(path)?;
        self.step()?;
        let (front, back) = bytes.split_at(bytes.len() / 2); // A kill may come between any two bytes.
        file.write_all(front)?;
        self.step()?;
        file.write_all(back)?;
        self.step()?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)?;
        self.step()?;
        #[cfg(unix)]
        File::open(&self.dir)?.sync_all()?;
        Ok(())
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // The test build counts here.
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let left = self.steps_left.load(Relaxed);
        if left == 0 {
            return Err(io::Error::other("killed here"));
        }
        self.steps_left.store(left - 1, Relaxed);
        Ok(())
    }

    /// As [`Vault::open`], killed after `steps` steps.
    #[cfg(test)]
    pub(crate) fn open_killed_after(dir: &Path, steps: u32) -> Self {
        Self { steps_left: steps.into(), ..Self::open(dir).unwrap() }
    }
}

/// Fails if any of the mode bits `forbidden` is set on `path`. A missing file exposes nothing.
pub(crate) fn refuse_exposed(path: &Path, forbidden: u32) -> Result<(), VaultError> {
    #[cfg(unix)]
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
            if mode & forbidden != 0 {
                return Err(VaultError::Exposed { path: path.to_path_buf(), mode });
            }
        }
        Err(source) if source.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(VaultError::io("inspect", path, source)),
    }
    #[cfg(not(unix))]
    let _ = (path, forbidden);
    Ok(())
}

/// Why a folder of keys cannot be used. Always for the operator to mend.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Someone else may read the key.
    #[error("key file {} has mode {mode:04o}: others may read it; make it 0600, or replace it if someone did", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret of the wrong size: cut short, or not ours.
    #[error("secret file {} has {bytes} bytes instead of {wanted}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: usize,
        /// The only right length in bytes.
        wanted: usize,
    },
}

impl VaultError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::seams::SystemEntropy;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o777
    }

    #[test]
    fn the_folder_and_its_secrets_are_the_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("keys");
        let vault = Vault::open(&dir).unwrap();
        vault.publish_secret("a.key", b"a").unwrap();
        vault.publish("a.pem", b"b").unwrap();
        assert_eq!((mode_of(&dir), mode_of(&vault.path("a.key"))), (0o700, 0o600));
        assert_eq!(vault.read_secret("a.key").unwrap().unwrap().as_slice(), b"a");
        assert_eq!(vault.read("a.pem").unwrap().unwrap(), b"b");
        assert_eq!(vault.read("none").unwrap(), None);
    }

    #[test]
    fn an_exposed_secret_is_refused_with_its_name_and_mode() {
        let root = tempfile::tempdir().unwrap();
        let vault = Vault::open(root.path()).unwrap();
        vault.publish_secret("a.key", b"a").unwrap();
        for exposed in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(vault.path("a.key"), fs::Permissions::from_mode(exposed)).unwrap();
            let text = vault.read_secret("a.key").unwrap_err().to_string();
            assert!(text.contains("a.key") && text.contains(&format!("{exposed:04o}")), "{text}");
        }
    }

    #[test]
    fn a_kill_at_any_step_leaves_the_old_bytes_or_the_new() {
        let root = tempfile::tempdir().unwrap();
        let vault = Vault::open(root.path()).unwrap();
        let mut steps = 0;
        loop {
            vault.publish_secret("a.key", b"old bytes").unwrap();
            let killed =
                Vault::open_killed_after(root.path(), steps).publish_secret("a.key", b"new bytes").is_err();
            let found = vault.read_secret("a.key").unwrap().unwrap();
            assert!(
                found.as_slice() == b"old bytes" || found.as_slice() == b"new bytes",
                "after {steps} steps"
            );
            if !killed {
                assert_eq!(found.as_slice(), b"new bytes");
                break;
            }
            steps += 1;
        }
        assert_eq!(steps, 6, "every step of publish was a place to die");
    }

    #[test]
    fn a_secret_is_drawn_once_and_a_cut_one_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let vault = Vault::open(root.path()).unwrap();
        let first = vault.secret::<32>("x.key", &SystemEntropy).unwrap();
        assert_eq!(first, vault.secret::<32>("x.key", &SystemEntropy).unwrap());
        assert_ne!(*first, [0; 32]);
        vault.publish_secret("x.key", &first[..31]).unwrap();
        let error = vault.secret::<32>("x.key", &SystemEntropy).unwrap_err();
        assert!(matches!(error, VaultError::Length { bytes: 31, wanted: 32, .. }));
    }
}
