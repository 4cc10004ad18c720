function decide(session, call)
  session:setVariable("rmDecidedBy", "outbound policy")
  local plan = fsx.route{}
  if plan == nil or plan.decision ~= "route" then
    return {reject = plan and plan.cause or 41, reason = "no plan"}
  end
  return {routes = plan.routes}
end
