# shellcheck shell=bash
# The real VBoxManage, in a Debian root directory of its own: Debian 12 has no VirtualBox. It makes, shows and changes virtual
# machines as the ordinary user; without its kernel module it cannot start them. LAB_VBOX is a directory for PATH.

VBOX=$LAB_ROOT/virtualbox

check_virtualbox() { [ -x "$VBOX/bin/VBoxManage" ] && [ -s "$VBOX/version" ]; }

step_virtualbox() {
    local options=() proxy
    rm -rf --one-file-system "$VBOX" "$VBOX.new"
    mkdir -p "$VBOX.new/bin"
    proxy=$(apt-config shell value Acquire::http::Proxy)
    if [ -n "$proxy" ]; then
        eval "$proxy"
        # shellcheck disable=SC2154  # value is set by the line above
        options+=(--aptopt="Acquire::http::Proxy \"$value\"")
    fi
    mmdebstrap --variant=apt --components=main,contrib --include=virtualbox "${options[@]}" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/icons/*' \
        sid "$VBOX.new/root" "$MIRROR"
    find "$VBOX.new/root/dev" -mindepth 1 -delete
    rm -rf "$VBOX.new/root/var/cache/apt" "$VBOX.new/root/var/lib/apt/lists"
    # Called without a terminal by what looks for VirtualBox; it must not speak of the engine.
    cat >"$VBOX.new/bin/VBoxManage" <<SCRIPT
#!/bin/sh
exec /usr/bin/apptainer --silent exec --no-mount cwd --home "\$HOME" --bind /tmp "$VBOX/root" /usr/bin/VBoxManage "\$@"
SCRIPT
    chmod 755 "$VBOX.new" "$VBOX.new/bin" "$VBOX.new/bin/VBoxManage" "$VBOX.new/root"
    mv "$VBOX.new" "$VBOX"
    lab_as_user "$VBOX/bin/VBoxManage" --version | tail -n 1 >"$VBOX/version"
    lab_note virtualbox "$(cat "$VBOX/version")"
}

lab_step virtualbox

lab_env "LAB_VBOX=$VBOX/bin" "LAB_VBOX_VERSION=$(cat "$VBOX/version")"
