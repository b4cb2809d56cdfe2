//! What casa_distro reads and does: environments, configuration, substitution, homes.
//!
//! The rules are those of casa_distro 3.2 (its `environment.py` and `singularity.py`); where they are known to be wrong, the
//! doc comment of the item says what we do instead.
