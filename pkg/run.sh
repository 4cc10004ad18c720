#!/usr/bin/env bash
# Shows fsx at work: a demonstration database, its routing file, the daemon, and some calls routed.
# `make run` calls it with the folder that holds the built programs. Everything it makes is in run/;
# remove that folder to begin again. Stays until Ctrl-C.
#
#   FSX_HTTP_PORT (8060), FSX_ESL_PORT (60321): where the daemon listens, on loopback only
set -euo pipefail
cd "$(dirname "$0")/.."

built=$(cd "${1:?the folder with the built programs}" && pwd)
fsxinetd=$built/fsxinetd
dir=$PWD/run
http_port=${FSX_HTTP_PORT:-8060}
esl_port=${FSX_ESL_PORT:-60321}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
fail() { printf 'make run: %s\n' "$*" >&2; exit 1; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

mkdir -p "$dir/modules" "$dir/spool"
for port in "$http_port" "$esl_port"; do
    ! listens "$port" || fail "something listens on port $port already (FSX_HTTP_PORT and FSX_ESL_PORT choose others)"
done

# A Unix socket's path has room for 107 bytes.
socket=$dir/decide.sock
[ ${#socket} -lt 108 ] || socket=$(mktemp -d)/decide.sock

# --- Data --------------------------------------------------------------------------------------
say 'Database (embedded SQLite)'
"$fsxinetd" demo init --db "sqlite:$dir/lcr.sqlite"

say 'Routing file'
if ! "$fsxinetd" lcr verify "$dir/routing.snapshot" >/dev/null 2>&1; then
    "$fsxinetd" lcr build --db "sqlite:$dir/lcr.sqlite" --out "$dir/routing.snapshot"
fi
"$fsxinetd" lcr verify "$dir/routing.snapshot" | sed -n 1,2p

# --- Daemon ------------------------------------------------------------------------------------
# What is not here has its default: fsxinetd/conf/fsxinetd.toml says what each key means.
cat >"$dir/fsxinetd.toml" <<TOML
[site]
data_centre = "LON1"

[feed]
snapshot = "$dir/routing.snapshot"
live = "$dir/routing.live"

[databases.LCR_RO]
url = "sqlite:$dir/lcr.sqlite"

[esl]
listen = "127.0.0.1:$esl_port"

[decide]
socket = "$socket"

[http]
listen = "127.0.0.1:$http_port"

[policy]
dir = "$PWD/policies"
store = "$dir/policies"

[cdr]
store = "$dir/cdr.sqlite"
spool = ["$dir/spool/freeswitch.jsonl", "$dir/spool/opensips.jsonl"]
TOML
"$fsxinetd" check-config --config "$dir/fsxinetd.toml"

say "fsxinetd (log: run/fsxinetd.log)"
# In a process group of its own: Ctrl-C comes here, and the daemon is told once (told twice, it
# would not wait for the work in hand).
set -m
"$fsxinetd" run --config "$dir/fsxinetd.toml" >"$dir/fsxinetd.log" 2>&1 </dev/null &
daemon=$!
set +m
# The daemon drains when told to stop; that is waited for.
trap 'trap - EXIT; kill -TERM "$daemon" 2>/dev/null; wait "$daemon"' EXIT
trap 'exit 0' INT TERM

ready() {
    exec 3<>"/dev/tcp/127.0.0.1/$http_port" || return 1
    printf 'GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    reply=$(cat <&3)
    exec 3>&-
    [[ $reply == 'HTTP/1.1 200'* ]]
} 2>/dev/null
for _ in $(seq 300); do
    if ready; then break; fi
    kill -0 "$daemon" 2>/dev/null || { tail -n 5 "$dir/fsxinetd.log" >&2; fail 'fsxinetd ended'; }
    sleep 0.2
done
ready || { tail -n 5 "$dir/fsxinetd.log" >&2; fail 'fsxinetd is not ready after a minute'; }
printf '%s\n' "${reply#*$'\r\n\r\n'}"

# --- Calls -------------------------------------------------------------------------------------
say 'Some calls (carriers and prices are samples)'
"$fsxinetd" demo route --snapshot "$dir/routing.snapshot"

# --- What next ---------------------------------------------------------------------------------
# The switches look for these very names. A running one has the old files mapped: they are replaced
# by new files, never written over, or it would die.
for module in libmod_fsx.so:mod_fsx.so libfsx.so:fsx.so; do
    install -m 644 "$built/${module%:*}" "$dir/modules/.${module#*:}.new"
    mv -f "$dir/modules/.${module#*:}.new" "$dir/modules/${module#*:}"
done
say 'fsxinetd is up'
cat <<TEXT
  curl -s 'localhost:$http_port/readyz?verbose'
  curl -s 'localhost:$http_port/v1/lcr/route?number=07700900123&org=37&why=1'
  ${fsxinetd#"$PWD"/} lcr route 07700900123 --org 37 --json --snapshot run/routing.snapshot

FreeSWITCH: in autoload_configs/fsx.conf.xml (sample: fs-module/conf/fsx.conf.xml) set
    snapshot    $dir/routing.snapshot
    live        $dir/routing.live
    socket      $socket
    spool       $dir/spool/freeswitch.jsonl
    data-centre LON1
  then    fs_cli -x 'load $dir/modules/mod_fsx.so'
  and     fs_cli -x 'fsx why 07700900123 org=37'
  Its user must be able to read and write in $dir; fsxinetd takes questions from root, from its own
  user and from freeswitch and opensips. The dialplan says <action application="fsx_bridge"/>.

OpenSIPS: in opensips.cfg
    loadmodule "$dir/modules/fsx.so"
    modparam("fsx", "snapshot", "$dir/routing.snapshot")
    modparam("fsx", "live", "$dir/routing.live")
    modparam("fsx", "data_centre", "LON1")
  then fsx_route() in the request route (sample: opensips-module/conf/opensips.cfg).

These modules are development builds; make modules makes the ones for real calls.
Ctrl-C stops fsxinetd.
TEXT
wait "$daemon" || true
fail 'fsxinetd ended by itself; see run/fsxinetd.log'
