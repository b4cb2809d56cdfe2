//! The probe "ssh_agent".
