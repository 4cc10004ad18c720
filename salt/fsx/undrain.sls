{%- from 'fsx/map.jinja' import fsx with context %}

fsx-undrain-resume:
  cmd.script:
    - source: salt://fsx/files/switch.sh
    - args: resume
    - env:
      - FS_CLI: {{ fsx.freeswitch.fs_cli }}
    - failhard: true
