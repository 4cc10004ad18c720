# A new release through a fleet, host after host, stopping at the first that is not well:
#
#     salt-run state.orchestrate orch.fsx_roll pillar='{"roll": {"version": "0.1.0", "hosts": ["fs1", "fs2"]}}'
#
# Going back is the same command with the former version.
{%- set roll = salt['pillar.get']('roll', {}) %}
{%- set version = roll.get('version', '') %}
{%- set hosts = roll.get('hosts', []) %}
{%- set pillar = {'fsx': {'version': version}} %}

{%- if not version or not hosts %}
fsx-roll-what:
  test.fail_without_changes:
    - name: 'say what to roll: pillar roll:version and roll:hosts'
    - failhard: true
{%- endif %}

{%- for host in hosts %}
{%- for step, sls in [
      ('drain', 'fsx.drain'),
      ('install', 'fsx.freeswitch'),
      ('restart', 'fsx.restart'),
      ('daemon', 'fsx'),
      ('undrain', 'fsx.undrain'),
    ] %}

fsx-roll-{{ host }}-{{ step }}:
  salt.state:
    - tgt: {{ host }}
    - sls: {{ sls }}
    - pillar: {{ pillar | json }}
    - failhard: true
    {%- if not loop.first %}
    - require:
      - salt: fsx-roll-{{ host }}-{{ loop.previtem[0] }}
    {%- endif %}
{%- endfor %}
{%- endfor %}
