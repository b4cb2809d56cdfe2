//! The probe "session".
