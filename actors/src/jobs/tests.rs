//! Tests of the parts of Jobs together.

mod job_histories;
