//! The probe "environment".
