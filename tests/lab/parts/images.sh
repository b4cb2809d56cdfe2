# shellcheck shell=bash
# Images in which OpenGL fails in the ways it fails at people's, each a copy of the healthy one's root directory with one thing
# changed, and the image of an older distribution.

DERIVED=(crash hang no-dri bare)

# shellcheck disable=SC2153  # of setup, which reads this file
derived_image() { printf '%s/casa-lab-%s-%s.sif\n' "$IMAGES" "$1" "$VERSION"; }

# A tree of hard links, so the files of the healthy root directory must never be written to: they are replaced or removed.
change_tree() {
    local name=$1 root=$2 lib=$2/usr/lib/x86_64-linux-gnu half fault
    case $name in
    crash | hang)
        # Both halves of Mesa: a driver that faults does so whether it is reached by GLX or by EGL. The libGL.so.1 of programs
        # stays what it is, as at people's: it loads, and the first call of it is the last.
        fault=$LAB_ROOT/lib/libGLX_crash.so.0
        [ "$name" = crash ] || fault=$LAB_ROOT/lib/libGLX_sleep.so.0
        for half in GLX EGL; do
            rm "$lib/lib${half}_mesa.so.0.0.0"
            cp "$fault" "$lib/lib${half}_mesa.so.0.0.0"
        done
        ;;
    no-dri) rm -r "$lib/dri" ;;
    # No tool that could be asked instead of casa-doctor's own probe.
    bare) find "$root/usr/bin" "$root/usr/local/bin" '(' -name 'glxinfo*' -o -name 'eglinfo*' -o -name 'python*' ')' -delete ;;
    esac
}

# Compressed by zstd and not by gzip as the healthy one: a quarter of the time, and another way in which images are made.
make_derived_image() {
    local name=$1 tree=$LAB_ROOT/rootfs/$1
    rm -rf "$tree"
    cp -al "$LAB_ROOT/rootfs/bookworm" "$tree"
    change_tree "$name" "$tree"
    COMPRESSION='-comp zstd -Xcompression-level 1' \
        make_image "$(derived_image "$name")" "$name" debian-12 "$LAB_ROOT/bin/casa-scene" "$LAB_ROOT/mesa/libGL.so.1"
    rm -rf "$tree"
}

check_image_crash() { image_works "$(derived_image crash)"; }
step_image_crash() { make_derived_image crash; }
check_image_hang() { image_works "$(derived_image hang)"; }
step_image_hang() { make_derived_image hang; }
check_image_no_dri() { image_works "$(derived_image no-dri)"; }
step_image_no_dri() { make_derived_image no-dri; }
check_image_bare() { image_works "$(derived_image bare)"; }
step_image_bare() { make_derived_image bare; }

# --- Debian 11, with its older C library ---------------------------------------------------

BULLSEYE=$IMAGES/casa-lab-bullseye-$VERSION.sif
BULLSEYE_PACKAGES=bash,freeglut3,mesa-utils,libgl1,libegl1,libgl1-mesa-dri,libglx-mesa0,libegl-mesa0,x11-utils,libc6-dev,freeglut3-dev,libx11-dev

check_rootfs_bullseye() { [ -d "$LAB_ROOT/rootfs/bullseye/usr" ]; }
step_rootfs_bullseye() { bootstrap bullseye "$BULLSEYE_PACKAGES"; }

check_image_bullseye() { image_works "$BULLSEYE"; }
# This image has no software Mesa: the one that is compiled needs a newer C library, which is what the image is there to lack.
step_image_bullseye() {
    local system=$LAB_ROOT/rootfs/bullseye object=$LAB_ROOT/bin/casa-scene-bullseye.o
    local dev=$system/usr/lib/x86_64-linux-gnu lib=$system/lib/x86_64-linux-gnu
    compile_scene --sysroot="$system" -c -o "$object"
    # Each library is named by its file: left to search, the linker finds those of this machine, and the program would ask for
    # this machine's C library.
    gcc -nostdlib -Wl,--allow-shlib-undefined -o "$LAB_ROOT/bin/casa-scene-bullseye" \
        "$dev/Scrt1.o" "$dev/crti.o" "$object" "$dev/libglut.so.3" "$dev/libGL.so.1" "$dev/libX11.so.6" \
        "$lib/libm.so.6" "$lib/libc.so.6" "$dev/libc_nonshared.a" "$dev/crtn.o"
    rm -f "$object"
    COMPRESSION='-comp zstd -Xcompression-level 1' \
        make_image "$BULLSEYE" bullseye debian-11 "$LAB_ROOT/bin/casa-scene-bullseye"
}

# --- The proof ------------------------------------------------------------------------------

# expect_end STATUS WHAT COMMAND...: runs it as the lab user.
expect_end() {
    local want=$1 what=$2 status=0
    shift 2
    lab_as_user "$@" || status=$?
    [ "$status" -eq "$want" ] || lab_die "$what: expected status $want, got $status"
    printf '%s: status %s, as expected\n' "$what" "$want"
}

# Each image fails in its own way with its own Mesa, and draws with the other one.
step_proof_images() {
    local work display file name version
    trap lab_stop_all EXIT
    work=$(lab_as_user mktemp -d /tmp/casa-lab-proof.XXXXXX)
    file=$work/cookies
    display=$(lab_free_display)
    version=$(cat "$LAB_ROOT/mesa/version")
    lab_start_xvfb "$display" "$file"
    for name in "${DERIVED[@]}"; do
        lab_write_environment "$work/$name" "$(derived_image "$name")"
        lab_launch_words "$work/$name" "$(derived_image "$name")" ":$display" "$file" container
        case $name in
        # The entry point's shell hands the place over to the program, whose signal the engine reports as a shell would.
        crash) expect_end 139 "crash, container mode" "${LAB_LAUNCH[@]}" glxinfo -B ;;
        hang) expect_end 124 "hang, container mode" timeout 3 env "${LAB_LAUNCH[@]}" timeout 2 glxinfo -B ;;
        no-dri) expect_end 1 "no DRI driver, container mode" "${LAB_LAUNCH[@]}" glxinfo -B ;;
        bare)
            expect_end 0 "no tools" "${LAB_LAUNCH[@]}" sh -c '! command -v glxinfo && ! command -v eglinfo && ! command -v python3'
            expect "bare, container mode" 'GL_RENDERER=llvmpipe' "$(lab_as_user "${LAB_LAUNCH[@]}" casa-scene --seconds 1 2>&1)"
            ;;
        esac
        lab_launch_words "$work/$name" "$(derived_image "$name")" ":$display" "$file" software
        expect "$name, software mode" "GL_VERSION=.*$version" "$(lab_as_user "${LAB_LAUNCH[@]}" casa-scene --seconds 1 2>&1)"
    done
    lab_write_environment "$work/bullseye" "$BULLSEYE"
    lab_launch_words "$work/bullseye" "$BULLSEYE" ":$display" "$file" container
    expect "the bullseye image" 'GL_VERSION=.*Mesa 20[.]' "$(lab_as_user "${LAB_LAUNCH[@]}" casa-scene --seconds 1 2>&1)"
    lab_stop_all
    rm -rf "$work"
}

# --- The order --------------------------------------------------------------------------------

older_distribution() {
    lab_step rootfs_bullseye "=$BULLSEYE_PACKAGES" "=$(declare -f bootstrap)"
    lab_step image_bullseye @rootfs_bullseye @programs "${IMAGE_INPUTS[@]}"
}

# Unpacking packages is one program's work after the other's; compressing images takes every processor.
older_distribution &
older_job=$!
for name in "${DERIVED[@]}"; do
    lab_step "image_${name//-/_}" @rootfs @programs @mesa "${IMAGE_INPUTS[@]}" "=$(declare -f change_tree make_derived_image)"
done
wait "$older_job"
lab_step proof_images @image_crash @image_hang @image_no_dri @image_bare @image_bullseye "$LAB_SOURCE/lib.sh" "=$(declare -f expect_end)"

lab_env "LAB_IMAGE_CRASH=$(derived_image crash)" "LAB_IMAGE_HANG=$(derived_image hang)" \
    "LAB_IMAGE_NO_DRI=$(derived_image no-dri)" "LAB_IMAGE_BARE=$(derived_image bare)" "LAB_IMAGE_BULLSEYE=$BULLSEYE"
