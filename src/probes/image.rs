//! The probe "image".
