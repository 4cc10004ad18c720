{%- from 'fsx/map.jinja' import fsx with context %}

include:
  - fsx.package

fsx-config-dir:
  file.directory:
    - name: {{ fsx.config_dir }}
    - user: root
    - group: {{ fsx.group }}
    - mode: '0750'
    - require:
      - pkg: fsx-package-installed

fsx-config-file:
  file.managed:
    - name: {{ fsx.config_dir }}/fsxinetd.toml
    - source: salt://fsx/files/fsxinetd.toml.jinja
    - template: jinja
    - user: root
    - group: {{ fsx.group }}
    # It may hold a database's password.
    - mode: '0640'
    - show_changes: false
    # A file that the daemon would refuse never replaces one that works.
    - check_cmd: fsxinetd check-config --config
    - failhard: true
    - require:
      - file: fsx-config-dir
