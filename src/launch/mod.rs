//! Starting the container, as casa_distro does and better.
