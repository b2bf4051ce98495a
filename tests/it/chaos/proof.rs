//! That the campaign could fail: each kind of loss and of repetition, made by hand in a store that has none, is noticed.

use super::evidence::open;
use super::watcher::Seen;
use super::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What would be a broken promise, and a statement that makes it.
const BROKEN: [(&str, &str); 13] = [
    ("a point is lost", "DELETE FROM points WHERE position = (SELECT min(position) FROM points)"),
    (
        "a point of nobody",
        "UPDATE points SET data_point_id = 'nobody' WHERE position = (SELECT max(position) FROM points)",
    ),
    ("a job is lost", "DELETE FROM jobs WHERE job_id = (SELECT min(job_id) FROM jobs)"),
    (
        "a job has not ended",
        "UPDATE jobs SET document = json_set(document, '$.job.status', 'running') WHERE job_id = (SELECT max(job_id) FROM jobs)",
    ),
    (
        "a model is there twice",
        "INSERT INTO models (model_id, created_at, document) SELECT model_id || 'x', created_at, document FROM models LIMIT 1",
    ),
    ("a model is lost", "DELETE FROM models WHERE model_id = (SELECT max(model_id) FROM models)"),
    (
        "a model has other bytes",
        "UPDATE models SET document = json_set(document, '$.version.model_sha256', printf('%064d', 0)) WHERE algorithm = 'random_forest'",
    ),
    ("an event is lost", "DELETE FROM job_events WHERE seq = 3 AND job_id = (SELECT min(job_id) FROM jobs)"),
    (
        "a trial is told twice",
        "INSERT INTO job_events SELECT job_id, (SELECT max(seq) + 1 FROM job_events e WHERE e.job_id = j.job_id),
        json_set(document, '$.seq', (SELECT max(seq) + 1 FROM job_events e WHERE e.job_id = j.job_id)) FROM job_events j
        WHERE document ->> '$.kind' = 'trial' LIMIT 1",
    ),
    ("an activation is lost", "DELETE FROM activations WHERE rev = 1"),
    (
        "the pointer is not the history's",
        "UPDATE active_model SET model_id = (SELECT m.model_id FROM models m WHERE m.model_id <> active_model.model_id LIMIT 1)",
    ),
    ("an announcement is lost", "DELETE FROM outbox WHERE position = (SELECT min(position) FROM outbox)"),
    (
        "an announcement is there twice",
        "INSERT INTO outbox (message_id, document) SELECT message_id || 'x', document FROM outbox LIMIT 1",
    ),
];

fn noticed(what: &str, world: &World, seen: &Seen) {
    let looked = catch_unwind(AssertUnwindSafe(|| world.examine(seen)));
    assert!(looked.is_err(), "{what}, and the campaign does not see it");
}

/// The data folder is as it was when this returns.
pub fn every_loss_is_noticed(world: &World, seen: &Seen) {
    let data = world.place.path("data");
    let database = data.join(provost_store::DATABASE);
    let close = || drop(open(&data).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    close();
    let whole = std::fs::read(&database).unwrap();
    for (what, statement) in BROKEN {
        let c = open(&data);
        let changed = c.execute_batch("PRAGMA foreign_keys = OFF").and_then(|()| c.execute(statement, [])).unwrap();
        assert!(changed > 0, "{what}: nothing to break");
        drop(c);
        noticed(what, world, seen);
        close();
        std::fs::write(&database, &whole).unwrap();
    }
    for (what, unlike) in [
        ("two active models", Seen { violations: vec!["2 active models".to_owned()], ..Seen::default() }),
        ("a read that is not in the history", Seen { sequence: vec!["model_x".to_owned()], ..Seen::default() }),
    ] {
        noticed(what, world, &unlike);
    }
    let sha = &world.recipes[0].models["random_forest"];
    let artifact = data.join("artifacts").join(&sha[..2]).join(&sha[2..4]).join(sha);
    let aside = data.join("aside");
    std::fs::rename(&artifact, &aside).unwrap();
    noticed("an artifact is lost", world, seen);
    std::fs::rename(&aside, &artifact).unwrap();
    world.examine(seen);
}
