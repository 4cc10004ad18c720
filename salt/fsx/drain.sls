{%- from 'fsx/map.jinja' import fsx with context %}
{%- set fs = fsx.freeswitch %}

# New calls are refused, so that the proxy in front sends them elsewhere; then the last call is waited
# for. fs_cli exits 0 on an error of the switch, so its words are read.
fsx-drain-pause:
  cmd.run:
    - name: {{ fs.fs_cli }} -x 'fsctl pause inbound' | grep -q '^+OK'
    - failhard: true

fsx-drain-wait:
  cmd.run:
    - name: >-
        for _ in $(seq {{ (fs.drain_timeout_s / 5) | int }}); do
        {{ fs.fs_cli }} -x 'show calls count' | grep -q '^0 total' && exit 0;
        sleep 5; done;
        echo 'calls are still up after {{ fs.drain_timeout_s }} s'; exit 1
    - timeout: {{ fs.drain_timeout_s + 60 }}
    - failhard: true
    - require:
      - cmd: fsx-drain-pause
