# shellcheck shell=bash
# Docker and Podman, each with the healthy image under a name of its own, made of the Singularity image as casa_distro_admin
# convert_image makes it. Docker's daemon is started by what needs it: `lab_start_docker` of lib.sh.

# The image's name and tag for both.
DOCKER_IMAGE=casa-lab:$VERSION

step_docker_packages() {
    export DEBIAN_FRONTEND=noninteractive
    # The packages start a daemon of their own where there is an init system; the lab's daemon is another one, with its data in the lab.
    apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends docker.io podman slirp4netns iptables tini fuse-overlayfs
}
check_docker_packages() {
    command -v dockerd >/dev/null && command -v podman >/dev/null && command -v docker >/dev/null && [ -x /usr/bin/tini-static ]
}

# The lab's user may talk to the daemon: not through group files alone, since a test starts its programs with all groups of the user.
step_docker_user() {
    getent group docker || groupadd --system docker
    usermod -aG docker "$LAB_USER"
}
check_docker_user() { id -nG "$LAB_USER" | grep -qw docker; }

# Podman shares the machine's memory with a container (--ipc=host) only where the kernel's message queues are mounted, as every
# machine with systemd has them. Where that may not be done, containers have memory of their own.
step_docker_mqueue() {
    [ -d /dev/mqueue ] || mkdir /dev/mqueue
    grep -q ' /dev/mqueue mqueue ' /proc/mounts || mount -t mqueue mqueue /dev/mqueue || lab_note docker_mqueue "not mounted"
}
check_docker_mqueue() { [ -d /dev/mqueue ]; }

# The root directory of the Singularity image as an archive for "import".
step_docker_archive() {
    local work=$LAB_ROOT/making/docker id
    rm -rf "$work"
    mkdir -p "$work"
    id=$(lab_as_user apptainer sif list "$HEALTHY" | awk -F'|' '/Squashfs/ { print $1 + 0; exit }')
    [ -n "$id" ] || lab_die "$HEALTHY has no squashfs"
    apptainer sif dump "$id" "$HEALTHY" >"$work/squashfs"
    unsquashfs -q -n -d "$work/root" "$work/squashfs"
    mkdir -p "$LAB_ROOT/docker"
    tar -C "$work/root" -cf "$LAB_ROOT/docker/image.tar.new" .
    chmod 644 "$LAB_ROOT/docker/image.tar.new"
    mv "$LAB_ROOT/docker/image.tar.new" "$LAB_ROOT/docker/image.tar"
    rm -rf "$work"
}
check_docker_archive() { [ -s "$LAB_ROOT/docker/image.tar" ]; }

# What casa_distro's docker.py writes into its Dockerfile.
IMPORT=(
    import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    --change 'ENTRYPOINT ["/.singularity.d/runscript"]' --change 'CMD ["/bin/bash"]'
)

step_docker_image() {
    lab_start_docker
    docker "${IMPORT[@]}" "$LAB_ROOT/docker/image.tar" "$DOCKER_IMAGE"
    docker run --rm "$DOCKER_IMAGE" true
    lab_stop_docker
}
check_docker_image() { [ -s "$LAB_ROOT/docker/data/image/overlay2/repositories.json" ] || [ -d "$LAB_ROOT/docker/data/image" ]; }

# The user's Podman keeps its images in the lab, too, and not in a home, of which every test has its own. The kernel's overlay works
# without root since 5.13; with Podman's other way every start copies the whole image.
step_podman_image() {
    install -d -m 755 "$LAB_ROOT/podman"
    install -d -m 700 -o "$LAB_USER" -g "$LAB_USER" "$LAB_ROOT/podman/storage"
    printf '[storage]\ndriver = "overlay"\nrootless_storage_path = "%s"\nrunroot = "%s"\n' \
        "$LAB_ROOT/podman/storage" "$LAB_PODMAN_RUN/containers" >"$LAB_ROOT/podman/storage.conf"
    lab_podman "${IMPORT[@]}" "$LAB_ROOT/docker/image.tar" "$DOCKER_IMAGE"
    # The first start maps the image's owners, which takes a while.
    lab_podman run --rm --network host --userns keep-id "$DOCKER_IMAGE" true
}
check_podman_image() { lab_podman image exists "$DOCKER_IMAGE"; }

lab_step docker_packages
lab_step docker_user @docker_packages @user
lab_step docker_mqueue
lab_step docker_archive @image
lab_step docker_image @docker_archive "=${IMPORT[*]} $DOCKER_IMAGE"
lab_step podman_image @docker_archive "=${IMPORT[*]} $DOCKER_IMAGE"
lab_env "LAB_DOCKER_IMAGE=$DOCKER_IMAGE" "LAB_PODMAN_STORAGE=$LAB_ROOT/podman/storage.conf" "LAB_PODMAN_RUN=$LAB_PODMAN_RUN"
