{%- from 'fsx/map.jinja' import fsx with context %}
{%- set fs = fsx.freeswitch %}

# Only ever on a drained host: it refuses while a call is up.
fsx-restart-empty:
  cmd.script:
    - source: salt://fsx/files/switch.sh
    - args: empty
    - env:
      - FS_CLI: {{ fs.fs_cli }}
    - failhard: true

fsx-restart-switch:
  module.run:
    - service.restart:
      - name: {{ fs.service }}
    - failhard: true
    - require:
      - cmd: fsx-restart-empty

# The build that runs is asked for: a package that was not installed, or a switch that was not restarted,
# would go on with the old code and look well.
fsx-restart-loaded:
  cmd.script:
    - source: salt://fsx/files/switch.sh
    - args: loaded {{ fs.loaded_timeout_s }} {{ (fsx.version | string).split('-') | first }}
    - env:
      - FS_CLI: {{ fs.fs_cli }}
    - timeout: {{ fs.loaded_timeout_s + 60 }}
    - failhard: true
    - require:
      - module: fsx-restart-switch
