//! The parking queue, looked at and dealt with from outside the service.
