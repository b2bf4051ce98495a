//! Other users of the machine can read nothing that Provost writes, whatever the umask is.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran, points};
use crate::http::{Client, small_job};
use crate::serving::Server;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Runs a command under a umask that removes no permission, and under one that removes all but reading.
fn run(place: &Place, umask: &str, arguments: &[&str]) -> Ran {
    let provost = place.command(arguments);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\"")).arg(provost.get_program());
    shell.args(provost.get_args()).current_dir(place.dir()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        shell.env("LD_LIBRARY_PATH", libraries);
    }
    Ran::from(shell.output().unwrap())
}

/// Every entry below a folder that others may enter, read or write, with its mode.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        if metadata.mode() & 0o7777 != expected {
            found.push(format!("{} {:o}", path.display(), metadata.mode() & 0o7777));
        }
        if metadata.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

#[test]
fn what_is_written_is_closed_to_others_whatever_the_umask() {
    for umask in ["000", "277"] {
        let place = Place::new();
        place.file("a.jsonl", points(0..300) + "no data point\n");
        for arguments in [
            &["import", "a.jsonl"][..],
            &["import", "a.jsonl", "--rejects", "rejects"],
            &["sample", "--rows", "50", "--seed", "1", "--out", "sample"],
            &["features", "--out", "features"],
            &["keys", "list"],
            &["backup", "kept"],
            &["restore", "kept", "--data-dir", "above/restored"],
        ] {
            let ran = run(&place, umask, arguments);
            assert_eq!(ran.code, Some(0), "{umask} {arguments:?}: {ran:?}");
        }
        for name in ["data", "kept", "above", "rejects", "sample", "features"] {
            assert_eq!(open_to_others(&place.path(name)), Vec::<String>::new(), "umask {umask}: {name}");
        }
        assert!(
            fs::read_dir(place.path("data"))
                .unwrap()
                .any(|e| { e.unwrap().file_name().to_string_lossy().starts_with("rejects-") })
        );
    }
    // The permissions of an existing file are its owner's choice.
    let place = Place::new();
    let shared = place.file("sample", "");
    fs::set_permissions(&shared, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(run(&place, "022", &["sample", "--rows", "5", "--seed", "1", "--out", "sample"]).code, Some(0));
    assert_eq!(fs::metadata(&shared).unwrap().mode() & 0o777, 0o640);
    let ran = run(&place, "022", &["sample", "--rows", "5", "--seed", "1", "--out", "/dev/stdout", "--json"]);
    assert!(ran.code == Some(0) && ran.out.contains("data_point_id"), "{ran:?}");
}

/// Gives everybody access to a folder and its content, as an older version under the usual umask did.
fn open_up(folder: &Path) {
    assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(folder).status().unwrap().success());
}

#[test]
fn an_older_folder_is_closed_at_the_start_and_a_stranger_cannot_hold_its_lock() {
    let place = Place::new();
    place.file("a.jsonl", points(0..300));
    assert_eq!(place.run(&["import", "a.jsonl"]).code, Some(0));
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    let job = client.ended(&client.train(&small_job()));
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(open_to_others(&place.path("data")), Vec::<String>::new(), "database, artifacts and locks of a service");
    assert_eq!(server.terminate(), Some(0));

    open_up(&place.path("data"));
    // So that other users can reach the folder at all.
    fs::set_permissions(place.dir(), Permissions::from_mode(0o755)).unwrap();
    let doctor = place.run(&["doctor"]);
    assert!(doctor.out.contains("! rights") && doctor.out.contains("chmod 700"), "{doctor:?}");
    fs::remove_file(place.path("serve.log")).unwrap();
    let mut server = Server::start(&place);
    server.expects(&["closed now"]);
    assert_eq!(open_to_others(&place.path("data")), Vec::<String>::new());
    let log = || fs::read_to_string(place.path("serve.log")).unwrap();
    let said: Vec<String> = log().lines().filter(|line| line.contains("closed now")).map(str::to_owned).collect();
    assert_eq!(said.len(), 1, "{}", log());
    // The doctor removed the others' permissions from the lock file when it opened the file.
    assert!(said[0].contains("artifacts") && said[0].contains("database"), "{}", said[0]);
    let doctor = place.run(&["doctor"]);
    assert!(doctor.out.contains("✓ rights"), "{doctor:?}");
    assert_eq!(server.terminate(), Some(0));
    fs::remove_file(place.path("serve.log")).unwrap();
    assert_eq!(Server::start(&place).terminate(), Some(0));
    assert!(!log().contains("closed now"), "{}", log());

    // The lock file is protected by its own permissions, not only by the folder's.
    for folder in ["data", "data/artifacts"] {
        fs::set_permissions(place.path(folder), Permissions::from_mode(0o755)).unwrap();
    }
    let stranger = |lock: &str| {
        let mut flock = Command::new("flock");
        flock.args(["--nonblock", "--shared"]).arg(place.path("data").join(lock)).arg("true").uid(65_534).gid(65_534);
        flock.output()
    };
    for lock in ["provost.lock", "artifacts/hold.lock"] {
        match stranger(lock) {
            Ok(held) => assert!(!held.status.success(), "{lock}: {held:?}"),
            Err(e) => eprintln!("SKIPPED: no other user can be tried: {e}"),
        }
    }
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let place = Place::new();
    place.file("a.jsonl", points(0..3));
    assert_eq!(place.run(&["import", "a.jsonl"]).code, Some(0));
    if chown(place.path("data"), Some(65_534), None).is_err() {
        eprintln!("SKIPPED: only root can give a folder to another user");
        return;
    }
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["import", "a.jsonl"], &["keys", "list"]] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("belongs to user 65534") && ran.err.contains("chown"), "{}", ran.err);
    }
}
