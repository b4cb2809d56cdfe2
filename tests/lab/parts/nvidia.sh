# shellcheck shell=bash
# NVIDIA's user space in two versions, unpacked and not installed: tests put it in place in a mount namespace of their own. The
# card and the kernel's part cannot be had.

NVIDIA=$LAB_ROOT/nvidia
NVIDIA_PACKAGES=(libnvidia-ml1 nvidia-smi libglx-nvidia0 libnvidia-glcore libnvidia-eglcore libegl-nvidia0 nvidia-egl-common nvidia-egl-icd nvidia-vulkan-common nvidia-vulkan-icd libcuda1)

# unpack_nvidia SUITE: in $NVIDIA/SUITE, with the links in the linker's directory that Debian's alternatives would make.
unpack_nvidia() {
    local suite=$1 tree=$NVIDIA/$1 work=$LAB_ROOT/making/nvidia-$1 file library
    local source="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR $suite non-free"
    rm -rf "$work" "$tree"
    mkdir -p "$work" "$tree.new"
    lab_apt_private "nvidia-$suite" "$source" update
    (cd "$work" && lab_apt_private "nvidia-$suite" "$source" download "${NVIDIA_PACKAGES[@]}")
    for file in "$work"/*.deb; do
        dpkg -x "$file" "$tree.new"
    done
    for library in "$tree.new/$MULTIARCH/nvidia/current"/lib*.so.*; do
        ln -s "nvidia/current/$(basename "$library")" "$tree.new/$MULTIARCH/$(basename "$library")"
    done
    mkdir -p "$tree.new/usr/bin"
    ln -s ../lib/nvidia/current/nvidia-smi "$tree.new/usr/bin/nvidia-smi"
    chmod -R a+rX "$tree.new"
    mv "$tree.new" "$tree"
    rm -rf "$work"
    nvidia_version "$suite" >"$tree/version"
    lab_note "nvidia_$suite" "$(cat "$tree/version")"
}

# The version at the end of the real file's name.
nvidia_version() { basename "$NVIDIA/$1/$MULTIARCH/nvidia/current"/libGLX_nvidia.so.*.* | sed 's/^libGLX_nvidia[.]so[.]//'; }

check_nvidia_sid() { [ -s "$NVIDIA/sid/version" ]; }
step_nvidia_sid() { unpack_nvidia sid; }
check_nvidia_bookworm() { [ -s "$NVIDIA/bookworm/version" ]; }
step_nvidia_bookworm() { unpack_nvidia bookworm; }

lab_step nvidia_sid "=${NVIDIA_PACKAGES[*]}" "=$(declare -f unpack_nvidia)"
lab_step nvidia_bookworm "=${NVIDIA_PACKAGES[*]}" "=$(declare -f unpack_nvidia)"
[ "$(cat "$NVIDIA/sid/version")" != "$(cat "$NVIDIA/bookworm/version")" ] ||
    lab_die "sid and bookworm have the same version of NVIDIA's driver: nothing is left that could differ"

lab_env "LAB_NVIDIA=$NVIDIA/sid" "LAB_NVIDIA_VERSION=$(cat "$NVIDIA/sid/version")" \
    "LAB_NVIDIA_OTHER=$NVIDIA/bookworm" "LAB_NVIDIA_OTHER_VERSION=$(cat "$NVIDIA/bookworm/version")"
