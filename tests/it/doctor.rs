//! `doctor` finds the faults that it claims to check for.
#![allow(clippy::unwrap_used)]

use crate::broker::bus;
use crate::command::Place;
use crate::events::python;
use crate::serving::Server;
use crate::skip::skipped;
use std::io::{Seek, SeekFrom, Write};

fn doctor(place: &Place, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = place.command(&["doctor"]);
    command.env("PROVOST_HTTP__LISTEN", "127.0.0.1:0").envs(environment.iter().copied());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_malformed_database_is_never_fine() {
    let place = Place::new();
    place.file("a.jsonl", crate::command::points(0..500));
    assert_eq!(place.run(&["import", "a.jsonl"]).code, Some(0));
    assert_eq!(doctor(&place, &[]).0, Some(0));
    // Damages pages in the middle: the header and the first tables can still be read.
    let path = place.path("data/provost.db");
    let length = path.metadata().unwrap().len();
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(length / 2 / 4096 * 4096)).unwrap();
    file.write_all(&[0xAA; 8 * 4096]).unwrap();
    drop(file);
    let (code, said) = doctor(&place, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("✗ store") && said.contains("corrupt") && said.contains("restore"), "{said}");
}

#[test]
fn whose_process_has_the_address_is_said() {
    let place = Place::new();
    let mut server = Server::start(&place);
    let address = server.url.split_once("://").unwrap().1.to_owned();
    let (_, said) = doctor(&place, &[("PROVOST_HTTP__LISTEN", &address)]);
    let own = format!("✓ address  process {}, which serves this data folder", server.process.id());
    assert!(said.contains(&own), "{said}");
    let (code, said) = doctor(&Place::new(), &[("PROVOST_HTTP__LISTEN", &address)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("✗ address  {address} is taken by process {} (provost)", server.process.id())),
        "{said}"
    );
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn records_of_the_future_are_a_fault_of_the_clock() {
    let place = Place::new();
    assert_eq!(place.run(&["keys", "create", "--role", "admin", "--name", "a"]).code, Some(0));
    assert_eq!(doctor(&place, &[]).0, Some(0));
    let database = rusqlite::Connection::open(place.path("data/provost.db")).unwrap();
    database.execute_batch("DROP TRIGGER audit_is_not_changed").unwrap();
    let moved = "UPDATE audit SET document = replace(document, strftime('%Y', 'now') || '-', '2099-')";
    assert!(database.execute(moved, []).unwrap() > 0);
    drop(database);
    let (code, said) = doctor(&place, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("✗ clock") && said.contains("behind entry 1 of the audit log"), "{said}");
}

#[test]
fn an_exchange_or_a_queue_of_another_kind_is_a_fault() {
    let Some(bus) = bus() else { return };
    let (place, url) = (Place::new(), bus.url.clone());
    assert_eq!(doctor(&place, &[("PROVOST_BRIDGE__URL", &url)]).0, Some(0), "nothing is there yet");
    let declare = "import pika, sys; pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()\\
        .exchange_declare('ml.events', 'direct', durable=True)";
    if !python().args(["-c", declare, &url]).status().is_ok_and(|status| status.success()) {
        skipped("pika", "there is no python3 with pika; `scripts/setup.sh test` installs it");
        return;
    }
    let (code, said) = doctor(&place, &[("PROVOST_BRIDGE__URL", &url)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("✗ bus") && said.contains("ml.events") && said.contains("delete what is of another kind"),
        "{said}"
    );
}

#[test]
fn a_refused_login_is_a_fault_with_what_to_do() {
    let Some(bus) = bus() else { return };
    let url = bus.url.replace("guest:guest", "guest:geheim");
    let (code, said) = doctor(&Place::new(), &[("PROVOST_BRIDGE__URL", &url)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("✗ bus") && said.contains("correct user, password or rights") && !said.contains("geheim"),
        "{said}"
    );
}
