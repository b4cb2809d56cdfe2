# shellcheck shell=bash
#
# Functions shared by setup, demo and the tests of the lab.  Source it from a
# bash script that has `set -euo pipefail`; nothing happens at that time
# except that the variables below get their values and PATH is set.
# shellcheck disable=SC2034  # most of the variables are for those who source this

LAB_ROOT=${CASA_DOCTOR_LAB:-/var/tmp/casa-doctor-lab}
LAB_USER=casalab
# Where this file is, so that a script finds the other parts of the lab
# whatever the current folder is.
LAB_SOURCE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# The lab drives the distribution's own programs.  A python3 or a convert that
# somebody put in front of them would change what is measured.
LAB_CALLER_PATH=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin
# Every process started through lab_spawn and lab_start_*; lab_stop_all ends them.
LAB_PIDS=()

lab_die() {
    printf 'lab: %s\n' "$*" >&2
    exit 1
}

lab_require_root() {
    [ "$(id -u)" -eq 0 ] || lab_die "has to be run as root (packages, an ordinary user and /dev/fuse are set up); you are $(id -un)"
}

# --- The machine's own package mirror ---------------------------------------

# The sources of apt in one shape: "URI SUITE COMPONENT" lines of the binary
# archives in use, whatever format they are written in.
lab_apt_sources() {
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        awk '$1 == "deb" {
            i = 2
            if ($i ~ /^\[/) { while (i <= NF && $i !~ /\]$/) i++; i++ }
            for (c = i + 2; c <= NF && $c !~ /^#/; c++) print $i, $(i + 1), $c
        }' "$file"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        awk '
            function flush(    u, s, c, nu, ns, nc, x, y, z) {
                nu = split(field["uris"], u); ns = split(field["suites"], s); nc = split(field["components"], c)
                if (field["types"] ~ /(^| )deb( |$)/ && tolower(field["enabled"]) != "no")
                    for (x = 1; x <= nu; x++) for (y = 1; y <= ns; y++) for (z = 1; z <= nc; z++) print u[x], s[y], c[z]
                delete field
            }
            /^[ \t]*$/ { flush(); next }
            /^#/ { next }
            /^[ \t]/ { field[key] = field[key] " " $0; next }
            { key = tolower(substr($0, 1, index($0, ":") - 1)); field[key] = substr($0, index($0, ":") + 1); sub(/^[ \t]+/, "", field[key]) }
            END { flush() }
        ' "$file"
    done
}

# The address of the Debian archive this machine uses.  Other suites are asked
# of the same mirror: it is the only one known to be reachable from here.
lab_mirror() {
    local codename mirror
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    [ "$codename" = bookworm ] || lab_die "is made for Debian 12 (bookworm); /etc/os-release says '${codename:-nothing}'"
    mirror=$(lab_apt_sources | awk '$1 !~ /^cdrom:/ && $2 == "bookworm" && $3 == "main" && !found++ { print $1 }')
    [ -n "$mirror" ] || lab_die "no archive with suite bookworm and component main in /etc/apt/sources.list or sources.list.d: add one, then run this again"
    printf '%s\n' "${mirror%/}"
}

# apt-get on private sources: lab_apt_private NAME "SOURCE LINE" ARGUMENTS...
# Nothing of the machine's own lists is touched, and lists past their date are
# taken, because a mirror frozen at some day still has to serve.
lab_apt_private() {
    local state=$LAB_ROOT/apt/$1 line=$2
    shift 2
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    printf '%s\n' "$line" >"$state/sources.list"
    apt-get -q \
        -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache" \
        -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o APT::Sandbox::User=root "$@"
}

# --- Steps --------------------------------------------------------------------

# lab_step NAME [INPUT...]: runs the function step_NAME unless it was run
# before from the same things.  An INPUT is a file, "=TEXT" for a value, or
# "@STEP" for another step whose result is used.  A function check_NAME, when
# there is one, tells whether the result is still there.
#
# Never call it in a condition: bash would then ignore errors inside the step.
lab_step() {
    local name=$1 stamp=$LAB_ROOT/stamps/$1 log=$LAB_ROOT/log/$1.log note=$LAB_ROOT/log/$1.note
    local input hash status begin end
    shift
    mkdir -p "$LAB_ROOT/stamps" "$LAB_ROOT/log"
    hash=$(
        declare -f "step_$name"
        for input in "$@"; do
            case $input in
            =*) printf '%s\n' "$input" ;;
            @*) cat "$LAB_ROOT/stamps/${input#@}" ;;
            *) cat "$input" ;;
            esac
        done
    ) || lab_die "step $name: one of its inputs cannot be read: $*"
    hash=$(printf '%s' "$hash" | sha256sum | cut -d' ' -f1)
    # The stamp keeps the salt of the run that wrote it, so that a step which
    # uses this result runs again even if this one was redone from the same text.
    if [ -f "$stamp" ] && [ "$(cut -d' ' -f1 "$stamp")" = "$hash" ] &&
        { ! declare -F "check_$name" >/dev/null || "check_$name" >/dev/null 2>&1; }; then
        printf '  %-16s already there\n' "$name"
        return 0
    fi
    # No stamp while the step is at work: killed half-way, it is done again.
    rm -f "$stamp" "$note"
    begin=$(date +%s.%N)
    set +e
    (
        set -e
        "step_$name"
        if declare -F "check_$name" >/dev/null; then
            "check_$name" || lab_die "step $name ended without an error, but its result cannot be used"
        fi
    ) >"$log" 2>&1
    status=$?
    set -e
    end=$(date +%s.%N)
    if [ "$status" -ne 0 ]; then
        printf '  %-16s FAILED (status %s); the end of %s:\n' "$name" "$status" "$log" >&2
        tail -n 20 "$log" | sed 's/^/    | /' >&2
        return "$status"
    fi
    printf '%s %s\n' "$hash" "$begin" >"$stamp.new"
    mv "$stamp.new" "$stamp"
    printf '  %-16s %6.1f s%s\n' "$name" "$(awk -v b="$begin" -v e="$end" 'BEGIN { print e - b }')" \
        "$(if [ -f "$note" ]; then printf '  (%s)' "$(cat "$note")"; fi)"
}

# A remark of a running step for its line of output.
lab_note() {
    printf '%s' "$2" >"$LAB_ROOT/log/$1.note"
}

# --- The ordinary user ----------------------------------------------------------

# The words to put before a command to run it as the lab user, with a clean
# environment.  An array and not only a function, because a background job must
# be the command itself for its process id to be of use.
LAB_USER_WORDS=(
    setpriv --reuid="$LAB_USER" --regid="$LAB_USER" --init-groups
    env -i "HOME=/home/$LAB_USER" "USER=$LAB_USER" "LOGNAME=$LAB_USER" SHELL=/bin/bash LANG=C.UTF-8
    PATH=/usr/local/bin:/usr/bin:/bin
)

# lab_as_user [NAME=VALUE...] COMMAND...: a variable of the caller reaches the
# command only when it is given here.  The current folder becomes the user's
# home, since the caller's may be closed to that user.
lab_as_user() (
    cd "/home/$LAB_USER" || exit 1
    exec "${LAB_USER_WORDS[@]}" "$@"
)

# --- Processes ------------------------------------------------------------------

# lab_spawn LOGFILE [NAME=VALUE...] COMMAND...: starts COMMAND as the lab user
# in the background, in a session of its own so that lab_stop reaches all of
# its children; its process id is in LAB_SPAWNED.
lab_spawn() {
    local log=$1
    shift
    # Descriptor 9 is the lock of setup, which a server must not keep.
    (cd "/home/$LAB_USER" && exec setsid -- "${LAB_USER_WORDS[@]}" "$@") >"$log" 2>&1 </dev/null 9>&- &
    LAB_SPAWNED=$!
    LAB_PIDS+=("$LAB_SPAWNED")
}

# lab_stop PID: asks a process started by lab_spawn and its children to end,
# and insists after two seconds.  SIGCONT is sent because a test may have
# stopped the process to make it look hung.
lab_stop() {
    local pid=$1 try
    kill -TERM -- "-$pid" 2>/dev/null || return 0
    kill -CONT -- "-$pid" 2>/dev/null || true
    for try in $(seq 20); do
        kill -0 -- "-$pid" 2>/dev/null || break
        sleep 0.1
        [ "$try" -lt 20 ] || kill -KILL -- "-$pid" 2>/dev/null || true
    done
    wait "$pid" 2>/dev/null || true
}

lab_stop_all() {
    local index
    # The last started first: a program before the X server it draws on.
    for ((index = ${#LAB_PIDS[@]} - 1; index >= 0; index--)); do
        lab_stop "${LAB_PIDS[index]}"
    done
    LAB_PIDS=()
}

# --- X ----------------------------------------------------------------------------

# A display number nobody uses; the search starts high to stay away from
# people's own displays and from the numbers of `ssh -X`.
lab_free_display() {
    local number
    for number in $(seq 70 170); do
        if [ ! -e "/tmp/.X11-unix/X$number" ] && [ ! -e "/tmp/.X$number-lock" ] &&
            ! grep -q "@/tmp/.X11-unix/X$number\$" /proc/net/unix; then
            printf '%s\n' "$number"
            return 0
        fi
    done
    lab_die "no free X display number between 70 and 170"
}

# lab_cookie AUTHFILE DISPLAYNUM [COOKIE]: adds a cookie for the display to a
# file of the lab user.  The family is "wild", which no host name has to match:
# a container may have another host name than the machine.
lab_cookie() {
    local file=$1 number=$2 cookie=${3:-$(mcookie)}
    # The file is made first because xauth says so each time it has to make it;
    # and it is read to the end before it is written, because xauth locks it.
    # shellcheck disable=SC2016  # the inner shell expands its own arguments
    lab_as_user sh -ec '
        umask 077
        touch "$1"
        xauth -q -f "$1" add ":$2" . "$3"
        wild=$(xauth -f "$1" nlist ":$2" | sed "s/^..../ffff/")
        echo "$wild" | xauth -q -f "$1" nmerge -
    ' sh "$file" "$number" "$cookie"
}

# lab_start_xvfb DISPLAYNUM AUTHFILE [ARGUMENTS OF Xvfb...]: an X server of the
# lab user.  Returns when it answers; its process id is in LAB_XVFB_PID and in
# AUTHFILE.pid, what it says is in AUTHFILE.log.
lab_start_xvfb() {
    local number=$1 file=$2 try
    shift 2
    [ ! -e "/tmp/.X11-unix/X$number" ] || lab_die "display :$number is in use (/tmp/.X11-unix/X$number exists): take another number"
    # Only root may make this folder with its sticky bit; without it an X
    # server of an ordinary user listens on the abstract name alone.
    [ -d /tmp/.X11-unix ] || install -d -m 1777 /tmp/.X11-unix
    lab_cookie "$file" "$number"
    lab_spawn "$file.log" Xvfb ":$number" -screen 0 1280x1024x24 -noreset -nolisten tcp -auth "$file" "$@"
    LAB_XVFB_PID=$LAB_SPAWNED
    printf '%s\n' "$LAB_XVFB_PID" >"$file.pid"
    for try in $(seq 100); do
        if lab_as_user "DISPLAY=:$number" "XAUTHORITY=$file" xdpyinfo >/dev/null 2>&1; then
            return 0
        fi
        kill -0 "$LAB_XVFB_PID" 2>/dev/null || lab_die "Xvfb :$number ended at once: $(tail -n 3 "$file.log")"
        sleep 0.1
        [ "$try" -lt 100 ] || lab_die "Xvfb :$number did not answer within 10 s: see $file.log"
    done
}

# lab_start_glx_proxy DISPLAYNUM TARGETNUM VENDOR AUTHFILE: makes display
# :DISPLAYNUM show what :TARGETNUM shows, with another GLX vendor name.
# AUTHFILE has the cookie of the target; the same one is added for the proxy.
lab_start_glx_proxy() {
    local number=$1 target=$2 vendor=$3 file=$4 cookie try
    cookie=$(lab_as_user xauth -f "$file" nlist ":$target" | awk '{ print $NF; exit }')
    [ -n "$cookie" ] || lab_die "$file has no cookie for :$target"
    lab_cookie "$file" "$number" "$cookie"
    lab_spawn "$file.proxy.log" "$LAB_ROOT/bin/glx-vendor-proxy" "$number" "$target" "$vendor"
    LAB_PROXY_PID=$LAB_SPAWNED
    for try in $(seq 50); do
        [ ! -S "/tmp/.X11-unix/X$number" ] || return 0
        kill -0 "$LAB_PROXY_PID" 2>/dev/null || break
        sleep 0.1
    done
    lab_die "the GLX proxy did not start: $(cat "$file.proxy.log")"
}

# lab_wait_window DISPLAY TITLE SECONDS: until a window of that title is there.
# Needs XAUTHORITY in the caller's environment, as lab_screenshot does.
lab_wait_window() {
    local try
    for try in $(seq $(($3 * 5))); do
        if lab_as_user "DISPLAY=$1" "XAUTHORITY=${XAUTHORITY-}" xwininfo -name "$2" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.2
    done
    printf 'lab: no window "%s" on %s within %s s\n' "$2" "$1" "$3" >&2
    return 1
}

# lab_screenshot DISPLAY FILE WINDOW_TITLE: a PNG of one window, taken by the
# lab user, who must be able to write FILE.
lab_screenshot() {
    lab_as_user "DISPLAY=$1" "XAUTHORITY=${XAUTHORITY-}" import -window "$3" "png24:$2" ||
        lab_die "no screenshot of the window \"$3\" on $1: is it open, and is XAUTHORITY (${XAUTHORITY-unset}) right?"
}

# lab_check_picture FILE: whether the PNG shows what scene.c draws: the known
# pixels have their colours, and the surface is there and is lit (many
# different colours in the area it covers).
lab_check_picture() {
    local file=$1 size spot place want got colours
    size=$(identify -format '%wx%h' "$file")
    [ "$size" = 512x512 ] || {
        printf 'lab: %s is %s pixels, expected 512x512\n' "$file" "$size" >&2
        return 1
    }
    for spot in 20,20=c82828 492,20=28a03c 20,492=2846c8 492,492=dcbe28 256,246=ffffff; do
        place=${spot%=*}
        want=${spot#*=}
        got=$(convert "$file" -depth 8 -format "%[hex:p{$place}]" info:- | tr 'A-F' 'a-f')
        # A server of 16 bit depth or a driver that rounds elsewhere is off by
        # a little; wrong channels or a blank picture are off by much.
        awk -v w="$want" -v g="$got" 'function h(s, i) { return index("0123456789abcdef", substr(s, i, 1)) - 1 }
            BEGIN { for (i = 1; i <= 5; i += 2) { d = 16 * (h(w, i) - h(g, i)) + h(w, i + 1) - h(g, i + 1); if (d < 0) d = -d; if (d > 8) exit 1 } }' || {
            printf 'lab: %s: pixel (%s) is #%s, expected #%s\n' "$file" "$place" "$got" "$want" >&2
            return 1
        }
    done
    colours=$(convert "$file" -crop 200x60+156+300 +repage -format '%k' info:-)
    [ "$colours" -ge 100 ] || {
        printf 'lab: %s: the surface has %s colours where a lit one has hundreds\n' "$file" "$colours" >&2
        return 1
    }
}

# --- Docker and Podman ---------------------------------------------------------------

# Where the user's Podman keeps its state: there is no session that would have made a place for it.
LAB_PODMAN_RUN=/run/casa-doctor-lab-$LAB_USER

# The user's Podman, with its images in the lab.
lab_podman() {
    [ -d "$LAB_PODMAN_RUN" ] || install -d -m 700 -o "$LAB_USER" -g "$LAB_USER" "$LAB_PODMAN_RUN"
    lab_as_user "XDG_RUNTIME_DIR=$LAB_PODMAN_RUN" "CONTAINERS_STORAGE_CONF=$LAB_ROOT/podman/storage.conf" podman "$@"
}

# lab_start_docker: makes sure that a Docker daemon answers, and keeps it until lab_stop_docker. A machine's own daemon is taken when
# it has the lab's image or is asked to get it; else one is started by hand, with its data in the lab. Whoever needs it holds a shared
# lock while it does, so that the last one ends it.
lab_start_docker() {
    local directory=$LAB_ROOT/docker try
    mkdir -p "$directory"
    exec 8>"$directory/users"
    flock -s 8
    (
        flock 7
        if docker version >/dev/null 2>&1; then exit 0; fi
        # A daemon that was killed leaves these behind.
        rm -f /var/run/docker.pid "$directory/pid"
        setsid dockerd --group docker --data-root "$directory/data" --exec-root "$directory/exec" --pidfile "$directory/pid" \
            --host unix:///var/run/docker.sock >"$directory/log" 2>&1 </dev/null 7>&- 8>&- 9>&- &
        for try in $(seq 300); do
            if docker version >/dev/null 2>&1; then exit 0; fi
            sleep 0.1
        done
        tail -n 5 "$directory/log" >&2
        lab_die "dockerd does not answer after ${try} tries: see $directory/log"
    ) 7>"$directory/starting" || return 1
}

# lab_stop_docker: lets go of the daemon, and ends it when it is the lab's own and nobody else holds it.
lab_stop_docker() {
    local directory=$LAB_ROOT/docker pid
    exec 8>&-
    (
        flock -n -x 8 || exit 0
        flock 7
        pid=$(cat "$directory/pid" 2>/dev/null) || exit 0
        kill "$pid" 2>/dev/null || exit 0
        for _ in $(seq 150); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    ) 8>"$directory/users" 7>"$directory/starting"
}

# --- Environments and launches ---------------------------------------------------

# lab_write_environment DIR IMAGE: a healthy casa-distro environment of the lab
# user, as `casa_distro setup_user` leaves one behind.
lab_write_environment() {
    local directory=$1 image=$2
    install -d -o "$LAB_USER" -g "$LAB_USER" "$directory" "$directory/conf" "$directory/home"
    python3 - "$directory/conf/casa_distro.json" "$image" <<'PYTHON'
import json, os, sys
path, image = sys.argv[1:]
with open(image + ".json") as f:
    metadata = json.load(f)
config = {
    "casa_distro_compatibility": "3",
    "type": "user",
    "container_type": "singularity",
    "env": {
        "SOMAWF_INPUT_PARAMS": "$SOMAWF_INPUT_PARAMS",
        "SOMAWF_OUTPUT_PARAMS": "$SOMAWF_OUTPUT_PARAMS",
    },
    "distro": metadata["distro"],
    "system": metadata["system"],
    "version": metadata["version"],
    "image": image,
    "name": os.path.basename(os.path.dirname(os.path.dirname(path))),
    "image_id": metadata["image_id"],
}
with open(path, "w") as f:
    json.dump(config, f, indent=4)
PYTHON
    chown "$LAB_USER:$LAB_USER" "$directory/conf/casa_distro.json"
}

# lab_launch_words DIR IMAGE DISPLAY AUTHFILE MODE: fills LAB_LAUNCH with the
# command line that casa_distro 3.x itself would make (MODE: container or
# software), to put before the program.  It is the yardstick: what it shows, the
# tool has to show too.
lab_launch_words() {
    local directory=$1 image=$2 display=$3 file=$4 mode=$5
    LAB_LAUNCH=(
        "APPTAINERENV_DISPLAY=$display" APPTAINERENV_XAUTHORITY=/casa/Xauthority
        "APPTAINERENV_CASA_HOST_DIR=$directory" "APPTAINERENV_CASA_HOST_HOME=/home/$LAB_USER"
        "APPTAINERENV_CASA_ENVIRONMENT=$(basename "$directory")"
    )
    if [ "$mode" = software ]; then
        LAB_LAUNCH+=(APPTAINERENV_SOFTWARE_OPENGL=1 APPTAINERENV_XLIB_SKIP_ARGB_VISUALS=1)
    fi
    LAB_LAUNCH+=(
        apptainer run --cleanenv
        --bind "$directory:/casa/host" --bind /:/host --bind "$file:/casa/Xauthority" --bind "/home/$LAB_USER"
        --home "$directory/home:/casa/home" "$image"
    )
}
