# shellcheck shell=sh
# Parts of a machine that cannot be had, put in place by root in a mount namespace of its own (see tests/end_to_end/live):
# nothing of this is seen outside of it. Each function may be called once.

# A writable copy of /etc, and room for other things, in memory.
stage_begin() {
    mount -t tmpfs -o mode=0755 tmpfs /mnt
    mkdir /mnt/etc /mnt/etc-work
    mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/etc-work overlay /etc
}

# A fake of what cannot be had: a card of NVIDIA on the PCI bus. stage_card [DRIVER]
stage_card() {
    mount -t tmpfs tmpfs /sys/bus/pci/devices
    mkdir -p /sys/bus/pci/devices/0000:01:00.0
    echo 0x030000 >/sys/bus/pci/devices/0000:01:00.0/class
    echo 0x10de >/sys/bus/pci/devices/0000:01:00.0/vendor
    echo 0x1c82 >/sys/bus/pci/devices/0000:01:00.0/device
    if [ $# -gt 0 ]; then
        mkdir "/sys/bus/pci/devices/$1"
        ln -s "../$1" /sys/bus/pci/devices/0000:01:00.0/driver
    fi
}

# A fake of what cannot be had: what the kernel's part of NVIDIA's driver tells. stage_kernel VERSION
stage_kernel() {
    mount -t tmpfs tmpfs /proc/driver
    mkdir -p /proc/driver/nvidia/gpus/0000:01:00.0
    {
        printf 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s  Tue Apr  8 12:41:17 UTC 2025\n' "$1"
        printf 'GCC version:  gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)\n'
    } >/proc/driver/nvidia/version
    printf 'Model: \t\t NVIDIA\nDevice Minor: \t 0\n' >/proc/driver/nvidia/gpus/0000:01:00.0/information
}

# NVIDIA's real user space, the first tree before the others: stage_libraries TREE...
stage_libraries() {
    lower=
    for tree in "$@"; do lower=$lower$tree/usr:; done
    mount -t overlay -o "lowerdir=$lower/usr" overlay /usr
    ldconfig
}

# Another /dev, with the nodes that are named: stage_nodes MODE [NAME MAJOR MINOR]...
stage_nodes() {
    mode=$1
    shift
    mkdir -p /mnt/dev/pts /mnt/dev/shm
    for node in null zero full random urandom tty fuse; do cp -a "/dev/$node" /mnt/dev/; done
    mount --bind /dev/pts /mnt/dev/pts
    mount --bind /dev/shm /mnt/dev/shm
    ln -s /proc/self/fd /mnt/dev/fd
    while [ $# -ge 3 ]; do
        mkdir -p "$(dirname "/mnt/dev/$1")"
        mknod -m "$mode" "/mnt/dev/$1" c "$2" "$3"
        shift 3
    done
    mount --bind /mnt/dev /dev
}

# Takes programs of /usr/bin away: stage_without NAME...
stage_without() {
    mkdir /mnt/bin /mnt/bin-work
    mount -t overlay -o lowerdir=/usr/bin,upperdir=/mnt/bin,workdir=/mnt/bin-work overlay /usr/bin
    for name in "$@"; do rm -f "/usr/bin/$name"; done
}
