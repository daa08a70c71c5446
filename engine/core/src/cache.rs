//! Compiled modules on disk, so that a second start does not compile.
//!
//! A compiled module is code: the folder must belong to this user and be closed to everyone else, or it is not used. A file
//! is named by a hash over the module's bytes and the engine's version and settings; it is written aside and renamed, so
//! readers never see half of one, also when two processes share the folder. Beside it stands its own checksum: a file
//! damaged later (a full disk, a crash of the machine) is compiled anew, never run.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where one module's compiled code is, or would be.
pub struct Entry {
    code: PathBuf,
    sum: PathBuf,
}

struct Blake(blake3::Hasher);

impl Hasher for Blake {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn finish(&self) -> u64 {
        u64::from_le_bytes(self.0.finalize().as_bytes()[..8].try_into().expect("eight bytes"))
    }
}

/// Makes the folder when it is missing, and refuses one that others could write to or read from.
pub fn check_folder(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(format!("cannot make the cache folder {shown}: {error}")),
    }
    let meta =
        fs::symlink_metadata(folder).map_err(|error| format!("cannot look at the cache folder {shown}: {error}"))?;
    // SAFETY: geteuid has no preconditions.
    let me = unsafe { libc::geteuid() };
    if !meta.is_dir() {
        return Err(format!("the cache folder {shown} is not a folder"));
    }
    if meta.uid() != me {
        return Err(format!("the cache folder {shown} belongs to user {}, not to {me}: not used", meta.uid()));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(format!(
            "the cache folder {shown} is open to other users (mode {:o}): not used; chmod 700 it",
            meta.mode() & 0o777
        ));
    }
    Ok(())
}

impl Entry {
    pub fn new(folder: &Path, engine: &wasmtime::Engine, wasm: &[u8]) -> Entry {
        let mut hasher = Blake(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        hasher.0.update(wasm);
        let name = hasher.0.finalize().to_hex();
        Entry { code: folder.join(format!("{name}.cwasm")), sum: folder.join(format!("{name}.sum")) }
    }

    /// The file to map, when it is there and whole.
    pub fn find(&self) -> Option<&Path> {
        let expected = fs::read(&self.sum).ok()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap(&self.code).ok()?;
        (expected == hasher.finalize().as_bytes()).then_some(self.code.as_path())
    }

    /// Keeps `code` for the next start.
    pub fn store(&self, code: &[u8]) -> Result<(), String> {
        let write = |path: &Path, bytes: &[u8]| -> io::Result<()> {
            // Apps that load the same module at once each write their own.
            static WRITTEN: AtomicU64 = AtomicU64::new(0);
            let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
            let aside = path.with_extension(format!("tmp{}-{number}", std::process::id()));
            let result = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)
                .and_then(|mut file| io::Write::write_all(&mut file, bytes))
                .and_then(|()| fs::rename(&aside, path));
            if result.is_err() {
                let _ = fs::remove_file(&aside);
            }
            result
        };
        write(&self.code, code)
            .and_then(|()| write(&self.sum, blake3::hash(code).as_bytes()))
            .map_err(|error| format!("cannot keep the compiled module in {}: {error}", self.code.display()))
    }

    /// Throws away what cannot be used.
    pub fn forget(&self) {
        let _ = fs::remove_file(&self.sum);
        let _ = fs::remove_file(&self.code);
    }
}
