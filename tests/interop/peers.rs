//! Where the peers' programs are. They are made on first use, or beforehand by `scripts/test`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One of quinn's published examples, `client` or `server`, of the very version in Cargo.lock.
pub(crate) fn quinn_example(name: &str) -> PathBuf {
    printed_by("quinn-examples.sh").join(name)
}

/// A Python that has aioquic and cbor2.
pub(crate) fn python() -> PathBuf {
    printed_by("python.sh")
}

/// Our command line.
pub(crate) fn quipu() -> PathBuf {
    printed_by("quipu.sh")
}

/// The path that a script of this folder prints.
fn printed_by(script: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    // The folder cargo gave these tests is tmp/ of the target folder, wherever that is.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp/ lies in the target folder");
    let output = Command::new("bash").arg(&script).env("CARGO_TARGET_DIR", target).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed: {stderr}", script.display());
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}
