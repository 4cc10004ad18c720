{%- from 'fsx/map.jinja' import fsx with context %}

include:
  - fsx.config

{%- if fsx.policies_source %}
fsx-policies-tree:
  file.recurse:
    - name: {{ fsx.config_dir }}/policies
    - source: {{ fsx.policies_source }}
    - user: root
    - group: {{ fsx.group }}
    - dir_mode: '0750'
    - file_mode: '0640'
    # What the tree no longer has must not go on deciding calls.
    - clean: true
    - require:
      - file: fsx-config-dir
{%- endif %}
