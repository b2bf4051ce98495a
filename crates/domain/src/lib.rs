//! provost-domain
