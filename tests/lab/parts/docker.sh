# shellcheck shell=bash
# Docker and Podman, with the healthy image's root directory as an image of theirs. The daemon is started by what needs it:
# `lab_start_docker` of lib.sh.

step_docker_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends docker.io podman slirp4netns iptables
}
check_docker_packages() { command -v dockerd >/dev/null && command -v podman >/dev/null && command -v slirp4netns >/dev/null; }

lab_step docker_packages
