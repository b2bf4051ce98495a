//! Bad usage and bad settings end with exit code 2 and name the fault.
#![allow(clippy::unwrap_used)]

use crate::command::Place;

#[test]
fn an_unknown_setting_exits_2_and_suggests_the_nearest() {
    let place = Place::new();
    place.file("my.toml", "[http]\nlisen = \"127.0.0.1:1\"\n");
    let ran = place.run(&["doctor", "--config", "my.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("my.toml") && ran.err.contains("did you mean http.listen?"), "{}", ran.err);
    assert_eq!(ran.out, "");

    let output = place.command(&["serve"]).env("PROVOST_SHUTDOWN__DEADLIN", "5s").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("PROVOST_SHUTDOWN__DEADLIN") && error.contains("shutdown.deadline"), "{error}");
}

#[test]
fn a_bad_value_names_setting_source_and_what_is_allowed() {
    let place = Place::new();
    for (name, value, wanted) in [
        ("PROVOST_HTTP__WORKERS", "many", "from 1 to 64"),
        ("PROVOST_SHUTDOWN__DEADLINE", "30", "\"30s\""),
        ("PROVOST_STORE__URL", "postgres://localhost", "mongodb://"),
        ("PROVOST_BRIDGE__URL", "localhost:5672", "amqp://"),
        ("PROVOST_FEATURES__GMAT", "[[700, 1], [600, 2]]", "rising order"),
    ] {
        let output = place.command(&["serve"]).env(name, value).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert!(error.contains(name) && error.contains(wanted), "{name}: {error}");
    }
}

#[test]
fn names_without_a_section_are_no_settings() {
    let place = Place::new();
    place.file("a.jsonl", crate::command::points(0..2));
    let output = place.command(&["import", "a.jsonl"]).env("PROVOST_TEST_AMQP", "amqp://x").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn bad_usage_exits_2() {
    let place = Place::new();
    for arguments in [
        &["import"][..],
        &["sample", "--rows", "-1", "--seed", "1", "--out", "x"],
        &["features", "--out", "x.csv", "--features", "all"],
        &["fly"],
        &["import", "x.jsonl", "--config", "missing.toml"],
        &["train", "--config", "missing.json"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(!ran.err.is_empty());
    }
}

#[test]
fn a_training_configuration_is_checked_before_it_is_sent() {
    let place = Place::new();
    place.file("t.json", r#"{"test_size": 0.9, "algorithms": [], "colour": 1}"#);
    let ran = place.run(&["train", "--config", "t.json", "--url", "http://127.0.0.1:9"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for pointer in ["/test_size", "/algorithms", "/colour"] {
        assert!(ran.err.contains(pointer), "{}", ran.err);
    }
}

#[test]
fn an_unreachable_service_is_said_so() {
    let ran = Place::new().run(&["status", "--url", "http://127.0.0.1:9"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("http://127.0.0.1:9") && ran.err.contains("provost serve"), "{}", ran.err);
}

#[test]
fn a_mail_server_that_does_not_answer_is_a_fault_and_its_password_is_not_shown() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("smtp://olga:geheim@{free}");
    let output = place.command(&["doctor"]).env("PROVOST_MAIL__URL", &url).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("✗ mail") && said.contains(&format!("smtp://***@{free}")), "{said}");
    assert!(!said.contains("geheim") && !said.contains("olga"), "{said}");

    // The error for a file that cannot be parsed does not show the faulty line either.
    place.file("my.toml", "[mail]\nurl = \"smtp://olga:geheim@mail.example.org\n");
    let ran = place.run(&["doctor", "--config", "my.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("my.toml: not TOML: line 2") && !ran.err.contains("geheim"), "{}", ran.err);
}
