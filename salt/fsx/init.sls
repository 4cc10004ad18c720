# A switch host's daemon: package, configuration, policies, service, and the gate.
include:
  - fsx.package
  - fsx.config
  - fsx.policies
  - fsx.service
  - fsx.ready
