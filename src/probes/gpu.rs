//! The probe "gpu".
