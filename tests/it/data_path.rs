//! `data_path`: what a client names is a regular file below the import folder, whatever happens there meanwhile.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, points};
use crate::http::Client;
use crate::serving::Server;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

const INSIDE: u64 = 20;
const OUTSIDE: u64 = 33;

fn question(name: &str) -> Value {
    json!({"data_source": "json", "data_path": name, "use_verified_only": false})
}

/// A place with a file in the import folder and another one beside it.
fn place() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path("data/import/sub")).unwrap();
    std::fs::create_dir(place.path("out")).unwrap();
    place.file("out/rows.jsonl", points(0..OUTSIDE as usize));
    for name in ["data/import/rows.jsonl", "data/import/sub/rows.jsonl"] {
        place.file(name, points(0..INSIDE as usize));
    }
    place
}

#[test]
fn links_out_and_what_is_no_file_are_refused() {
    let place = place();
    let import = |name: &str| place.path("data/import").join(name);
    symlink(place.path("out/rows.jsonl"), import("link.jsonl")).unwrap();
    symlink(place.path("out"), import("way")).unwrap();
    assert!(Command::new("mkfifo").arg(import("pipe.jsonl")).status().unwrap().success());
    let server = Server::start(&place);
    // The test made the folders for everybody to enter.
    server.expects(&["closed now"]);
    let client = Client::of(&server);
    let report = client.post("data-quality", &question("sub/rows.jsonl")).ok(200);
    assert_eq!(report["total_samples"], INSIDE);
    for name in ["link.jsonl", "way/rows.jsonl", "pipe.jsonl", "sub", "absent.jsonl"] {
        for route in ["data-quality", "train"] {
            let refused = client.post(route, &question(name));
            assert_eq!(refused.problem(422), ["/data_path"], "{route} {name}");
            let detail = refused.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(name) && !detail.contains(&place.dir().display().to_string()), "{detail}");
        }
    }
}

/// Also when a test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges a file, and a folder on the way, for links to the outside until it is told to stop.
fn exchange(place: &Path, done: &AtomicBool) {
    let import = place.join("data/import");
    symlink(place.join("out/rows.jsonl"), place.join("file link")).unwrap();
    symlink(place.join("out"), place.join("folder link")).unwrap();
    while !done.load(Ordering::Relaxed) {
        for (link, at) in [("file link", "rows.jsonl"), ("folder link", "sub")] {
            let (link, at, aside) = (place.join(link), import.join(at), place.join("aside"));
            std::fs::rename(&at, &aside).unwrap();
            std::fs::rename(&link, &at).unwrap();
            std::fs::rename(&aside, &link).unwrap();
        }
    }
}

#[test]
fn no_request_of_hundreds_reads_what_a_swapped_link_leads_to() {
    const REQUESTS: usize = 400;
    let place = place();
    let server = Server::start(&place);
    // The test made the folders for everybody to enter.
    server.expects(&["closed now"]);
    let client = Client::of(&server);
    let done = AtomicBool::new(false);
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| exchange(place.dir(), &done));
        let _stop = SetOnDrop(&done);
        for n in 0..REQUESTS {
            let answer = client.post("data-quality", &question(["rows.jsonl", "sub/rows.jsonl"][n % 2]));
            match answer.status {
                200 => {
                    assert_eq!(answer.json()["total_samples"], INSIDE, "request {n} read outside");
                    read += 1;
                }
                _ => {
                    assert_eq!(answer.problem(422), ["/data_path"]);
                    refused += 1;
                }
            }
        }
    });
    eprintln!("0 of {REQUESTS} outside, {read} inside, {refused} refused");
    assert!(refused > 0, "nothing was exchanged meanwhile");
}
