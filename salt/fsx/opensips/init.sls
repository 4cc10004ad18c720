{%- from 'fsx/map.jinja' import fsx with context %}
{%- set os = fsx.opensips %}

include:
  - fsx.package

fsx-opensips-package:
  pkg.installed:
    - name: {{ os.package }}
    {%- if fsx.version %}
    - version: '{{ fsx.version }}'
    {%- endif %}
    - require:
      - pkg: fsx-package-installed

fsx-opensips-group:
  group.present:
    - name: {{ fsx.group }}
    - system: true
    - addusers:
      - {{ os.user }}
    - require:
      - pkg: fsx-opensips-package

# The routing script is the site's own; it takes this file in with import_file("fsx.cfg").
fsx-opensips-config:
  file.managed:
    - name: {{ os.config_dir }}/fsx.cfg
    - source: salt://fsx/files/opensips-fsx.cfg.jinja
    - template: jinja
    - mode: '0644'
    - require:
      - pkg: fsx-opensips-package
