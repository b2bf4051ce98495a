//! provost-learn
