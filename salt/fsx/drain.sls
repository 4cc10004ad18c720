{%- from 'fsx/map.jinja' import fsx with context %}
{%- set fs = fsx.freeswitch %}

# New calls are refused, so that the proxy in front sends them elsewhere; then the last call is waited
# for. What the commands are is in the script, which a scenario runs against a real switch.
fsx-drain-pause:
  cmd.script:
    - source: salt://fsx/files/switch.sh
    - args: pause
    - env:
      - FS_CLI: {{ fs.fs_cli }}
    - failhard: true

fsx-drain-wait:
  cmd.script:
    - source: salt://fsx/files/switch.sh
    - args: wait {{ fs.drain_timeout_s }}
    - env:
      - FS_CLI: {{ fs.fs_cli }}
    - timeout: {{ fs.drain_timeout_s + 60 }}
    - failhard: true
    - require:
      - cmd: fsx-drain-pause
