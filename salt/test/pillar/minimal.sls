# Nothing but defaults, as in a container without systemd.
fsx:
  manage_service: false
