-- luacheck policies/
std = "lua51"
read_globals = { "fsx", "freeswitch", "session", "call", "argv", "bit32" }
-- Tasks are global functions; the manifest names them.
allow_defined_top = true
unused_args = false
max_line_length = 100
