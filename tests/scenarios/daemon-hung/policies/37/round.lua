-- The engine's own routes, the dearest first.
function decide(call)
  local plan = fsx.route{}
  local turned = {}
  for n = #plan.routes, 1, -1 do
    table.insert(turned, plan.routes[n])
  end
  return {routes = turned}
end
