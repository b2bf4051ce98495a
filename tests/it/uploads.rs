//! Files of data points over HTTP: as a body, as a form, and through the page that shows them first.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::{key, locked};
use crate::command::{Place, points};
use crate::http::{Answer, BASE, Client};
use crate::serving::Server;
use serde_json::Value;

const FOREIGN: &str =
    "Institution;Result;Marks;Season\nMIT;Accepted;3,71;2025\nETH;Rejected;3,20;2025\nKTH;who knows;3,90;2024\n";
const MAPPING: &str = "id_prefix = \"t-\"\n[columns]\nuniversity_name = \"Institution\"\ndecision = \"Result\"\ngpa = \"Marks\"\napplication_year = \"Season\"\n";

fn send(client: &Client, path: &str, kind: &str, body: &[u8]) -> Answer {
    client.send("POST", path, &[("content-type", kind)], Some(body))
}

/// A form with these fields, and a file.
fn form(fields: &[(&str, &str)], name: &str, file: &str) -> (String, Vec<u8>) {
    let mut body = String::new();
    for (field, value) in fields {
        body.push_str(&format!("--x1\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str(&format!(
        "--x1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{file}\r\n--x1--\r\n"
    ));
    ("multipart/form-data; boundary=x1".to_owned(), body.into_bytes())
}

fn rows(client: &Client) -> Value {
    let config = serde_json::json!({"use_verified_only": false});
    client.post("data-quality", &config).ok(200)["total_samples"].clone()
}

#[test]
fn a_file_is_imported_as_it_is_or_with_its_mapping() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let path = format!("{BASE}/points");
    let own = points(0..50);
    for (inserted, unchanged) in [(50, 0), (0, 50)] {
        let answer = send(&client, &format!("{path}?file_name=own.jsonl"), "application/x-ndjson", own.as_bytes());
        let report = answer.ok(200);
        assert_eq!((&report["rows"], &report["file"]), (&50.into(), &"own.jsonl".into()));
        assert_eq!((&report["inserted"], &report["unchanged"]), (&inserted.into(), &unchanged.into()));
        assert!(report["rejects"].is_null());
    }
    let (kind, body) = form(&[("mapping", MAPPING)], "foreign.csv", FOREIGN);
    let report = send(&client, &path, &kind, &body).ok(200);
    assert_eq!((&report["rows"], &report["inserted"], &report["rejected"]), (&3.into(), &2.into(), &1.into()));
    assert!(report["reasons"][0]["reason"].as_str().unwrap().contains("who knows"), "{report}");
    let rejected = client.get(report["rejects"].as_str().unwrap());
    assert_eq!(rejected.header("content-type"), Some("application/x-ndjson"));
    let line: Value = serde_json::from_slice(&rejected.bytes).unwrap();
    assert_eq!((&line["file"], &line["line"]), (&"foreign.csv".into(), &4.into()));
    assert_eq!(rows(&client), 52);

    // Nothing is stored of what does not fit.
    for (fields, name, file, pointer) in [
        (vec![("mapping", "[columns]\ngpaa = \"Marks\"\n")], "a.csv", FOREIGN, "/mapping/columns/gpaa"),
        (vec![("mapping", "{\"columns\": 1")], "a.csv", FOREIGN, "/mapping"),
        (vec![], "a.csv", FOREIGN, "/file"),
        (vec![], "a.xlsx", "PK\u{3}\u{4}rest", "/file"),
    ] {
        let (kind, body) = form(&fields, name, file);
        let pointers = send(&client, &path, &kind, &body).problem(422);
        assert!(pointers.iter().any(|found| found == pointer), "{name}: {pointers:?}");
    }
    assert_eq!(send(&client, &path, "multipart/form-data; boundary=x1", b"--x1\r\n").status, 400, "it has no end");
    let none = b"--x1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x1--\r\n";
    assert_eq!(send(&client, &path, "multipart/form-data; boundary=x1", none).problem(422), ["/file"]);
    let two = b"--x1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na\r\n--x1\r\n\
        Content-Disposition: form-data; name=\"file\"\r\n\r\nb\r\n--x1--\r\n";
    assert_eq!(send(&client, &path, "multipart/form-data; boundary=x1", two).problem(422), ["/file"]);
    let packed = [("content-encoding", "gzip")];
    assert_eq!(client.send("POST", &path, &packed, Some(b"x")).status, 415);
    assert_eq!(client.get("points/x/rejects").status, 404);
    assert_eq!(rows(&client), 52);
}

#[test]
fn a_foreign_file_is_mapped_by_picking_columns() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let (kind, body) = form(&[], "foreign.csv", FOREIGN);
    let sent = send(&client, "/data/upload", &kind, &body);
    assert_eq!(sent.status, 303, "{sent:?}");
    let page = sent.header("location").unwrap().to_owned();
    let html = String::from_utf8(client.get(&page).bytes).unwrap();
    for shown in ["foreign.csv", "Institution", "3,71", "id=\"f-decision\"", "[columns]"] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    let urlencoded = "application/x-www-form-urlencoded";
    let refused = send(&client, &page, urlencoded, b"mode=pick&f-gpa=2");
    assert_eq!(refused.status, 422);
    assert!(String::from_utf8(refused.bytes).unwrap().contains("role=\"alert\""));
    for (fields, why) in [("mode=pick&f-gpa=99", "the file has 4 columns"), ("mode=guess", "`mode` is unknown")] {
        let refused = send(&client, &page, urlencoded, fields.as_bytes());
        assert!(
            refused.status == 422 && String::from_utf8_lossy(&refused.bytes).contains(why),
            "{fields}: {refused:?}"
        );
    }
    let fields = "mode=pick&id_prefix=t-&f-university_name=0&f-decision=1&f-gpa=2&f-application_year=3";
    let imported = send(&client, &page, urlencoded, fields.as_bytes());
    assert_eq!(imported.header("location"), Some(format!("{page}?done=imported").as_str()), "{imported:?}");
    let html = String::from_utf8(client.get(&format!("{page}?done=imported")).bytes).unwrap();
    assert!(html.contains("2 of 3 rows are new or changed.") && html.contains("Download the rejected rows"), "{html}");
    assert_eq!(rows(&client), 2);
    assert!(html.contains("encoding UTF-8, decimal comma"), "what the file is like: {html}");
    assert!(html.contains("<option value=\"1\" selected>Result"), "what was picked stays: {html}");
    // The known words of any column that is picked for the decision are mapped; where nothing fits, nothing green is said.
    let other = "Institution;Result;Final;GPA\nMIT;red;Admit;3.7\nETH;blue;Denied;3.1\nKTH;green;Waiting list;3.4\n";
    let (kind2, body2) = form(&[], "other.csv", other);
    let second = send(&client, "/data/upload", &kind2, &body2).header("location").unwrap().to_owned();
    let fields = "mode=pick&id_prefix=o-&f-university_name=0&f-gpa=3&f-decision=";
    let refused = send(&client, &second, urlencoded, format!("{fields}1").as_bytes());
    assert_eq!(refused.header("location"), Some(second.as_str()), "{refused:?}");
    let html = String::from_utf8(client.get(&second).bytes).unwrap();
    assert!(html.contains("Nothing was imported: 3 of 3 rows were rejected."), "{html}");
    assert!(!html.contains("The file is imported."), "{html}");
    let imported = send(&client, &second, urlencoded, format!("{fields}2").as_bytes());
    assert_eq!(imported.header("location"), Some(format!("{second}?done=imported").as_str()), "{imported:?}");
    let html = String::from_utf8(client.get(&second).bytes).unwrap();
    assert!(html.contains("3 of 3 rows are new or changed."), "{html}");
    // A file that nothing can be read from is told on the form, and so is none.
    for (name, file, why) in [
        ("", "", "no file was chosen"),
        ("e.csv", "", "the file is empty"),
        ("a.pdf", "%PDF-1.4", "the file is a PDF document"),
    ] {
        let (kind, body) = form(&[], name, file);
        let answer = send(&client, "/data/upload", &kind, &body);
        let html = String::from_utf8(answer.bytes).unwrap();
        assert!(answer.status == 422 && html.contains(why) && html.contains("id=\"file\""), "{name}: {html}");
    }
    // Only so many are kept; what is gone is told.
    for _ in 0..4 {
        assert_eq!(send(&client, "/data/upload", &kind, &body).status, 303);
    }
    assert_eq!(client.get(&page).status, 404);
    let kept = std::fs::read_dir(place.path("data/uploads")).unwrap().count();
    assert_eq!(kept, 4);
}

#[test]
fn an_upload_is_its_senders_alone() {
    let place = Place::new();
    let (_server, client, keys) = locked(&place, &[]);
    let other = key(&place, &["--role", "operator"]);
    let (kind, body) = form(&[], "foreign.csv", FOREIGN);
    let with = |key: &str, method: &str, path: &str, body: Option<&[u8]>| {
        let bearer = format!("Bearer {key}");
        client.send(method, path, &[("authorization", bearer.as_str()), ("content-type", kind.as_str())], body)
    };
    assert_eq!(with(&keys[0].text, "POST", "/data/upload", Some(&body)).status, 403, "a viewer");
    let sent = with(&keys[1].text, "POST", "/data/upload", Some(&body));
    let page = sent.header("location").unwrap().to_owned();
    assert_eq!(with(&keys[1].text, "GET", &page, None).status, 200);
    crate::auth::until("the new key is heard of", || with(&other.text, "GET", "/data", None).status == 200);
    assert_eq!(with(&other.text, "GET", &page, None).status, 404);
}
