-- luacheck policies/
std = "lua51"
read_globals = { "fsx", "freeswitch", "session", "call", "argv", "bit32" }
unused_args = false
max_line_length = 100
-- Tasks are global functions that the manifest names (111: set, 131: not used in the file).
ignore = { "111", "131" }
