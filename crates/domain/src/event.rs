//! Events on the bus: the CloudEvents 1.0 envelope, what arrives in it, and what is announced. No transport here.

pub mod inbound;
pub mod outbound;

pub use inbound::{
    BatchFault, Cancellation, Inbound, InboundEvent, InboundType, MAX_BATCH, MAX_KEY, PointBatch, Refusal, RefusalCode,
    Retraction, TriggerRequest,
};

/// Content type of an event in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The one version of the envelope.
pub const SPEC_VERSION: &str = "1.0";
