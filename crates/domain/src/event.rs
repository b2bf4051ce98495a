//! Events on the bus: the CloudEvents 1.0 envelope, inbound events and outbound events. This module does no I/O.

pub mod inbound;
pub mod outbound;

pub use inbound::{
    BatchFault, Cancellation, Inbound, InboundEvent, InboundType, MAX_BATCH, MAX_KEY, PointBatch, Refusal, RefusalCode,
    Retraction, TriggerRequest,
};

/// Content type of an event in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The only supported version of the CloudEvents specification.
pub const SPEC_VERSION: &str = "1.0";
