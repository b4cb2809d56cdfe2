# shellcheck shell=bash
# The healthy image with git in it, for Apptainer, Docker and Podman: whether ssh in a container uses the keys of the user's agent
# is seen by what people use it for. An image of its own, so that the healthy one stays small.

GIT_IMAGE=$IMAGES/casa-lab-git-$VERSION.sif
GIT_DOCKER_IMAGE=casa-lab-git:$VERSION

# The other side: what git on another machine talks to.
step_git_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends git openssh-server
}
check_git_packages() { command -v git-upload-pack && [ -x /usr/sbin/sshd ]; }

# What git's package puts into a system, as an archive. The libraries that it needs for ssh are in the healthy image already.
step_git_files() {
    local work=$LAB_ROOT/making/git
    local source="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR bookworm main"
    rm -rf "$work"
    mkdir -p "$work" "$LAB_ROOT/git"
    lab_apt_private git "$source" update
    (cd "$work" && lab_apt_private git "$source" download git)
    dpkg -x "$work"/git_*.deb "$work/tree"
    rm -rf "$work/tree/usr/share"
    tar -C "$work/tree" --owner=0 --group=0 -cf "$LAB_ROOT/git/files.tar.new" ./usr
    chmod 644 "$LAB_ROOT/git/files.tar.new"
    mv "$LAB_ROOT/git/files.tar.new" "$LAB_ROOT/git/files.tar"
    rm -rf "$work"
}
check_git_files() { [ -s "$LAB_ROOT/git/files.tar" ]; }

# A tree of hard links: nothing of the healthy one is written to, since git is not in it.
step_image_git() {
    local tree=$LAB_ROOT/rootfs/git
    rm -rf "$tree"
    cp -al "$LAB_ROOT/rootfs/bookworm" "$tree"
    [ ! -e "$tree/usr/bin/git" ] || lab_die "the healthy image has git already: this one is not needed any more"
    tar -C "$tree" -xf "$LAB_ROOT/git/files.tar"
    COMPRESSION='-comp zstd -Xcompression-level 1' \
        make_image "$GIT_IMAGE" git debian-12 "$LAB_ROOT/bin/casa-scene" "$LAB_ROOT/mesa/libGL.so.1"
    rm -rf "$tree"
    lab_as_user apptainer exec "$GIT_IMAGE" git --version
}
check_image_git() { image_works "$GIT_IMAGE"; }

# add_git ENGINE...: the engine's own healthy image with the archive on top of it.
add_git() {
    printf 'FROM casa-lab:%s\nADD files.tar /\n' "$VERSION" >"$LAB_ROOT/git/Dockerfile"
    "$@" build --tag "$GIT_DOCKER_IMAGE" "$LAB_ROOT/git"
}

step_git_docker() {
    lab_start_docker
    add_git docker
    docker run --rm "$GIT_DOCKER_IMAGE" git --version
    lab_stop_docker
}

step_git_podman() {
    add_git lab_podman
    lab_podman run --rm --network host --userns keep-id "$GIT_DOCKER_IMAGE" git --version
}
check_git_podman() { lab_podman image exists "$GIT_DOCKER_IMAGE"; }

lab_step git_packages
lab_step git_files
lab_step image_git @git_files @rootfs @programs @mesa "${IMAGE_INPUTS[@]}"
lab_step git_docker @git_files @docker_image "=$(declare -f add_git)"
lab_step git_podman @git_files @podman_image "=$(declare -f add_git)"
lab_env "LAB_IMAGE_GIT=$GIT_IMAGE" "LAB_DOCKER_IMAGE_GIT=$GIT_DOCKER_IMAGE"
