//! The probe "engines".
