#!/usr/bin/env bash
# Renders every state with every pillar, without a master, and checks the files that come out.
# Needs salt-call (Salt 3007: pip install salt==3007.15); FSX_SALT_CALL names one that is not on the path.
set -euo pipefail
cd "$(dirname "$0")/.."

salt_call=${FSX_SALT_CALL:-salt-call}
if ! command -v "$salt_call" >/dev/null 2>&1; then
    line='SKIPPED salt-render: salt-call is not installed (pip install salt==3007.15)'
    echo "$line"
    [ -z "${FSX_SKIP_LOG:-}" ] || echo "$line" >>"$FSX_SKIP_LOG"
    exit 0
fi

cmp pillar.example test/pillar/example.sls || { echo 'test/pillar/example.sls must be pillar.example'; exit 1; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/etc" "$dir/pillar"
cat >"$dir/etc/minion" <<CONF
file_client: local
id: test
root_dir: $dir
file_roots: {base: [$PWD]}
pillar_roots: {base: [$dir/pillar]}
log_level: error
log_file: $dir/log
CONF

call() { "$salt_call" -c "$dir/etc" --local --retcode-passthrough --out=json "$@"; }
failed=0
for pillar in test/pillar/*.sls; do
    name=$(basename "$pillar" .sls)
    cp "$pillar" "$dir/pillar/fsx.sls"
    echo "base: {'*': [fsx]}" >"$dir/pillar/top.sls"
    for sls in fsx fsx.clean fsx.freeswitch fsx.opensips fsx.drain fsx.undrain fsx.restart; do
        if call state.show_sls "$sls" >"$dir/out" 2>"$dir/err" && python3 - "$dir/out" <<'PY'
import json, sys
found = json.load(open(sys.argv[1]))["local"]
# A list is a list of errors; no states means that nothing was rendered.
sys.exit(0 if isinstance(found, dict) and found else 1)
PY
        then
            echo "ok   $name $sls"
        else
            echo "FAIL $name $sls"
            cat "$dir/out" "$dir/err"
            failed=1
        fi
    done
    call cp.get_template salt://fsx/files/fsxinetd.toml.jinja "$dir/$name.toml" >/dev/null
    call cp.get_template salt://fsx/files/fsx.conf.xml.jinja "$dir/$name.xml" >/dev/null
    call cp.get_template salt://fsx/files/opensips-fsx.cfg.jinja "$dir/$name.cfg" >/dev/null
    python3 - "$dir/$name.toml" "$dir/$name.xml" "$name" "$dir/$name.cfg" <<'PY' && echo "ok   $name files" || failed=1
import sys, xml.dom.minidom
params = xml.dom.minidom.parse(sys.argv[2]).getElementsByTagName("param")
names = [param.getAttribute("name") for param in params]
lines = open(sys.argv[4]).read().splitlines()
assert "snapshot" in names and 'modparam("fsx", "live", "/var/lib/fsx/routing.live")' in lines, (names, lines)
if sys.argv[3] == "example":
    assert "dial-string" in names and 'modparam("fsx", "gateway", "1002=sip:192.0.2.11:5060")' in lines, (names, lines)
try:
    import tomllib
except ImportError:
    sys.exit(0)
toml = tomllib.load(open(sys.argv[1], "rb"))
if sys.argv[3] == "example":
    assert toml["databases"]["LCR_RO"] == {"url": "mysql://lcr_ro:secret@core-sql-ro/LCR", "read_only": True}, toml
    assert toml["site"]["data_centre"] == "LON1", toml
PY
done

call state.show_sls orch.fsx_roll pillar='{"roll": {"version": "0.1.0", "hosts": ["fs1", "fs2"]}}' >"$dir/out"
python3 - "$dir/out" <<'PY' && echo 'ok   orch.fsx_roll' || failed=1
import json, sys
states = json.load(open(sys.argv[1]))["local"]
assert len(states) == 10 and "fsx-roll-fs2-undrain" in states, states
PY
exit $failed
