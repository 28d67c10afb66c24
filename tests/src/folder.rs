//! Folders for what a test leaves behind: under `target/tests`, gone when the test was good.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh folder, removed with everything in it unless its test panics: then the logs are what one needs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder whose name begins with `name`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = target_dir().join("tests").join(format!(
            "{name}-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir_all(&path)
            .unwrap_or_else(|err| panic!("could not make {}: {err}", path.display()));
        Folder { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs and data are in {}", self.path.display());
        } else {
            // What cannot be removed does no harm: the next run has folders of its own.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// Cargo's target folder, found from where this test binary lies: `target/<profile>/deps/mainstay-…`.
#[must_use]
pub fn target_dir() -> PathBuf {
    let profile = profile_dir();
    let target = profile.parent().expect("a profile's folder has a parent");
    target.to_path_buf()
}

/// The folder of the profile that this test binary was built with; the binary `mainstay` is in it.
pub(crate) fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("the system knows where this program lies");
    let deps = exe.parent().expect("a program lies in a folder");
    let profile = deps.parent().expect("`deps` lies in the profile's folder");
    profile.to_path_buf()
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.parent().expect("this package lies in the repository");
    root.to_path_buf()
}
