{%- from 'fsx/map.jinja' import fsx with context %}
{%- set fs = fsx.freeswitch %}

include:
  - fsx.package

# New module code is only on disk until the switch is restarted on a drained host (fsx.restart).
fsx-freeswitch-package:
  pkg.installed:
    - name: {{ fs.package }}
    {%- if fsx.version %}
    - version: '{{ fsx.version }}'
    {%- endif %}
    - require:
      - pkg: fsx-package-installed

# The decision socket, the routing file and the spool belong to this group.
fsx-freeswitch-group:
  group.present:
    - name: {{ fsx.group }}
    - system: true
    - addusers:
      - {{ fs.user }}
    - require:
      - pkg: fsx-freeswitch-package

fsx-freeswitch-config:
  file.managed:
    - name: {{ fs.config_dir }}/autoload_configs/fsx.conf.xml
    - source: salt://fsx/files/fsx.conf.xml.jinja
    - template: jinja
    - mode: '0644'
    - require:
      - pkg: fsx-freeswitch-package

{%- if fs.load %}
fsx-freeswitch-load:
  file.replace:
    - name: {{ fs.config_dir }}/autoload_configs/modules.conf.xml
    - pattern: '^(\s*)</modules>'
    - repl: '    <load module="mod_fsx"/>\n\1</modules>'
    - count: 1
    - unless: grep -q 'module="mod_fsx"' {{ fs.config_dir }}/autoload_configs/modules.conf.xml
    - require:
      - file: fsx-freeswitch-config
{%- endif %}

# Configuration is taken up by command. Where the module is not loaded yet there is nothing to tell.
fsx-freeswitch-reload:
  cmd.run:
    - name: {{ fs.fs_cli }} -x 'reloadxml' && {{ fs.fs_cli }} -x 'fsx reload' | grep -q '^+OK'
    - onlyif: {{ fs.fs_cli }} -x 'module_exists mod_fsx' | grep -q true
    - onchanges:
      - file: fsx-freeswitch-config
    - require:
      - file: fsx-freeswitch-config
