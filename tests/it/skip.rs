//! Tests that need something that not every machine has. If it is missing, they are skipped and say so;
//! `PROVOST_TEST_REQUIRE` (such as `mongo,java,amqp`) names what must be present.

/// Prints that the running test is skipped because `what` is missing.
///
/// # Panics
/// If `what` is required.
pub fn skipped(what: &str, why: &str) {
    let required = std::env::var("PROVOST_TEST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == what);
    assert!(!is_required, "PROVOST_TEST_REQUIRE names {what}, and {why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("SKIPPED {test}: {why}");
}
