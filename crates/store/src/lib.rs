//! provost-store
