# shellcheck shell=bash
#
# What the benchmarks of launches share.  Source it from a bash script that has
# `set -euo pipefail`.

BENCH_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/lab/lib.sh
source "$BENCH_ROOT/tests/lab/lib.sh"
# shellcheck disable=SC1090,SC1091
source "$LAB_ROOT/lab.env"

# bench_start [PROGRAM]: the program (by default what release/build makes), a
# healthy environment and an Xvfb, all of the lab user, until the script ends.
# They are in BENCH_PROGRAM, BENCH_ENVIRONMENT and BENCH_DISPLAY, which are the
# words to set DISPLAY and XAUTHORITY.
bench_start() {
    local program=${1-} number work
    [ -n "$program" ] || program=$(PATH=$LAB_CALLER_PATH "$BENCH_ROOT/release/build")
    work=$(lab_as_user mktemp -d /tmp/casa-bench.XXXXXX)
    # shellcheck disable=SC2064  # the folder of now
    trap "lab_stop_all; rm -rf -- '$work'" EXIT
    BENCH_PROGRAM=$work/casa-doctor
    BENCH_ENVIRONMENT=$work/env
    install -m 755 "$program" "$BENCH_PROGRAM"
    lab_write_environment "$BENCH_ENVIRONMENT" "$LAB_IMAGE"
    number=$(lab_free_display)
    lab_start_xvfb "$number" "$work/cookies"
    # shellcheck disable=SC2034  # for those who source this
    BENCH_DISPLAY=("DISPLAY=:$number" "XAUTHORITY=$work/cookies")
}
