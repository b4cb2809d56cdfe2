//! Private keys by name. Of a file only its beginning is read, and of that only whether a passphrase protects the key.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

use casa_doctor_checks::facts::KeyFile;

use crate::host::{FileKind, Host};
use crate::probes::ssh_agent::DEFAULT_KEY_NAMES;

/// Enough for the head of a key in every format.
const HEAD: u64 = 1024;
/// More than a private key has, in bytes.
const LARGEST: u64 = 64 * 1024;
/// A directory of keys has few files.
const MAX_FILES: usize = 500;
/// The beginning of a key in OpenSSH's own format, in base64: its magic, then the name of its cipher (PROTOCOL.key).
const OPENSSH_MAGIC: &str = "b3BlbnNzaC1rZXktdjEA";
/// The cipher's name where there is none.
const NO_CIPHER: &str = "AAAABG5vbmU";

/// The private keys in a directory.
///
/// # Errors
///
/// When the directory is there and cannot be listed.
pub(super) fn in_directory(host: &dyn Host, directory: &Path) -> io::Result<Vec<KeyFile>> {
    let names = match host.read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        names => names?,
    };
    let uid = host.identity().uid;
    Ok(names.iter().take(MAX_FILES).filter_map(|name| key(host, directory, name, &names, uid)).collect())
}

fn key(host: &dyn Host, directory: &Path, name: &OsString, names: &[OsString], uid: Option<u32>) -> Option<KeyFile> {
    let text = name.to_str()?;
    if text.ends_with(".pub") || text.starts_with("known_hosts") || text == "config" {
        return None;
    }
    let path = directory.join(name);
    let metadata = host.metadata(&path).ok().filter(|metadata| metadata.kind == FileKind::File)?;
    let known_by_name = || {
        let public = format!("{text}.pub");
        DEFAULT_KEY_NAMES.contains(&text) || names.iter().any(|other| other.as_os_str() == public.as_str())
    };
    let encrypted = match head(host, &path) {
        Ok(head) => encrypted(&head)?,
        // A key that may not be read is told from its name.
        Err(_) if known_by_name() => None,
        Err(_) => return None,
    };
    let (name, mode, own) = (text.to_owned(), metadata.mode & 0o7777, Some(metadata.uid) == uid);
    Some(KeyFile { name, mode, own, encrypted, same_as_own: None })
}

/// Whether two files hold the same; `None` when one of them is not there or cannot be read, and when a link makes them one: whoever
/// deleted either would have none. Nothing of them is kept.
pub(super) fn are_the_same(host: &dyn Host, one: &Path, other: &Path) -> Option<bool> {
    if host.canonicalize(one).ok()? == host.canonicalize(other).ok()? {
        return None;
    }
    Some(host.read(one, LARGEST).ok()? == host.read(other, LARGEST).ok()?)
}

fn head(host: &dyn Host, path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    host.open(path)?.take(HEAD).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a passphrase protects a private key; the outer `None` when it is no private key.
fn encrypted(head: &str) -> Option<Option<bool>> {
    let (kind, body) = head.trim_start().strip_prefix("-----BEGIN ")?.split_once("-----")?;
    if !kind.ends_with("PRIVATE KEY") {
        return None;
    }
    let body = body.trim_start();
    Some(match kind {
        "ENCRYPTED PRIVATE KEY" => Some(true),
        "OPENSSH PRIVATE KEY" => body.strip_prefix(OPENSSH_MAGIC).map(|cipher| !cipher.starts_with(NO_CIPHER)),
        _ => Some(body.starts_with("Proc-Type:") && body.lines().next().is_some_and(|line| line.contains("ENCRYPTED"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{LiveHost, RecordedHost};

    #[test]
    fn described_files_that_are_keys_and_that_are_not() {
        let host = RecordedHost::new()
            .file_mode("/k/id_rsa", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nabc", 0o600)
            .file_mode("/k/old", "-----BEGIN RSA PRIVATE KEY-----\nMIIE", 0o644)
            .file("/k/pkcs8", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
            .file("/k/public.pem", "-----BEGIN PUBLIC KEY-----\n")
            .file("/k/notes", "hello")
            .file("/k/id_rsa.pub", "ssh-rsa AAAA")
            .file_mode("/k/id_ed25519", "secret", 0o000)
            .directory("/k/id_dsa")
            .owner("/k/pkcs8", 0);
        let keys = in_directory(&host, Path::new("/k")).unwrap();
        let told: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.mode, key.own, key.encrypted)).collect();
        assert_eq!(
            told,
            [
                ("id_ed25519", 0o000, true, None),
                ("id_rsa", 0o600, true, Some(true)),
                ("old", 0o644, true, Some(false)),
                ("pkcs8", 0o644, false, Some(true)),
            ]
        );
        assert!(in_directory(&host, Path::new("/nothing")).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_a_link_leads_to_is_not_a_second_one() {
        let host = RecordedHost::new().file("/bv/id_rsa", "key").symlink("/home/id_rsa", "/bv/id_rsa").file("/home/id_copy", "key");
        assert_eq!(are_the_same(&host, Path::new("/bv/id_rsa"), Path::new("/home/id_rsa")), None);
        assert_eq!(are_the_same(&host, Path::new("/bv/id_rsa"), Path::new("/home/id_copy")), Some(true));
        assert_eq!(are_the_same(&host, Path::new("/bv/id_rsa"), Path::new("/home/nothing")), None);
    }

    #[cfg(unix)]
    #[test]
    fn real_keys_of_ssh_keygen_and_nothing_of_them_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        for (name, kind, format, passphrase, encrypted) in [
            ("plain", "ed25519", "RFC4716", "", false),
            ("locked", "ed25519", "RFC4716", "password", true),
            ("plain_pem", "ecdsa", "PEM", "", false),
            ("locked_pem", "ecdsa", "PEM", "password", true),
            ("locked_pkcs8", "ecdsa", "PKCS8", "password", true),
        ] {
            let path = directory.path().join(name);
            #[expect(clippy::disallowed_methods, reason = "a test starts real programs")]
            let made = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-m", format, "-N", passphrase, "-f"])
                .arg(&path)
                .status();
            let Ok(made) = made else { return };
            assert!(made.success());
            let keys = in_directory(&LiveHost, directory.path()).unwrap();
            let key = keys.iter().find(|key| key.name == name).unwrap();
            assert_eq!((key.encrypted, key.mode, key.own), (Some(encrypted), 0o600, true), "{name}");
            let told = serde_json::to_string(&keys).unwrap();
            let content = LiveHost.read_text(&path, 10_000).unwrap();
            let second = content.lines().nth(1).unwrap();
            assert!(!told.contains(&second[..8]), "{told}");
        }
        assert_eq!(in_directory(&LiveHost, directory.path()).unwrap().len(), 5);
    }
}
