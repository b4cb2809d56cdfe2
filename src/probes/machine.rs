//! The probe "machine".
