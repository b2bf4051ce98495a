//! The notifier against a real mail server.

use crate::mail_samples as samples;
use crate::mail_server::{MailServer, certificate, mail_server};
use crate::silence::{expect, expect_panics, expect_restarts, start};
use crate::support;
use provost_actors::notifier::{ConnectError, check, mail_content::letters};
use provost_actors::testkit::Failpoints;
use provost_actors::{Handle, MailOptions, MailUrl, Options, RestartBudget, Sender, TestClock};
use provost_domain::mail::Letter;
use provost_domain::schedule::ScheduledTrainingConfig;
use provost_domain::{Algorithm, TrainingConfig};
use provost_store::sqlite::SqliteStore;
use provost_store::{Artifacts, JobStore, NewJob, OutboxMessage};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn mail_to(address: &str) -> MailOptions {
    MailOptions::new(MailUrl::parse(address).unwrap(), Sender::parse("Provost <provost@example.org>").unwrap())
}

fn mail_at(server: &MailServer) -> MailOptions {
    mail_to(&format!("smtp://127.0.0.1:{}", server.port))
}

/// A system on a clock that stands still, with these mails in its outbox.
async fn options(folder: &Path, mail: MailOptions, mails: Vec<OutboxMessage>) -> (Options, TestClock) {
    let store = SqliteStore::open(folder, samples::at(0)).unwrap();
    store.create_job(NewJob { outbox: mails, max_waiting: 9, ..NewJob::new(samples::job_record()) }).await.unwrap();
    let artifacts = Artifacts::open(folder.join("artifacts")).unwrap();
    let clock = TestClock::new(samples::at(0));
    let mut options = Options::new(Arc::new(store), artifacts, folder.join("import"));
    options.clock = Arc::new(clock.clone());
    options.mail = Some(mail);
    options.restart_budget = RestartBudget { backoff: Duration::ZERO, ..RestartBudget::default() };
    (options, clock)
}

fn mails(recipients: &[&str], letter: &Letter) -> Vec<OutboxMessage> {
    let recipients: Vec<String> = recipients.iter().map(|r| (*r).to_owned()).collect();
    letters(&format!("an occasion, {}", letter.topic()), &recipients, letter, samples::at(0))
}

async fn state(handle: &Handle) -> Value {
    let status = handle.components().await.remove("notifier").unwrap();
    assert_eq!(serde_json::to_value(status.health).unwrap(), status.state["health"]);
    status.state
}

/// The notifier's state once it is as wished.
async fn until(handle: &Handle, wished: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let state = state(handle).await;
            if wished(&state) {
                return state;
            }
            actix_rt::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("the notifier never came to that state")
}

fn text<'a>(message: &'a Value, part: &str) -> &'a str {
    message[part].as_str().unwrap()
}

#[actix_rt::test]
async fn each_kind_of_mail_is_read_by_another_reader() {
    let Some(mut server) = mail_server(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = samples::letters().iter().flat_map(|l| mails(&["zoe@example.org"], l)).collect();
    let (options, _clock) = options(folder.path(), mail_at(&server), all).await;
    let handle = start(options).await.unwrap();
    let [completed, failed, activated] = [server.next().await, server.next().await, server.next().await];
    let drift = server.next().await;
    for message in [&completed, &failed, &activated, &drift] {
        assert_eq!(message["from"], "provost@example.org");
        assert_eq!(message["to"], json!(["zoe@example.org"]));
        assert_eq!(message["type"], "multipart/alternative");
        assert_eq!(message["parts"], json!([["text/plain", "utf-8"], ["text/html", "utf-8"]]));
        assert_eq!(message["defects"], json!([]));
        let headers = &message["headers"];
        assert_eq!(headers["From"], "Provost <provost@example.org>");
        assert_eq!(headers["To"], "zoe@example.org");
        assert_eq!(headers["Auto-Submitted"], "auto-generated");
        assert!(text(headers, "Date").starts_with("Mon, 05 Jan 2026 01:30:00 "), "{}", headers["Date"]);
        assert!(text(headers, "Message-ID").ends_with("@example.org>"));
        // Nothing that came in a reason, an error or a note became a header.
        for name in message["names"].as_array().unwrap() {
            let known = ["Bcc", "Cc"].iter().all(|n| !name.as_str().unwrap().eq_ignore_ascii_case(n));
            assert!(known, "{}", message["names"]);
        }
        let (plain, html) = (text(message, "text"), text(message, "html"));
        assert!(plain.contains(samples::HOSTILE), "{plain}");
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;alert("), "{html}");
        assert!(html.contains("Grüße &amp; 你好"), "{html}");
        assert!(!html.contains("src=") && !html.contains("http"), "nothing is fetched: {html}");
        for shown in [plain, html] {
            assert!(shown.contains(samples::WRITTEN_OUT), "{shown}");
            assert!(shown.split(['\r', '\n']).all(provost_domain::visible::is_plain), "{shown:?}");
        }
        assert!(message["raw"].as_str().unwrap().lines().all(|l| l.len() <= 998));
    }
    assert_eq!(completed["headers"]["Subject"], "Training completed: XGBoost is best, F1 score 0.846");
    let subject = text(&failed["headers"], "Subject");
    assert_eq!(subject, format!("Training failed: xgboost: the fit panicked{}", samples::WRITTEN_OUT));
    assert_eq!(activated["headers"]["Subject"], "Active now: XGBoost 20260105_8421");
    for part in ["text", "html"] {
        let said = text(&completed, part);
        for expected in ["0.842", "0.829", "0.873", "0.862", "0.912", "0.011", "TOEFL or IELTS", "11 min 30 s", "1,043"]
        {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(said.contains("lower bound 0.006") && said.contains("and 3 more"), "{said}");
        assert!(text(&failed, part).contains("the fit panicked"));
        let said = text(&activated, part);
        assert!(said.contains("für das Wintersemester") && said.contains("model_random_forest_"), "{said}");
    }
    assert!(text(&activated, "html").contains("Zoë &lt;zoe@example.org&gt;"));
    assert_eq!(drift["headers"]["Subject"], "Drift: GPA moved by 0.31 deviations");
    for part in ["text", "html"] {
        let said = text(&drift, part);
        assert!(said.contains("1,500 predictions") && said.contains("2 more") && said.contains("18 %"), "{said}");
    }
    let done = until(&handle, |s| s["sent"] == 4).await;
    assert_eq!((&done["health"], &done["pending"], &done["dropped"]), (&json!("up"), &json!(0), &json!(0)));
    assert_eq!((&done["last_error"], &done["next_try"]), (&Value::Null, &Value::Null));
    assert_eq!(handle.store().outbox_count("mail").await.unwrap(), 0);
}

#[actix_rt::test]
async fn a_refused_recipient_holds_up_nobody() {
    expect(&["mail given up"]);
    let Some(mut server) = mail_server(&["--refuse", "gone@example.org"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let both = mails(&["gone@example.org", "no address", "zoe@example.org"], &samples::letters()[0]);
    let (options, _clock) = options(folder.path(), mail_at(&server), both).await;
    let handle = start(options).await.unwrap();
    assert_eq!(server.next().await["refused"], "gone@example.org");
    assert_eq!(server.next().await["to"], json!(["zoe@example.org"]));
    let state = until(&handle, |s| s["sent"] == 1).await;
    assert_eq!((&state["dropped"], &state["pending"], &state["health"]), (&json!(2), &json!(0), &json!("up")));
    assert_eq!(handle.store().outbox_count("mail").await.unwrap(), 0);
}

#[actix_rt::test]
async fn one_that_must_wait_holds_up_nobody_and_is_sent_after_a_back_off() {
    expect(&["the mail was not accepted yet"]);
    let busy = ["--defer", "late@example.org", "--busy", "2"];
    let Some(mut server) = mail_server(&busy) else { return };
    let folder = tempfile::tempdir().unwrap();
    let both = mails(&["late@example.org", "zoe@example.org"], &samples::letters()[0]);
    let (options, clock) = options(folder.path(), mail_at(&server), both).await;
    let handle = start(options).await.unwrap();
    assert_eq!(server.next().await["deferred"], "late@example.org");
    assert_eq!(server.next().await["to"], json!(["zoe@example.org"]));
    let state = until(&handle, |s| !s["next_try"].is_null()).await;
    assert_eq!((&state["health"], &state["pending"]), (&json!("degraded"), &json!(1)));
    assert!(text(&state, "last_error").contains("451"), "{state}");
    clock.advance(Duration::from_secs(1));
    assert_eq!(server.next().await["deferred"], "late@example.org");
    // The second wait is of two seconds.
    until(&handle, |s| s["next_try"] == json!(samples::at(3))).await;
    clock.advance(Duration::from_secs(2));
    assert_eq!(server.next().await["to"], json!(["late@example.org"]));
    until(&handle, |s| s["health"] == "up" && s["sent"] == 2).await;
}

#[actix_rt::test]
async fn a_server_that_is_down_is_waited_for() {
    expect(&["reaching the mail server"]);
    let Some(probe) = mail_server(&[]) else { return };
    let (mail, port) = (mail_at(&probe), probe.port.to_string());
    probe.stop();
    let folder = tempfile::tempdir().unwrap();
    let (options, clock) = options(folder.path(), mail, mails(&["zoe@example.org"], &samples::letters()[0])).await;
    let handle = start(options).await.unwrap();
    let mut now = samples::at(0);
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
        let next = now + chrono::TimeDelta::seconds(wait);
        let state = until(&handle, |s| s["next_try"] == json!(next)).await;
        assert_eq!((&state["health"], &state["pending"]), (&json!("degraded"), &json!(1)));
        assert!(text(&state, "last_error").contains("cannot connect"), "{state}");
        clock.advance(Duration::from_secs(wait.unsigned_abs()));
        now = next;
    }
    until(&handle, |s| s["next_try"] == json!(now + chrono::TimeDelta::seconds(600))).await;
    let mut server = mail_server(&["--port", &port]).unwrap();
    clock.advance(Duration::from_secs(600));
    assert_eq!(server.next().await["to"], json!(["zoe@example.org"]));
    until(&handle, |s| s["health"] == "up" && s["sent"] == 1).await;
}

#[actix_rt::test]
async fn a_mail_that_nobody_takes_is_given_up_in_the_end() {
    expect(&["the mail was not accepted yet", "mail given up", "reaching the mail server"]);
    let Some(mut server) = mail_server(&["--refuse-sender"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mail = MailOptions { give_up_after: Duration::from_secs(3600), ..mail_at(&server) };
    let (options, clock) = options(folder.path(), mail, mails(&["zoe@example.org"], &samples::letters()[1])).await;
    let handle = start(options).await.unwrap();
    // What the server has against the sender is not the mail's fault: it waits.
    let state = until(&handle, |s| !s["next_try"].is_null()).await;
    assert!(text(&state, "last_error").contains("the sender is refused") && state["dropped"] == 0, "{state}");
    clock.advance(Duration::from_secs(3600));
    let state = until(&handle, |s| s["dropped"] == 1).await;
    assert_eq!((&state["sent"], &state["pending"]), (&json!(0), &json!(0)));
    assert!(server.silent());
}

#[actix_rt::test]
async fn a_connection_that_breaks_costs_one_mail_a_wait() {
    expect(&["the mail was not accepted yet"]);
    let Some(mut server) = mail_server(&["--hang-up", "1"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let both = mails(&["first@example.org", "second@example.org"], &samples::letters()[0]);
    let (options, clock) = options(folder.path(), mail_at(&server), both).await;
    let handle = start(options).await.unwrap();
    assert_eq!(server.next().await["hung_up"], json!(["first@example.org"]));
    assert_eq!(server.next().await["to"], json!(["second@example.org"]));
    until(&handle, |s| s["next_try"] == json!(samples::at(1))).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(server.next().await["to"], json!(["first@example.org"]));
    until(&handle, |s| s["health"] == "up" && s["sent"] == 2).await;
}

#[actix_rt::test]
async fn a_mail_sent_again_after_a_crash_is_the_same_mail() {
    expect_panics("failpoint mail_accepted", 1);
    expect_restarts(1);
    let Some(mut server) = mail_server(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let one = mails(&["zoe@example.org"], &samples::letters()[2]);
    let (mut options, _clock) = options(folder.path(), mail_at(&server), one.clone()).await;
    let failpoints = Failpoints::default();
    failpoints.arm("mail_accepted", 1);
    options.failpoints = failpoints;
    let handle = start(options).await.unwrap();
    let (first, second) = (server.next().await, server.next().await);
    assert_eq!(first["raw"], second["raw"]);
    let id = text(&first["headers"], "Message-ID").to_owned();
    assert_eq!(id, format!("<{}@example.org>", one[0].id));
    until(&handle, |s| s["sent"] == 1 && s["pending"] == 0).await;
    let notifier = handle.components().await.remove("notifier").unwrap();
    assert_eq!((notifier.restarts, notifier.last_error.as_deref()), (1, Some("failpoint mail_accepted")));
    // Written again, it is known.
    let again = provost_domain::job::JobRecord { config_hash: "other".to_owned(), ..samples::job_record() };
    let again = provost_domain::job::JobRecord {
        job: provost_domain::TrainingJob { job_id: provost_domain::JobId::new(samples::at(1), 1), ..again.job },
        ..again
    };
    handle.store().create_job(NewJob { outbox: one, max_waiting: 9, ..NewJob::new(again) }).await.unwrap();
    assert_eq!(handle.store().outbox_count("mail").await.unwrap(), 0);
}

#[actix_rt::test]
async fn with_tls_or_not_at_all() {
    expect(&["reaching the mail server"]);
    let folder = tempfile::tempdir().unwrap();
    let Some((ca, cert, key)) = certificate(folder.path()) else { return };
    let files = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), "--login", "user:p@ss"];
    let Some(mut server) = mail_server(&files) else { return };
    let address = format!("smtp://user:p%40ss@localhost:{}", server.port);
    let known = MailOptions { ca_file: Some(ca), ..mail_to(&address) };
    assert_eq!(check(&known).await, Ok(()));
    let (options, _clock) =
        options(folder.path(), known.clone(), mails(&["zoe@example.org"], &samples::letters()[0])).await;
    let handle = start(options).await.unwrap();
    let message = server.next().await;
    assert_eq!((&message["tls"], &message["login"]), (&json!(true), &json!("user")));
    assert!(text(&state(&handle).await, "security").contains("STARTTLS"));
    // An issuer that is not known, and a certificate that is for another name.
    let unknown = mail_to(&format!("{address}?tls=required"));
    let refused = check(&unknown).await.unwrap_err().to_string();
    assert!(refused.contains("issuer that is not trusted"), "{refused}");
    let elsewhere = MailUrl::parse(&address.replace("localhost", "127.0.0.2")).unwrap();
    let refused = check(&MailOptions { url: elsewhere, ..known.clone() }).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Connect(_)), "{refused}");
    let missing = MailOptions { ca_file: Some(key.clone()), ..known.clone() };
    assert!(matches!(check(&missing).await, Err(ConnectError::CaFile { .. })));
    server.stop();

    let files = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), "--implicit"];
    let server = mail_server(&files).unwrap();
    let url = MailUrl::parse(&format!("smtps://127.0.0.1:{}", server.port)).unwrap();
    assert_eq!(check(&MailOptions { url, ..known.clone() }).await, Ok(()));
    server.stop();

    // One that offers no TLS gets neither mail nor password.
    let server = mail_server(&["--login", "user:p@ss"]).unwrap();
    let url = MailUrl::parse(&format!("smtp://user:p%40ss@127.0.0.1:{}?tls=required", server.port)).unwrap();
    assert_eq!(check(&MailOptions { url, ..known }).await, Err(ConnectError::NoTls));
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);
impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_rt::test]
async fn the_password_is_in_no_log_and_no_status() {
    expect(&["reaching the mail server", "the mail was not accepted yet"]);
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let Some(server) = mail_server(&["--login", "user:right"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mail = mail_to(&format!("smtp://olga:geheim@127.0.0.1:{}", server.port));
    let refused = check(&mail).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Login(_)), "{refused}");
    let (options, _clock) =
        options(folder.path(), mail.clone(), mails(&["zoe@example.org"], &samples::letters()[0])).await;
    let handle = start(options).await.unwrap();
    let state = until(&handle, |s| !s["next_try"].is_null()).await;
    assert!(text(&state, "last_error").contains("does not accept the login"), "{state}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("no mail can be sent"), "{log}");
    let shown = format!("{log}{state}{mail:?}{:?}{:?}", mail.url, state);
    // As they are, and as they are sent.
    for secret in ["geheim", "olga", "Z2VoZWlt", "AG9sZ2EAZ2VoZWlt"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

fn to_zoe() -> ScheduledTrainingConfig {
    ScheduledTrainingConfig {
        notification_emails: vec!["zoe@example.org".to_owned(), "max@example.org".to_owned()],
        ..ScheduledTrainingConfig::default()
    }
}

#[actix_rt::test]
async fn jobs_and_activations_are_written_about() {
    let Some(mut server) = mail_server(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = support::options(folder.path()).await;
    options.mail = Some(mail_at(&server));
    options.store.put_schedule(to_zoe()).await.unwrap();
    let handle = start(options).await.unwrap();
    let config = TrainingConfig {
        notes: Some(samples::HOSTILE.to_owned()),
        ..support::config(&[Algorithm::LogisticRegression, Algorithm::GradientBoosting])
    };
    let id = support::submit(&handle, config).await;
    let job = support::finished(&handle, &id).await;
    let (zoes, maxs) = (server.next().await, server.next().await);
    assert_eq!((&zoes["to"], &maxs["to"]), (&json!(["zoe@example.org"]), &json!(["max@example.org"])));
    assert_eq!(zoes["text"], maxs["text"]);
    assert_ne!(zoes["headers"]["Message-ID"], maxs["headers"]["Message-ID"]);
    let said = text(&zoes, "text");
    for model in &job.trained_models {
        let metrics = handle.store().model(model).await.unwrap().unwrap().version.metrics;
        assert!(said.contains(model.as_str()) && said.contains(&format!("{:.3}", metrics.auc_roc)), "{said}");
    }
    assert!(said.contains(id.as_str()) && said.contains("Manual: ") && said.contains(samples::HOSTILE), "{said}");

    let [first, second] = [&job.trained_models[0], &job.trained_models[1]];
    handle.activate(first, Some("Olga".to_owned()), None).await.unwrap();
    handle.activate(second, Some("Olga".to_owned()), Some("better on recent years".to_owned())).await.unwrap();
    // A second time changes nothing, and is not written about.
    handle.activate(second, Some("Olga".to_owned()), None).await.unwrap();
    let (zoes, _) = (server.next().await, server.next().await);
    assert!(text(&zoes, "text").contains("none was active"));
    let (zoes, _) = (server.next().await, server.next().await);
    let said = text(&zoes, "text");
    assert!(said.contains("better on recent years") && said.contains("By:     Olga"), "{said}");
    assert!(said.contains(&format!("Before: {first}")), "{said}");
    until(&handle, |s| s["sent"] == 6 && s["pending"] == 0).await;

    assert!(server.silent());
}

#[actix_rt::test]
async fn a_failed_job_is_written_about() {
    expect_panics("failpoint fit", 3);
    let Some(mut server) = mail_server(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = support::options(folder.path()).await;
    options.mail = Some(mail_at(&server));
    let failpoints = Failpoints::default();
    failpoints.arm("fit", 9);
    options.failpoints = failpoints;
    options.store.put_schedule(to_zoe()).await.unwrap();
    let handle = start(options).await.unwrap();
    let id = support::submit(&handle, support::config(&[Algorithm::LogisticRegression])).await;
    let job = support::finished(&handle, &id).await;
    let zoes = server.next().await;
    let why = job.error_message.unwrap();
    assert!(text(&zoes, "text").contains(&why), "{why}: {}", zoes["text"]);
    assert!(text(&zoes["headers"], "Subject").starts_with("Training failed: "));
}

#[actix_rt::test]
async fn without_a_mail_server_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let options = support::options(folder.path()).await;
    options.store.put_schedule(to_zoe()).await.unwrap();
    let handle = start(options).await.unwrap();
    let id = support::submit(&handle, support::config(&[Algorithm::LogisticRegression])).await;
    let job = support::finished(&handle, &id).await;
    handle.activate(&job.trained_models[0], None, None).await.unwrap();
    assert_eq!(handle.store().outbox_count("mail").await.unwrap(), 0);
    assert_eq!(state(&handle).await, json!({"health": "disabled"}));
}
