//! The operator's pages: each answers whoever may see it, holds to its policy, leads nowhere that is not there, and shows what
//! data brings as text.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::{key, locked, until};
use crate::command::Place;
use crate::http::{Answer, Client, long_job, place_with_points, small_job};
use crate::serving::Server;
use serde_json::json;
use std::collections::BTreeSet;

/// Pages without an id in their path.
const PLAIN: [&str; 19] = [
    "/",
    "/decisions",
    "/predictions",
    "/shadow",
    "/system/messages",
    "/system/keys",
    "/system/settings",
    "/data/upload",
    "/needs",
    "/jobs",
    "/models",
    "/data",
    "/data?verified_only=false",
    "/watch",
    "/system",
    "/train",
    "/compare",
    "/schedule",
    "/ask",
];

pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

/// Values of an attribute.
fn attributes<'t>(html: &'t str, name: &str) -> Vec<&'t str> {
    html.split(&format!(" {name}=\"")).skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect()
}

/// The page's HTML; what holds for every page is checked.
pub fn page(client: &Client, path: &str) -> String {
    let answer = client.send("GET", path, &[("accept", "text/html")], None);
    let html = text(&answer);
    assert_eq!(answer.status, 200, "{path}: {html}");
    is_ours(&answer, path);
    html
}

pub fn is_ours(answer: &Answer, path: &str) {
    let html = text(answer);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("data:"),
        "{path}: {policy}"
    );
    assert!(!html.contains(" style=") && !html.contains("<style"), "{path} has a style of its own");
    assert!(!html.contains(" onclick=") && !html.contains("javascript:"), "{path}");
    for script in html.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"/assets/app.") && script.contains("></script>"), "{path}: {script:.80}");
    }
    let title = &html[html.find("<title>").unwrap() + 7..html.find("</title>").unwrap()];
    assert!(title.ends_with(" – Provost") && title.len() > 13, "{path}: {title}");
    assert_eq!(html.matches("<h1").count(), 1, "{path}");
    assert!(html.contains("id=\"main\"") || answer.status >= 400, "{path}");
    for host in ["http://", "https://"] {
        let elsewhere = |at: &&str| at.starts_with(host);
        let found: Vec<&str> =
            [attributes(&html, "href"), attributes(&html, "src"), attributes(&html, "action")].concat();
        assert!(!found.iter().any(elsewhere), "{path} leads to another host: {found:?}");
    }
    let ids = attributes(&html, "id");
    let once: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "{path} has an id twice: {ids:?}");
}

/// Every page that can be reached by links from these; each link leads to something.
fn reached(client: &Client, from: &[&str]) -> BTreeSet<String> {
    let mut waiting: Vec<String> = from.iter().map(|path| (*path).to_owned()).collect();
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = client.send("GET", &path, &[("accept", "text/html")], None);
        assert!(answer.status < 400, "{path}: {}", answer.status);
        let is_page = answer.header("content-security-policy").is_some_and(|policy| !policy.contains("unsafe"))
            && answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        if !is_page {
            continue;
        }
        is_ours(&answer, &path);
        let html = text(&answer);
        let links = attributes(&html, "href").into_iter().chain(attributes(&html, "src"));
        waiting.extend(
            links
                .filter(|link| link.starts_with('/'))
                .map(|link| link.split('#').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")),
        );
    }
    seen
}

pub fn form(client: &Client, path: &str, body: &str) -> Answer {
    client.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], Some(body.as_bytes()))
}

#[test]
fn every_page_of_an_empty_service_says_what_to_do_first() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    for path in PLAIN {
        page(&client, path);
    }
    let overview = page(&client, "/");
    assert!(overview.contains("First steps") && overview.contains("provost import"), "{overview}");
    assert!(page(&client, "/jobs").contains("There is no job yet."));
    assert!(page(&client, "/models").contains("There is no model yet."));
    assert!(page(&client, "/data").contains("There is no data yet."));
    reached(&client, &PLAIN);
    // What is not there is told on a page, too.
    for path in [
        "/jobs/x",
        "/models/x",
        "/jobs/x/live",
        "/models/x/activate",
        "/compare?ids=a&ids=b",
        "/decisions/x",
        "/predictions/x",
        "/data/upload/x",
    ] {
        let answer = client.send("GET", path, &[("accept", "text/html")], None);
        assert_eq!(answer.status, 404, "{path}");
        is_ours(&answer, path);
    }
    let nothing = client.send("GET", "/rollback", &[("accept", "text/html")], None);
    assert_eq!(nothing.status, 409);
    for (path, status) in
        [("/jobs?status=lost", 422), ("/jobs?cursor=elsewhere", 422), ("/models?cursor=elsewhere", 422)]
    {
        assert_eq!(client.get(path).status, status, "{path}");
    }
    // A training without data is refused on the form, beside what is wrong.
    let refused = form(&client, "/train", "algorithms=xgboost&tuning_iterations=9&test_size=many");
    assert_eq!(refused.status, 422);
    is_ours(&refused, "/train");
    let html = text(&refused);
    assert!(html.contains("href=\"#tuning_iterations\"") && html.contains("href=\"#test_size\""), "{html}");
    assert!(html.contains("value=\"9\"") && html.contains("value=\"many\""), "what was entered stays: {html}");
    assert!(html.contains("id=\"tuning_iterations-error\"") && html.contains("aria-invalid=\"true\""), "{html}");
    let refused = form(&client, "/train", "algorithms=xgboost");
    assert!(refused.status == 422 && text(&refused).contains("role=\"alert\""), "{refused:?}");
}

#[test]
fn a_model_is_trained_understood_activated_and_rolled_back_by_forms_alone() {
    let place = place_with_points(500);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let evil = "<script>alert('x')</script>&\"";
    let encoded = "%3Cscript%3Ealert('x')%3C%2Fscript%3E%26%22";
    let fields = "hyperparameter_tuning=none&min_samples=100&cross_validation_folds=3&test_size=0.3";
    let started = form(
        &client,
        "/train",
        &format!(
            "algorithms=logistic_regression&algorithms=random_forest&{fields}&notes={encoded}&version_tag={encoded}"
        ),
    );
    assert_eq!(started.status, 303, "{}", text(&started));
    let job = started.header("location").unwrap().split('?').next().unwrap().to_owned();
    client.ended(job.strip_prefix("/jobs/").unwrap());
    let html = page(&client, &job);
    assert!(html.contains("Best: ") && !html.contains("data-live"), "it has ended: {html}");
    assert!(html.contains("&#60;script&#62;") && !html.contains(evil), "what data brings is text");

    let models = client.get("models").ok(200);
    let ids: Vec<&str> = models.as_array().unwrap().iter().map(|m| m["model_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let (first, second) = (format!("/models/{}", ids[0]), format!("/models/{}", ids[1]));
    let html = page(&client, &first);
    for part in ["ROC", "Precision and recall", "Calibration", "Importance", "held-out rows", "<title>", "<desc>"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains(evil));
    assert!(html.contains("export?format=onnx") && html.contains("the page opens at the model's own"), "{html}");
    // What takes a while comes by itself, and nobody is asked to load the page again.
    assert!(!html.contains("Load the page again") && html.contains("id=\"model-fairness\""), "{html}");
    until("the audit is made", || {
        let news = client.stream(&format!("{first}/live"), 0);
        let regions = news.data["regions"].as_object().unwrap().clone();
        regions.contains_key("model-verdict")
            && regions["model-fairness"].as_str().is_some_and(|html| !html.contains("is being made"))
    });
    // Without a script the threshold is a field: at 0 everybody is accepted.
    let everybody = page(&client, &format!("{first}?threshold=0"));
    assert!(everybody.contains("data-value=\"tn\">0<") && everybody.contains("data-value=\"fn\">0<"), "{everybody}");
    assert_eq!(client.get(&format!("{first}?threshold=101")).status, 422);

    // No reason, no activation.
    let refused = form(&client, &format!("{first}/activate"), "reason=+&serving=");
    assert!(refused.status == 422 && text(&refused).contains("reason-error"), "{refused:?}");
    assert_eq!(form(&client, &format!("{first}/activate"), "reason=best+of+two&serving=").status, 303);
    assert!(page(&client, &first).contains("best of two"));
    // The other form was opened before that: somebody activated another model meanwhile.
    let conflict = form(&client, &format!("{second}/activate"), "reason=also+good&serving=");
    assert!(conflict.status == 409 && text(&conflict).contains("Since you opened this form"), "{conflict:?}");
    let activated = form(&client, &format!("{second}/activate"), &format!("reason=also+good&serving={}", ids[0]));
    assert_eq!(activated.header("location"), Some(format!("{second}?done=activated").as_str()));
    assert!(page(&client, "/").contains("href=\"/rollback\""));
    assert!(page(&client, "/rollback").contains("Roll back to"));
    let back = form(&client, "/rollback", &format!("reason=worse+than+it+looked&serving={}", ids[1]));
    assert_eq!(back.header("location"), Some(format!("{first}?done=rolled-back").as_str()), "{back:?}");
    let again = page(&client, "/rollback");
    assert!(
        again.contains("was activated by a roll back"),
        "going back again leads to the model that was just left: {again}"
    );
    let history = client.get("activations").ok(200);
    let reason = history[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("rolled back from ") && reason.ends_with(": worse than it looked"), "{reason}");

    // An estimate by the model that serves: with its explanation, and with what is wrong where something is.
    let estimate = form(&client, "/ask", "gpa=3.7&gpa_scale=4&gre_quant=168&publications=2&acceptance_rate=0.2");
    assert_eq!(estimate.status, 200, "{}", text(&estimate));
    is_ours(&estimate, "/ask");
    let html = text(&estimate);
    assert!(html.contains("Estimated chance") && html.contains(" % · Predict – Provost"), "{html}");
    assert!(html.contains("How it comes about") && html.contains("value=\"168\""), "{html}");
    // A number that is on no scale is named beside its field, and the estimate says that it does without.
    let without = form(&client, "/ask", "gpa=9&gpa_scale=4&gre_quant=900&acceptance_rate=12");
    let told = text(&without);
    assert!(without.status == 200 && told.contains("Not used in this estimate"), "{told}");
    for field in ["gpa", "gre_quant", "acceptance_rate"] {
        assert!(told.contains(&format!("id=\"{field}-error\">▲ ")), "{field}: {told}");
    }
    assert!(told.contains("GRE quant 900 is outside 130 to 170 or 200 to 800; it was not used"), "{told}");
    let nothing = form(&client, "/ask", "gpa_scale=4");
    assert!(nothing.status == 422 && text(&nothing).contains("Nothing was given"), "{nothing:?}");
    let refused = form(&client, "/ask", "gpa=much");
    assert!(refused.status == 422 && text(&refused).contains("href=\"#gpa\""), "{}", text(&refused));
    let row = "<td class=\"n\">GRE quant</td><td class=\"n\">168</td>";
    assert!(html.contains(row), "in the applicant's words and units: {html}");
    // It is in the log, with how it came about.
    until("the estimate is logged", || page(&client, "/predictions").contains("href=\"/predictions/"));
    // Who was here long ago sees what is new; who comes for the first time is told of no visit.
    let visit = client.send("GET", "/", &[("cookie", "provost_visit=0.1000000000")], None);
    assert!(text(&visit).contains("since your last visit") && text(&visit).contains(">new</span>"), "{visit:?}");
    let kept = visit.header("set-cookie").unwrap();
    assert!(kept.starts_with("provost_visit=1000000000.") && kept.contains("HttpOnly"), "{kept}");
    let overview = page(&client, "/");
    assert!(!overview.contains("since your last visit"), "{overview}");
    assert!(overview.contains("Predictions a minute") && overview.contains(" of the last 2<"), "{overview}");
    let html = page(&client, &format!("/predictions?model_id={}&outcome=&from=2020-01-01&to=", ids[0]));
    let logged =
        attributes(&html, "href").into_iter().find(|path| path.starts_with("/predictions/")).unwrap().to_owned();
    let html = page(&client, &logged);
    assert!(html.contains("How it comes about") && html.contains("What the model saw"), "{html}");
    assert!(page(&client, "/predictions?outcome=rejected").contains("No prediction matches."));
    let shadowed = form(&client, "/shadow", &format!("ids={}", ids[1]));
    assert_eq!((shadowed.status, shadowed.header("location")), (303, Some("/shadow?done=shadowed")));
    assert!(page(&client, "/shadow").contains("Same outcome"));
    assert_eq!(form(&client, "/shadow", "").status, 303, "none");

    let compared = page(&client, &format!("/compare?ids={}&ids={}", ids[0], ids[1]));
    assert!(compared.contains("answers change") && compared.contains("Difference of the AUC"), "{compared}");
    page(&client, &format!("/compare?ids={},{}", ids[0], ids[1]));
    assert!(
        page(&client, &format!("/train?from={}", job.strip_prefix("/jobs/").unwrap())).contains("&#60;script&#62;")
    );
    let all = reached(&client, &PLAIN);
    assert!(
        all.contains(&job) && all.contains(&first) && all.iter().any(|path| path.starts_with("/compare?ids=")),
        "{all:?}"
    );
}

#[test]
fn a_job_is_followed_stopped_and_its_failure_told() {
    let place = place_with_points(400);
    std::fs::create_dir_all(place.path("data/import")).unwrap();
    std::fs::copy(place.path("points.jsonl"), place.path("data/import/late.jsonl")).unwrap();
    let server = Server::start(&place);
    server.expects(&["late.jsonl", "which are closed now"]);
    let client = Client::of(&server);
    let long = client.train(&long_job());
    let mut late = small_job();
    (late["data_source"], late["data_path"]) = (json!("json"), json!("late.jsonl"));
    let late = client.train(&late);
    std::fs::remove_file(place.path("data/import/late.jsonl")).unwrap();
    client.events(&long, 0, |event| event.kind == "trial");

    let html = page(&client, &format!("/jobs/{long}"));
    assert!(
        html.contains(&format!("data-live=\"/jobs/{long}/live\"")) && html.contains("Stop and keep trial"),
        "{html}"
    );
    assert!(page(&client, &format!("/jobs/{late}")).contains("in the queue"));
    let overview = page(&client, "/");
    assert!(overview.contains(&format!("/jobs/{long}")) && overview.contains("data-live=\"/live\""));
    // A stream begins with whole regions, numbered on from where the last one broke off.
    let stream = client.stream(&format!("/jobs/{long}/live"), 7);
    assert_eq!((stream.id, stream.kind.as_str()), (8, "regions"));
    let regions = stream.data["regions"].as_object().unwrap();
    assert!(["job-head", "job-stages", "job-trials", "job-act", "job-log"].iter().all(|id| regions.contains_key(*id)));
    assert!(stream.data["title"].as_str().unwrap().ends_with(" – Provost"));
    assert_eq!(client.stream("/live", 0).kind, "regions");

    let stopped = form(&client, &format!("/jobs/{long}/stop"), "stop=yes");
    assert_eq!(stopped.header("location"), Some(format!("/jobs/{long}?done=stopping").as_str()));
    assert_eq!(client.ended(&long)["status"], "cancelled");
    assert_eq!(client.ended(&late)["status"], "failed");
    let failed = page(&client, &format!("/jobs/{late}"));
    assert!(failed.contains("✕") && failed.contains("late.jsonl"), "{failed}");
    assert!(page(&client, "/jobs?status=failed").contains("late.jsonl"), "the reason is in the row");
    let longest = page(&client, "/jobs?sort=longest");
    let place = |id: &str| longest.find(&format!("href=\"/jobs/{id}\"")).unwrap();
    assert!(place(&long) < place(&late), "{longest}");
    assert!(page(&client, "/jobs?sort=best&status=cancelled").contains(&format!("href=\"/jobs/{long}\"")));
    until("the failure needs somebody", || page(&client, "/").contains("<title>▲ 1 · Overview"));
    until("every page shows it", || page(&client, "/jobs").contains("href=\"/assets/needs."));
    let overview = page(&client, "/");
    assert!(overview.contains("1 thing needs you.") && overview.contains(">Acknowledge</button>"), "{overview}");
    let need = client.get("needs").ok(200)[0]["need_id"].as_str().unwrap().to_owned();
    let dealt = form(&client, &format!("/needs/{need}/acknowledge"), "back=%2F&reason=the+file+was+late");
    assert_eq!((dealt.status, dealt.header("location")), (303, Some("/?done=acknowledged")));
    assert!(page(&client, "/").contains("<title>Overview"));
    assert!(page(&client, "/needs?state=acknowledged").contains("the file was late"));
    assert_eq!(form(&client, &format!("/jobs/{long}/stop"), "stop=yes").status, 400, "it has ended");
    reached(&client, &PLAIN);
}

#[test]
fn a_page_shows_what_the_role_may_do_and_no_more() {
    let place = place_with_points(300);
    let (_server, client, keys) = locked(&place, &[]);
    let config = small_job().to_string();
    let trained = client.with(Some(&keys[1].text), "POST", "train", Some(config.as_bytes())).ok(202);
    let job = trained["job_id"].as_str().unwrap().to_owned();
    until("the job ends", || {
        client.with(Some(&keys[0].text), "GET", &format!("jobs/{job}"), None).json()["status"] == "completed"
    });
    let models = client.with(Some(&keys[0].text), "GET", "models", None).json();
    let model = models[0]["model_id"].as_str().unwrap().to_owned();
    let get = |key: &str, path: &str| client.with(Some(key), "GET", path, None);
    let (viewer, operator, admin) = (&keys[0].text, &keys[1].text, &keys[2].text);
    for (path, lowest) in [
        ("/".to_owned(), 0),
        ("/jobs".to_owned(), 0),
        (format!("/jobs/{job}"), 0),
        ("/models".to_owned(), 0),
        (format!("/models/{model}"), 0),
        (format!("/models/{model}/activate"), 1),
        ("/train".to_owned(), 1),
        ("/data".to_owned(), 0),
        ("/watch".to_owned(), 0),
        ("/system".to_owned(), 0),
    ] {
        for (role, key) in [viewer, operator, admin].into_iter().enumerate() {
            let answer = get(key, &path);
            assert_eq!(answer.status, if role < lowest { 403 } else { 200 }, "{path} {role}");
        }
        let door = client.send("GET", &path, &[("accept", "text/html")], None);
        assert!(door.status == 401 && text(&door).contains("action=\"/sign-in\""), "{path}");
        assert!(!door.header("content-security-policy").unwrap().contains("unsafe"));
    }
    for (path, sign) in [
        (format!("/models/{model}"), "/activate\""),
        ("/".to_owned(), "href=\"/train\""),
        ("/jobs".to_owned(), "href=\"/train\""),
    ] {
        assert!(!text(&get(viewer, &path)).contains(sign), "{path}");
        assert!(text(&get(operator, &path)).contains(sign), "{path}");
    }
    assert!(!text(&get(operator, "/system")).contains("h-audit") && text(&get(admin, "/system")).contains("h-audit"));
    assert!(text(&get(admin, "/system")).contains(&keys[0].id));
    let refused = client.with(Some(viewer), "POST", &format!("/models/{model}/activate"), Some(b"reason=x"));
    assert_eq!(refused.status, 403);
    // A page of another site is no page of ours, whatever key the browser has.
    let signed = form(&client, "/sign-in", &format!("key={operator}"));
    let cookie = signed.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    let sent = client.send("POST", &format!("/models/{model}/activate"), &foreign, Some(b"reason=x"));
    assert_eq!(sent.status, 403);
    // Keys that are made later are heard of.
    key(&place, &["--role", "viewer"]);
}

#[test]
fn colours_are_chosen_without_a_script_and_files_are_kept_by_browsers() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let dark = form(&client, "/theme", "theme=dark&back=%2Fjobs%3Fstatus%3Dfailed");
    assert_eq!((dark.status, dark.header("location")), (303, Some("/jobs?status=failed")));
    let cookie = dark.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page_in = |cookie: &str| text(&client.send("GET", "/", &[("cookie", cookie)], None));
    assert!(page_in(&cookie).contains("data-theme=\"dark\""));
    assert!(!page_in("provost_theme=%22%3E").contains("data-theme"));
    let elsewhere = form(&client, "/theme", "theme=light&back=%2F%2Fevil.example");
    assert_eq!(elsewhere.header("location"), Some("/"));
    let html = page(&client, "/");
    let mut script = 0;
    for file in
        [attributes(&html, "href"), attributes(&html, "src")].concat().into_iter().filter(|p| p.starts_with("/assets/"))
    {
        let answer = client.get(file);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=31536000, immutable")));
        if file.ends_with(".js") {
            script = answer.bytes.len();
        }
    }
    assert!(script > 0 && script < 50 * 1024, "{script} bytes of script");
    assert_eq!(client.get("/assets/style.000000000000.css").status, 404);
    let icon = client.get("/favicon.ico");
    assert_eq!((icon.status, client.get(icon.header("location").unwrap()).status), (302, 200));
    // A browser gets a page where there is none, a program gets a problem.
    let missing = client.send("GET", "/nonexistent", &[("accept", "text/html")], None);
    assert_eq!(missing.status, 404);
    is_ours(&missing, "/nonexistent");
    assert_eq!(client.get("/nonexistent").header("content-type"), Some("application/problem+json"));
}

#[test]
fn the_schedule_is_changed_by_a_form_that_says_what_is_wrong() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let fields = "schedule_cron=0+3+*+*+1&time_zone=Europe%2FBerlin&min_new_samples=50&max_model_age_days=30";
    let refused =
        form(&client, "/schedule", &format!("{fields}&improvement_threshold=much&notification_emails=nobody"));
    assert_eq!(refused.status, 422);
    is_ours(&refused, "/schedule");
    let html = text(&refused);
    assert!(
        html.contains("id=\"improvement_threshold-error\"") && html.matches("aria-invalid=\"true\"").count() == 2,
        "beside the fields: {html}"
    );
    assert!(
        html.contains("href=\"#improvement_threshold\"") && html.contains("href=\"#notification_emails\""),
        "{html}"
    );
    assert!(html.contains("value=\"0 3 * * 1\"") && html.contains("value=\"much\""), "what was entered stays: {html}");
    let stored = form(
        &client,
        "/schedule",
        &format!("{fields}&improvement_threshold=0.05&notification_emails=a%40b.example&enabled=yes"),
    );
    assert_eq!((stored.status, stored.header("location")), (303, Some("/system?done=scheduled")));
    let schedule = client.get("schedule").ok(200);
    assert_eq!((&schedule["enabled"], &schedule["auto_activate_if_better"]), (&json!(true), &json!(false)));
    assert_eq!((&schedule["time_zone"], &schedule["min_new_samples"]), (&json!("Europe/Berlin"), &json!(50)));
    assert_eq!(schedule["notification_emails"], json!(["a@b.example"]));
    let system = page(&client, "/system?done=scheduled");
    assert!(system.contains("The schedule is in force.") && system.contains("0 3 * * 1 (Europe/Berlin)"), "{system}");
}

#[test]
fn jobs_at_once_are_acted_on_once_each_and_the_audit_log_names_those_alone() {
    let place = place_with_points(600);
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    let job = client.train(&small_job());
    assert_eq!(client.ended(&job)["status"], "completed");
    let ids = format!("ids={job}&ids={job}&ids=nope%0A%1B[31m&ids={}", "x".repeat(60_000));
    let again = form(&client, "/jobs", &format!("act=again&{ids}"));
    assert!(again.status == 200 && text(&again).contains("1 of 3 jobs queued again"), "{again:?}");
    assert!(!text(&again).contains('\u{1b}') && again.bytes.len() < 60_000, "{again:?}");
    let cancelled = form(&client, "/jobs", &format!("act=cancel&{ids}"));
    assert!(text(&cancelled).contains("0 of 3 jobs being cancelled"), "it is completed: {cancelled:?}");
    let log = client.get("audit").ok(200);
    let noted = |name: &str| -> Vec<String> {
        log.as_array().unwrap().iter().filter_map(|entry| entry["details"][name].as_str()).map(str::to_owned).collect()
    };
    assert_eq!((noted("run_again"), noted("cancelled")), (vec![job.clone()], vec![String::new()]));
    let queued = noted("queued");
    assert!(queued.len() == 1 && queued[0].starts_with("job_") && queued[0] != job, "{log}");
    client.ended(&queued[0]);
    assert_eq!(server.terminate(), Some(0));
}
