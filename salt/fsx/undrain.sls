{%- from 'fsx/map.jinja' import fsx with context %}

fsx-undrain-resume:
  cmd.run:
    - name: {{ fsx.freeswitch.fs_cli }} -x 'fsctl resume inbound' | grep -q '^+OK'
    - failhard: true
