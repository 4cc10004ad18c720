{%- from 'fsx/map.jinja' import fsx with context %}

include:
  - fsx.config
  - fsx.service

# It requires the file itself: a follower of a failed state calls itself clean.
fsx-ready:
  http.query:
    - name: http://127.0.0.1:{{ fsx.http_port }}/readyz
    - status: 200
    - retry:
        attempts: {{ fsx.ready_timeout_s }}
        interval: 1
        until: true
    - failhard: true
    - require:
      - file: fsx-config-file
      - sls: fsx.service
