#!/bin/sh
# Takes a FreeSWITCH out of service for new code, and back. The states fsx.drain, fsx.restart and
# fsx.undrain run it; it can be run by hand as well:
#
#   switch.sh pause             refuse new calls (503), so that the proxy in front sends them elsewhere
#   switch.sh wait SECONDS      until the last call has ended
#   switch.sh empty             fail while a call is up
#   switch.sh loaded SECONDS [BUILD]
#                               until the module routes; with BUILD, a release or a whole build id, only
#                               that one will do
#   switch.sh resume            take calls again (a restart does so too)
#
# FS_CLI is the command that reaches the switch; fs_cli where it is not set. It ends with 0 on an error
# of the switch, so its words are read.
set -u

ask() { ${FS_CLI:-fs_cli} -x "$1" 2>&1; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# "0 total." once the last call has ended.
calls() { ask 'show calls count' | sed -n 's/^ *\([0-9][0-9]*\) total.*/\1/p' | head -n 1; }

ok() {
    said=$(ask "$1")
    case $said in +OK*) ;; *) fail "$1: $said" ;; esac
}

case ${1:-} in
pause) ok 'fsctl pause inbound' ;;
resume) ok 'fsctl resume inbound' ;;
empty)
    now=$(calls)
    [ "$now" = 0 ] || fail "${now:-unknown} calls are up"
    ;;
wait)
    left=${2:?how many seconds to wait}
    while now=$(calls); [ "$now" != 0 ]; do
        [ "$left" -gt 0 ] || fail "${now:-unknown} calls are still up after $2 s"
        left=$((left - 1))
        sleep 1
    done
    ;;
loaded)
    left=${2:?how many seconds to wait}
    while said=$(ask 'fsx status'); case $said in +OK*) false ;; esac; do
        [ "$left" -gt 0 ] || fail "the module does not route after $2 s: $said"
        left=$((left - 1))
        sleep 1
    done
    build=$(ask 'fsx version')
    build=${build#fsx }
    case ${3:-$build} in
    "$build" | "${build%%-*}") ;;
    *) fail "the switch runs build $build, and not $3" ;;
    esac
    ;;
*) fail "usage: switch.sh pause | wait SECONDS | empty | loaded SECONDS [BUILD] | resume" ;;
esac
