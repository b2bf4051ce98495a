//! File permissions of secrets: the data folder, keys, and files that hold addresses or keys.

use super::{Finding, Verdict, ok, trouble};
use crate::settings::{Settings, Source, holds_secret, shown_path};
use provost_store::private;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that no other user may read.
const SECRET: [&str; 4] = ["http.tls_key", "bridge.url_file", "mail.url_file", "store.url_file"];
/// Files that no other user may write, because this process trusts their content.
const TRUSTED: [&str; 3] = ["http.tls_cert", "bridge.ca_file", "mail.ca_file"];
const KEY_FILE: &str = "PROVOST_KEY_FILE";
/// Permission bits for writing by group and others.
const WRITE: u32 = 0o022;

pub fn of_rights(settings: &Settings) -> Finding {
    let key_file = std::env::var_os(KEY_FILE).map(PathBuf::from);
    let found = look(settings, key_file.as_deref());
    if found.is_empty() {
        return ok("rights", "other users have no access to the data folder, keys and files of secrets");
    }
    let (found, advice): (Vec<String>, Vec<String>) = found.into_iter().unzip();
    trouble("rights", Verdict::Warning, found.join("; "), advice.join("; "))
}

/// Returns each fault with advice.
fn look(settings: &Settings, key_file: Option<&Path>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // This user cannot change a folder that root gave to a group; only the files in that folder are checked.
    if let Ok(metadata) = settings.data_dir.metadata()
        && !private::held_by_group(&metadata)
    {
        check("data.dir", &settings.data_dir, &metadata, private::OTHERS, "700", &mut found);
    }
    let set = |key: &&str| {
        let path = settings.values.get(*key)?.0.as_str().filter(|path| !path.is_empty())?;
        Some(((*key).to_owned(), PathBuf::from(path)))
    };
    let mut secret: Vec<(String, PathBuf)> = SECRET.iter().filter_map(set).collect();
    secret.extend(key_file.map(|path| (KEY_FILE.to_owned(), path.to_owned())));
    let in_file = settings.values.iter().find_map(|(key, (value, source))| match source {
        Source::File(path) if holds_secret(key, value) => Some((format!("the settings file with {key}"), path.clone())),
        _ => None,
    });
    secret.extend(in_file);
    for (what, path) in secret {
        // A missing file is reported by the check that needs the file.
        let Ok(metadata) = path.metadata() else { continue };
        check(&what, &path, &metadata, private::OTHERS, "600", &mut found);
    }
    for (what, path) in TRUSTED.iter().filter_map(set) {
        let Ok(metadata) = path.metadata() else { continue };
        check(&what, &path, &metadata, WRITE, "644", &mut found);
    }
    found
}

fn check(what: &str, path: &Path, metadata: &Metadata, closed: u32, mode: &str, found: &mut Vec<(String, String)>) {
    let (name, may, owner) = (shown_path(path), metadata.mode() & 0o777, metadata.uid());
    if may & closed != 0 {
        let can = if closed == WRITE { "change" } else { "read" };
        found.push((
            format!("{what} = {name}: other users can {can} it (mode {may:03o})"),
            format!("chmod {mode} {name}"),
        ));
    }
    // Root can read every file anyway.
    if owner != private::own_user() && owner != 0 {
        found.push((
            format!("{what} = {name}: the owner is user {owner}, this process runs as user {}", private::own_user()),
            format!("chown {} {name}", private::own_user()),
        ));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_file_that_others_may_read_or_change_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path
        };
        let url = file("url", "amqp://u:geheim@127.0.0.1");
        let [key, cert, own] = ["key.pem", "cert.pem", "own"].map(|name| file(name, "x"));
        let config = file(
            "my.toml",
            &format!(
                "[data]\ndir = {data:?}\n[bridge]\nurl_file = {url:?}\n[http]\ntls_key = {key:?}\ntls_cert = {cert:?}\n\
                 [mail]\nurl = \"smtp://u:geheim@localhost\"\n",
                data = dir.path(),
            ),
        );
        let settings = Settings::load(Some(&config), &Vec::new()).unwrap();
        let look = || look(&settings, Some(&own));
        assert_eq!(look(), []);
        for (path, mode, what, advice) in [
            (&url, 0o640, "bridge.url_file", "chmod 600"),
            (&key, 0o604, "http.tls_key", "chmod 600"),
            (&own, 0o644, "PROVOST_KEY_FILE", "chmod 600"),
            (&config, 0o644, "mail.url", "chmod 600"),
            (&cert, 0o664, "http.tls_cert", "chmod 644"),
            (&dir.path().to_owned(), 0o750, "data.dir", "chmod 700"),
        ] {
            let before = path.metadata().unwrap().permissions();
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let found = look();
            assert_eq!(found.len(), 1, "{found:?}");
            let (found, said) = &found[0];
            assert!(found.contains(what) && found.contains(&format!("{mode:o}")), "{found}");
            assert_eq!(*said, format!("{advice} {}", path.display()));
            assert!(!found.contains("geheim"));
            set_permissions(path, before).unwrap();
        }
        set_permissions(&cert, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(look(), [], "everybody may read a certificate");
    }
}
