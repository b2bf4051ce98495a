//! Tests of what is not on every machine. Where it is missing they are passed by, and that is said; `PROVOST_TEST_REQUIRE`
//! (`mongo,java,amqp`, say) names what must be there.

/// Says that the test that runs is passed by for want of `what`.
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
