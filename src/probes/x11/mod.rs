//! The X server, over the X protocol alone.
