# shellcheck shell=bash
# What release/build needs to fetch its linker.

check_release_packages() { python3 -c 'import ensurepip, venv'; }
step_release_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends python3-venv
}

lab_step release_packages
