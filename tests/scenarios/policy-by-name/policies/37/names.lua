-- The engine's own routes, the dearest first.
function turn(call)
  local plan = fsx.route{}
  local turned = {}
  for n = #plan.routes, 1, -1 do
    table.insert(turned, plan.routes[n])
  end
  return {routes = turned}
end

function refuse(call)
  return {reject = 21, reason = "no credit"}
end
