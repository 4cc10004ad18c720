{%- from 'fsx/map.jinja' import fsx with context %}

include:
  - fsx.package
  - fsx.config
  - fsx.policies

{%- if fsx.manage_service %}
fsx-service-running:
  service.running:
    - name: {{ fsx.service }}
    - enable: true
    # Calls do not notice a restart: the modules route on, and their records wait in the spool.
    - watch:
      - pkg: fsx-package-installed
      - file: fsx-config-file
      {%- if fsx.policies_source %}
      - file: fsx-policies-tree
      {%- endif %}
{%- else %}
fsx-service-running:
  test.nop:
    - name: fsx.manage_service is false
{%- endif %}
