{%- from 'fsx/map.jinja' import fsx with context %}
{%- set fs = fsx.freeswitch %}

# Only ever on a drained host: it refuses while a call is up.
fsx-restart-empty:
  cmd.run:
    - name: {{ fs.fs_cli }} -x 'show calls count' | grep -q '^0 total'
    - failhard: true

fsx-restart-switch:
  module.run:
    - service.restart:
      - name: {{ fs.service }}
    - failhard: true
    - require:
      - cmd: fsx-restart-empty

fsx-restart-loaded:
  cmd.run:
    - name: {{ fs.fs_cli }} -x 'fsx status' | grep -q '^+OK'
    - retry:
        attempts: 30
        interval: 2
        until: true
    - failhard: true
    - require:
      - module: fsx-restart-switch
