-- The route phase: a module has a plan already and asks whether anything better is known.
--
-- `call` holds the facts: number (as dialled), caller, org, country, data_centre, at, id, vars,
-- task.
-- The answer is one of
--   "keep"                                     the plan stands;
--   fsx.route{...}, or {routes = {...}}        these routes instead, in this order;
--   {reject = cause, reason = "why"}           no, with a Q.850 cause.

function decide(call)
    return "keep"
end
