//! The report: one document, several renderings.
