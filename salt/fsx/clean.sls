{%- from 'fsx/map.jinja' import fsx with context %}

# The routing file, the database and the call records stay: they are the owner's.
{%- if fsx.manage_service %}
fsx-clean-service:
  service.dead:
    - name: {{ fsx.service }}
    - enable: false
    - require_in:
      - pkg: fsx-clean-package
{%- endif %}

fsx-clean-package:
  pkg.removed:
    - name: {{ fsx.package }}

fsx-clean-config:
  file.absent:
    - name: {{ fsx.config_dir }}/fsxinetd.toml
    - require:
      - pkg: fsx-clean-package
