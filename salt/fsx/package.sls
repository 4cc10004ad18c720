{%- from 'fsx/map.jinja' import fsx with context %}

fsx-package-installed:
  pkg.installed:
    - name: {{ fsx.package }}
    {%- if fsx.version %}
    - version: '{{ fsx.version }}'
    {%- endif %}
