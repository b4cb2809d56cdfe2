# shellcheck shell=bash
# Agents beside ssh-agent and keychain: those of GnuPG and of GNOME.

step_agent_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends gpg-agent gpgconf gnome-keyring dbus-daemon
}
check_agent_packages() {
    command -v gpg-agent >/dev/null && command -v gpgconf >/dev/null && command -v gnome-keyring-daemon >/dev/null &&
        command -v dbus-run-session >/dev/null
}

lab_step agent_packages
