-- Far past the switch's patience; and if anybody still listened, they would hear no.
function decide(call)
  fsx.sleep(1500)
  return {reject = 21, reason = "too late to matter"}
end
