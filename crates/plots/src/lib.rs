//! provost-plots
