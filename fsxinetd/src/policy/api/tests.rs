//! The functions as scripts call them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fsx_wire::esl::Action;

use super::super::tests::{MANIFEST, Rig, write};
use super::super::{Ended, Engine, Failure, Phase, Verdict};
use super::{Outside, catalogue, outside};
use crate::config::{self, Config};
use crate::db::{Access, Conn};
use crate::published::PublishedHandle;

/// Runs each line of `script` in the call phase as the platform's; a failed `assert` fails the test
/// with its line.
async fn holds(script: &str) {
    let ended = Rig::script(script).call().await;
    assert!(ended.is_ok(), "{script}\n{ended:?}");
}

#[tokio::test]
async fn every_name_of_the_catalogue_is_there_and_no_other() {
    let mut script = String::from(
        "local made = {
             ['freeswitch.API'] = freeswitch.API(),
             ['freeswitch.Event'] = freeswitch.Event('X'),
             ['freeswitch.JSON'] = freeswitch.JSON(),
             ['freeswitch.Dbh'] = freeswitch.Dbh('there'),
             session = session,
         }
         local named = {}
         local function function_at(path)
             local owner, method = path:match('^(.-):(.*)$')
             if owner then return made[owner][method] end
             local value = _G
             for part in path:gmatch('[^.]+') do value = value[part] end
             return value
         end\n",
    );
    for function in catalogue::functions() {
        let name = function.name;
        script.push_str(&format!(
            "assert(type(function_at('{name}')) == 'function', '{name}') named['{name}'] = true\n"
        ));
    }
    for refused in catalogue::refused() {
        let name = refused.name;
        if name.ends_with('*') {
            continue;
        }
        if name.contains(['.', ':']) {
            script.push_str(&format!(
                "do local ok, why = pcall(function_at, '{name}')
                 assert(not ok and tostring(why):find('{name} is not available here: ', 1, true), '{name}: ' .. tostring(why)) end\n"
            ));
        } else {
            script.push_str(&format!(
                "assert(rawget(_G, '{name}') == nil and _G.{name} == nil, '{name}')\n"
            ));
        }
    }
    // What is there and in no list: Luau's own tables are its manual's.
    script.push_str(
        "for _, place in ipairs{'fsx', 'freeswitch', 'fsx.number', 'fsx.time', 'fsx.kv', 'fsx.core',
                                'fsx.metric', 'fsx.json'} do
             local value = _G
             for part in place:gmatch('[^.]+') do value = value[part] end
             for name, what in pairs(value) do
                 local full = place .. '.' .. name
                 assert(type(what) ~= 'function' or named[full] or full:find('^fsx%.block$') or full:find('^fsx%.once$'),
                     full .. ' is not in the catalogue')
             end
         end",
    );
    let rig = with_databases(&[("default/x.lua", &script)], &[]).await;
    let ended = rig.run(Phase::Call, 0, "default").await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn the_wrong_phase_is_named_with_its_line() {
    for (phase, call, said) in [
        (
            Phase::Route,
            "session:streamFile('x')",
            "session:streamFile is for the call phase; this is the route phase",
        ),
        (
            Phase::Route,
            "freeswitch.API():execute('status')",
            "freeswitch.API:execute is for the call phase; this is the route phase",
        ),
        (
            Phase::Route,
            "session:hangupCause()",
            "session:hangupCause is for the call or hangup phase; this is the route phase",
        ),
        (
            Phase::Hangup,
            "fsx.route()",
            "fsx.route is for the route or call phase; this is the hangup phase",
        ),
        (
            Phase::Hangup,
            "session:answer()",
            "session:answer is for the call phase; this is the hangup phase",
        ),
        (
            Phase::Hangup,
            "fsx.sleep(1)",
            "fsx.sleep is for the route or call phase; this is the hangup phase",
        ),
    ] {
        let rig = Rig::new(&[
            (
                "default/manifest.toml",
                "version = \"1\"\n[route]\ndefault = \"x.lua\"\n[hangup]\ndefault = \"x.lua\"\n",
            ),
            ("default/x.lua", &format!("\n\n{call}")),
        ]);
        let fault = rig.fault(phase).await;
        assert_eq!(fault, format!("default/x.lua:3: {said}"));
    }
}

#[tokio::test]
async fn values_go_to_json_and_back() {
    holds(
        r#"local j = freeswitch.JSON()
        assert(j:encode({1, 2, 3}) == '[1,2,3]')
        assert(fsx.json.encode({a = 'x', b = true}) == '{"a":"x","b":true}')
        assert(fsx.json.encode({}) == '[]')
        j:encode_empty_table_as_object(true)
        assert(j:encode({}) == '{}')
        local t = j:decode('{"a":[1,2.5,"x",null,true],"b":{"c":null}}')
        assert(t.a[1] == 1 and t.a[2] == 2.5 and t.a[3] == 'x' and t.a[4] == nil and t.b.c == nil)
        assert(j:decode('{') == nil)
        local v, why = fsx.json.decode('{"n":null}')
        assert(v.n == fsx.json.null and fsx.json.encode(v) == '{"n":null}')
        local v, why = fsx.json.decode('nonsense')
        assert(v == nil and why:find('no JSON'), why)
        -- Past 2^53 a number would not be the one meant, so it stays text.
        assert(fsx.json.decode('{"id":12345678901234567}').id == '12345678901234567')
        for _, bad in ipairs{print, function() end, {[{}] = 1}, 0/0} do
            assert(not pcall(fsx.json.encode, bad))
        end
        local loop = {} loop.loop = loop
        assert(not pcall(fsx.json.encode, loop))
        -- A small table can be a large document.
        local long, many = string.rep('x', 100000), {}
        for n = 1, 1000 do many[n] = long end
        assert(not pcall(fsx.json.encode, many))
        assert(fsx.json.decode(string.rep('[', 10000)) == nil)"#,
    )
    .await;
}

#[tokio::test]
async fn clocks_calendars_bits_and_both_unpacks() {
    holds(
        "assert(math.abs(os.time() - fsx.time.now().epoch) < 2)
         local t = os.date('*t', 86400 * 365)
         assert(os.time(t) == 86400 * 365 and t.year == 1971)
         assert(os.date('!%Y-%m-%d %H:%M:%S', 0) == '1970-01-01 00:00:00')
         assert(os.date('!%c', 0) == 'Thu Jan  1 00:00:00 1970' and os.date('!%x %X', 0) == '01/01/70 00:00:00')
         assert(os.date('!*t', 0).wday == 5 and os.date('!*t', 0).yday == 1)
         assert(os.time{year = 2026, month = 14, day = 1, hour = 0} == os.time{year = 2027, month = 2, day = 1, hour = 0})
         assert(os.clock() <= os.clock() and os.difftime(5, 3) == 2)
         assert(not pcall(os.time, {year = 2026}))
         assert(bit.band(0xff, 0x0f) == 15 and bit.bnot(0) == -1 and bit.tobit(0xffffffff) == -1)
         assert(bit.lshift(1, 31) == -2147483648 and bit.rshift(-1, 28) == 15 and bit.arshift(-8, 1) == -4)
         assert(bit.tohex(255) == '000000ff' and bit.tohex(255, -2) == 'FF' and bit.bswap(0x12345678) == 0x78563412)
         assert(bit32.band(6, 3) == 2 and bit.bxor(1, 2, 4) == 7 and bit.rol(1, 33) == 2)
         assert(select('#', unpack{1, 2, 3}) == 3 and select('#', table.unpack{1, 2}) == 2)
         local t = fsx.time.at(1782000000.5, 'America/New_York')
         assert(t.iso == '2026-06-20T20:00:00-04:00' and t.dst and t.weekday == 'sat', t.iso .. t.weekday)
         assert(fsx.time.parse('2026-12-24 18:30', 'Europe/Paris') == fsx.time.parse('2026-12-24T17:30:00Z'))
         assert(fsx.time.parse('soon') == nil)
         local shop = {zone = 'Europe/London', hours = {{days = 'mon-fri', from = '09:00', to = '17:30'}},
             holidays = {{date = '12-25', name = 'Christmas'}}}
         local open, why = fsx.time.open(shop, fsx.time.parse('2026-12-25 12:00', 'Europe/London'))
         assert(not open and why == 'holiday: Christmas', why)
         local at, open = fsx.time.next_change(shop, fsx.time.parse('2026-11-20 18:00', 'Europe/London'))
         assert(open and fsx.time.at(at, 'Europe/London').iso == '2026-11-23T09:00:00+00:00')
         for _, bad in ipairs{{zone = 'Mars/Base'}, {hours = {{days = 'xyz'}}}, {hours = {{from = '25:00'}}},
                              {hours = 3}, {holiday = {}}, {holidays = {'2026-13-01'}}, {special = {{}}}} do
             assert(not pcall(fsx.time.open, bad))
         end",
    )
    .await;
}

#[tokio::test]
async fn numbers_by_the_plan() {
    holds(
        "local n = fsx.number.parse('020 7946 0000', 'GB')
         assert(n.e164 == '+442079460000' and n.country == 'GB' and n.type == 'fixed' and n.valid and n.code == 44)
         assert(fsx.number.normalise('07400 123456', 'gb') == '+447400123456')
         assert(fsx.number.type('0800800001', 'GB') == 'toll_free' and fsx.number.country('+12025550123') == 'US')
         assert(fsx.number.format('+442079460000', 'international') == '+44 20 7946 0000')
         assert(fsx.number.is_emergency('999', 'GB') and not fsx.number.is_emergency('998', 'GB'))
         local n, why = fsx.number.normalise('sip:alice', 'GB')
         assert(n == nil and why:find('no number'), why)
         assert(not pcall(fsx.number.parse, '1', 'Atlantis') and not pcall(fsx.number.parse, {}))",
    )
    .await;
}

#[tokio::test]
async fn what_dialplan_scripts_are_given() {
    let rig = Rig::script(
        "assert(argv[0] == 'x.lua' and call.phase == 'call')
         assert(params:getHeader('Caller-Destination-Number') == '07700900123')
         assert(params:getHeader('variable_caller_id_name') == 'Åsa' and params:getHeader('none') == nil)
         local e = freeswitch.Event('CUSTOM', 'a::b')
         e:addHeader('Name', 'x y') e:addBody('hello')
         local text = e:serialize()
         assert(text:find('Name: x%20y', 1, true) and text:find('Content%-Length: 5\\n\\nhello$'), text)
         local again = freeswitch.Event('json', e:serialize('json'))
         assert(again:getHeader('Name') == 'x y' and again:getBody() == 'hello' and again:getType() == 'CUSTOM')
         assert(e:serialize('xml'):find('<Name>x y</Name>', 1, true) and e:setPriority('HIGH'))
         assert(again:merge(e) and again:delHeader('Name') and again:getHeader('name') == nil)
         ACTIONS = {{'answer'}, {'bridge', 'user/1001'}, 'hangup'}",
    );
    let outcome = rig.call().await.expect("fine");
    let expected = [("answer", ""), ("bridge", "user/1001"), ("hangup", "")];
    assert_eq!(outcome.actions, expected.map(|(app, data)| Action::new(app, data)));
}

#[tokio::test]
async fn files_of_the_bundle_and_shipped_parts() {
    let rig = Rig::new(&[
        ("default/manifest.toml", MANIFEST),
        (
            "default/x.lua",
            "local part = require('lib.part')
             assert(require('lib/part') == part and require('lib/part.lua') == part and part.runs == 1)
             assert(dofile('lib/part.lua').runs == 2)
             -- What a file does at its top may wait.
             assert(require('waits') == true)
             for _, name in ipairs{'switchboard', 'hunt', 'time_switch'} do
                 assert(require('fsx.parts.' .. name) == require('fsx.parts.' .. name), name)
             end",
        ),
        ("default/lib/part.lua", "runs = (runs or 0) + 1 return {runs = runs}"),
        ("default/waits.lua", "fsx.sleep(1)"),
        // A bundle cannot put its own file in a part's place.
        ("default/fsx/parts/hunt.lua", "error('not this one')"),
    ]);
    let ended = rig.call().await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn what_waits_is_refused_in_a_coroutine_and_nothing_else_is() {
    holds(
        "local ok, why = coroutine.resume(coroutine.create(function() fsx.sleep(1) end))
         assert(not ok and tostring(why):find('a coroutine of the script cannot'), tostring(why))
         local co = coroutine.wrap(function() fsx.kv.set('a', 1) coroutine.yield(fsx.kv.get('a')) end)
         assert(co() == 1)
         assert(pcall(fsx.sleep, 1))",
    )
    .await;
}

/// A rig whose world has an SQLite database under `there` (anybody's to read), `mine` (37's to write)
/// and `ours` (the platform's to write).
async fn with_databases(files: &[(&str, &str)], organisations: &[u32]) -> Rig {
    let mut all = vec![("default/manifest.toml", MANIFEST)];
    all.extend_from_slice(files);
    let rig = Rig::with(&all, |_| {});
    let mut config = Config { policy: rig.config.clone(), ..Config::default() };
    for (alias, read_only, organisations) in
        [("there", true, &[12, 37][..]), ("mine", false, &[37]), ("ours", false, organisations)]
    {
        let path = rig.dir.path().join(format!("{alias}.sqlite"));
        let url = format!("sqlite:{}", path.display());
        let address = url.parse().expect("an address");
        let mut conn =
            Conn::open(&address, Access::Create, Duration::from_secs(30)).await.expect("made");
        conn.execute(
            "make",
            "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL)",
        )
        .await
        .expect("made");
        conn.close().await;
        let organisations = organisations.to_vec();
        config.databases.insert(
            alias.to_owned(),
            config::Database { url, read_only, organisations, ..config::Database::default() },
        );
    }
    let world = Outside::new(&config, PublishedHandle::new()).expect("a world");
    let engine = Engine::start_in(&config.policy, Arc::new(world)).expect("threads");
    Rig { engine, ..rig }
}

#[tokio::test]
async fn databases_by_their_aliases() {
    let script = r#"
        local dbh = freeswitch.Dbh('there')
        assert(dbh:connected())
        local rows = {}
        assert(dbh:query('SELECT a, b FROM t ORDER BY a', function(row) rows[#rows + 1] = row.a .. row.b end))
        assert(#rows == 2 and rows[1] == '1x' and rows[2] == '2', table.concat(rows, ','))
        local seen = 0
        dbh:query('SELECT a FROM t', function() seen = seen + 1 return 1 end)
        assert(seen == 1)
        local ok, all, why = dbh:query_rows('SELECT a, b FROM t ORDER BY a')
        assert(ok and #all == 2 and all[2].b == nil and all[1].b == 'x')
        assert(dbh:first_value('SELECT count(*) FROM t') == '2')
        assert(dbh:first_row('SELECT a FROM t WHERE a = 9') == nil)
        -- A row's function may wait, and ask again.
        local nested = {}
        dbh:query('SELECT a FROM t ORDER BY a', function(row)
            fsx.sleep(1)
            nested[#nested + 1] = dbh:first_value('SELECT a + 10 FROM t WHERE a = ' .. dbh:quote(row.a))
        end)
        assert(table.concat(nested, ',') == '11,12', table.concat(nested, ','))
        assert(dbh:quote("it's") == "'it''s'" and dbh:quote(nil) == 'NULL' and dbh:quote(5) == '5')
        for _, sql in ipairs{"DELETE FROM t", "ATTACH DATABASE '/tmp/x' AS y", "SELECT 1; DELETE FROM t",
                             "PRAGMA query_only = 0", "SELECT nonsense", "WITH x AS (SELECT 1) DELETE FROM t",
                             "SELECT load_extension('x')", ""} do
            assert(dbh:query(sql) == false and dbh:last_error(), sql)
            dbh:clear_error()
            assert(dbh:last_error() == nil)
        end
        assert(dbh:first_value('SELECT count(*) FROM t') == '2')
        dbh:release()
        assert(not dbh:connected() and dbh:query('SELECT 1') == false)
        for _, dsn in ipairs{'none', 'sqlite:///etc/passwd', 'pgsql://x', ''} do
            local ok, why = pcall(freeswitch.Dbh, dsn)
            assert(not ok, dsn)
        end
        local ours = freeswitch.Dbh('odbc://ours:user:password')
        assert(ours:query("UPDATE t SET b = 'y' WHERE a = 2") and ours:affected_rows() == 1)
        assert(ours:first_value('SELECT b FROM t WHERE a = 2') == 'y')
        -- A thousand rows of ten are too many.
        local ok, why = ours:query_rows('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n')
        assert(not ok and ours:last_error():find('more than 10000 rows'), ours:last_error())"#;
    let rig = with_databases(&[("default/x.lua", script)], &[]).await;
    let ended = rig.run(Phase::Call, 0, "default").await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn a_statement_without_end_is_stopped() {
    let script = "local dbh = freeswitch.Dbh('there')
        local began = os.clock()
        assert(dbh:first_value('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n') == nil)
        assert(os.clock() - began < 7)";
    let rig = with_databases(&[("default/x.lua", script)], &[]).await;
    let ended = rig.run(Phase::Call, 0, "default").await;
    assert!(ended.is_ok(), "{ended:?}");
    // Nothing goes on computing: the database's own thread has been stopped too.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = processor_time();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let used = processor_time() - before;
    assert!(used < Duration::from_millis(250), "{used:?} in half a second of rest");
}

/// What this process has computed. Under nextest it runs one test.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// One script for both organisations: it leaves what it can for the other to find.
#[tokio::test]
async fn organisations_share_nothing() {
    let script = "function decide(call)
            assert(fsx.kv.get('secret') == nil and #fsx.kv.keys() == 0 and global == nil and string.mine == nil)
            fsx.kv.set('secret', call.org)
            global = call.org
            pcall(function() string.mine = 1 end)
            local ok = pcall(freeswitch.Dbh, 'mine')
            assert(ok == (call.org == 37), 'mine')
            assert(not pcall(freeswitch.Dbh, 'ours'), 'ours')
            local there = freeswitch.Dbh('there')
            assert(not there:query('DELETE FROM t'))
            local ok, why = pcall(fsx.route, {org = 12 + 37 - call.org})
            assert(not ok)
            assert(not pcall(require, '../12/x') and not pcall(require, '12.x') and not pcall(function() return io.open('/etc/passwd') end))
        end";
    let rig = with_databases(
        &[
            ("12/manifest.toml", MANIFEST),
            ("12/x.lua", script),
            ("37/manifest.toml", MANIFEST),
            ("37/x.lua", script),
            ("default/x.lua", "function decide() assert(fsx.kv.get('secret') == nil) end"),
        ],
        &[],
    )
    .await;
    for org in [12, 37, 5] {
        let ended = rig.run(Phase::Route, org, "").await;
        assert!(ended.is_ok(), "{org}: {ended:?}");
    }
    // The second time each finds its own, and only that.
    for org in [12, 37] {
        let failure = rig.run(Phase::Route, org, "").await.expect_err("its own").to_string();
        assert!(failure.contains("assertion failed"), "{failure}");
    }
}

/// Scripts of an organisation in a call, and what stops them.
const ATTACKS: &[&str] = &[
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "string.find(string.rep('a', 100), string.rep('.-', 15) .. 'b')",
    "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
    "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    "while true do coroutine.wrap(function() coroutine.yield() end)() end",
    "setmetatable(_G, {__index = function() while true do end end}) return nothing.x",
    "local t = setmetatable({}, {__newindex = function(t, k, v) t[k] = v end}) t.x = 1",
    "while true do pcall(session.getVariable, session, 'x') end",
    "while true do fsx.kv.set(tostring(math.random()), string.rep('x', 60000)) end",
    "while true do fsx.json.decode(string.rep('[0],', 200000)) end",
    "local s = string.rep('1', 64) while true do fsx.number.parse(s, 'GB') end",
    "local h = {} for n = 1, 200 do h[n] = {days = '*', from = '10:00', to = '09:59'} end
     while true do fsx.time.next_change({zone = 'Europe/London', hours = h}) end",
    "while true do fsx.metric.count('n' .. math.random(1, 9999999)) end",
    "while true do fsx.log(string.rep('x', 100000)) end",
    "while true do freeswitch.Event('X'):serialize('xml') end",
    "local all = {} while true do
         local e = freeswitch.Event('X') e:addBody(string.rep('x', 16000)) all[#all + 1] = e
     end",
    "while true do os.date(string.rep('%c', 250)) end",
    "local h = {} for n = 1, 200 do h[n] = {days = '*', from = '00:00', to = '24:00'} end
     while true do fsx.time.next_change({zone = 'Europe/London', hours = h}) end",
    "local function f() return pcall(f) end while true do f() end",
    "table.sort({3, 2, 1, 5, 4}, function() while true do end end)",
    "session:setHangupHook(function() while true do end end) while true do end",
    "for i = 1, 1e9 do session:setVariable('my_' .. i, 'x') end",
    "local s = ('a'):rep(2e6) while true do s:find(('a'):rep(1e6) .. 'b', 1, true) end",
    "local s = ('a'):rep(2e6) while true do string.split(s, ('a'):rep(1e6) .. 'b') end",
    "local s = ('z'):rep(2^19) s:match('[' .. ('a'):rep(2^19) .. 'z]*$')",
    "local s = ('z'):rep(2^19) s:gsub('[' .. ('a'):rep(2^19) .. 'z]*$', '')",
    "local s = ('z'):rep(2^19) s:gmatch('[' .. ('a'):rep(2^19) .. 'z]*$')()",
    "local s = ('z'):rep(2^19) s:find('[' .. ('a'):rep(2^19) .. 'z]*$')",
    "local s = ('z'):rep(2^20) while true do s:match('[abcdefghijklmnopz]*$') end",
    "local s = ('z'):rep(2^20) s:match(('z*'):rep(15) .. 'b')",
    "local a, b = ('x'):rep(2^20) .. 'a', ('x'):rep(2^20) .. 'b'
     local t = {} for n = 1, 30000 do t[n] = (n * 7919 % 13 < 6) and a or b end table.sort(t)",
    "local a, b = ('x'):rep(2^20) .. 'a', ('x'):rep(2^20) .. 'b'
     local t = {} for n = 1, 30000 do t[n] = (n * 7919 % 13 < 6) and a or b end
     table.sort(setmetatable(t, {__len = function() return 0 end}))",
];

#[tokio::test]
async fn an_organisations_call_cannot_harm_anothers() {
    for attack in ATTACKS {
        let files = [
            ("37/manifest.toml", MANIFEST.to_owned()),
            ("37/x.lua", attack.to_string()),
            ("5/manifest.toml", MANIFEST.to_owned()),
            (
                "5/x.lua",
                "for n = 1, 20 do fsx.sleep(1) end
                 assert(('x'):upper() == 'X' and fsx.kv.get('n') == nil) session:answer()"
                    .to_owned(),
            ),
        ];
        let files: Vec<_> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let rig = Rig::with(&files, |config| {
            (config.threads, config.memory_mib) = (1, 8);
            (config.call_budget_ms, config.cpu_budget_ms) = (20_000, 300);
        });
        let began = Instant::now();
        let (attacked, other) =
            tokio::join!(rig.run(Phase::Call, 37, "default"), rig.run(Phase::Call, 5, "default"));
        let took = began.elapsed();
        let failure = attacked.expect_err(attack);
        let stopped = matches!(failure, Failure::Budget { .. } | Failure::Memory { .. })
            || [
                "stack overflow",
                "more than",
                "no room",
                "readonly",
                "C stack",
                "for the call phase",
                "needs the switch",
            ]
            .iter()
            .any(|why| failure.to_string().contains(why));
        assert!(stopped, "{attack}: {failure}");
        let other = other.unwrap_or_else(|e| panic!("{attack}: the other call: {e}"));
        assert_eq!(other.actions, [Action::new("answer", "")], "{attack}");
        assert!(took < Duration::from_secs(15), "{attack}: {took:?}");
        assert!(rig.engine.is_alive(), "{attack}");
    }
}

#[tokio::test]
async fn the_hangup_phase_is_of_the_version_that_the_call_began_with() {
    let files = |version: u32| {
        let manifest = format!(
            "version = \"{version}\"\n[route]\ndefault = \"x.lua:decide\"\n[hangup]\ndefault = \"x.lua:after\"\n"
        );
        let script = format!(
            "function after(call) assert(call.ended.cause == 'USER_BUSY') fsx.kv.set('v', {version}) end
             function decide() return {{reject = fsx.kv.get('v')}} end"
        );
        [("default/manifest.toml", manifest), ("default/x.lua", script)]
    };
    let old = files(1);
    let old: Vec<_> = old.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let rig = Rig::new(&old);
    let hangup = rig.engine.hangup(&Arc::default()).expect("a hangup phase");
    let new = files(2);
    let new: Vec<_> = new.iter().map(|(name, text)| (*name, text.as_str())).collect();
    write(rig.dir.path(), &new);
    rig.engine.reload(&rig.config);
    let ended = Ended { cause: "USER_BUSY".to_owned(), ..Ended::default() };
    hangup.run(ended, None).await;
    let verdict = rig.route().await.expect("fine").verdict;
    assert!(matches!(verdict, Verdict::Reject { cause: 1, .. }), "{verdict:?}");
}

#[tokio::test]
async fn bytecode_is_never_loaded() {
    let code = mlua::chunk::Compiler::new().compile("return 1").expect("compiled");
    let rig = Rig::script("session:answer()");
    std::fs::write(rig.dir.path().join("default/x.lua"), &code).expect("written");
    rig.engine.reload(&rig.config);
    // The bundle with it is refused, and the one before stays in force.
    assert_eq!(rig.call().await.expect("the old one").actions.len(), 1);
    holds(
        "for _, name in ipairs{'loadstring', 'load', 'loadfile'} do assert(_G[name] == nil, name) end
         assert(string.dump == nil)",
    )
    .await;
}

#[test]
fn a_part_of_the_world_that_is_wrong_names_its_key() {
    let core = |change: fn(&mut config::Core)| {
        let mut core =
            config::Core { url: "http://127.0.0.1:1".to_owned(), ..config::Core::default() };
        change(&mut core);
        Config { core, ..Config::default() }
    };
    for (config, key) in [
        (core(|core| core.url = "no address".to_owned()), "url in [core]"),
        (core(|core| core.api_key = "a\nb".to_owned()), "api_key in [core]"),
        (
            core(|core| drop(core.organisation_keys.insert("x".to_owned(), "k".to_owned()))),
            "organisation_keys in [core]",
        ),
    ] {
        let fault = outside::Outside::new(&config, PublishedHandle::new()).expect_err("refused");
        assert!(fault.starts_with(key), "{fault}");
    }
}

#[tokio::test]
async fn flags_are_kept_in_debug_for_one_run() {
    let rig = Rig::script(
        "assert(debug.sql == nil and debug['info'] == nil)
         debug['sql'] = true debug.info = 'all' debug.sql = not debug.sql
         assert(debug.sql == false and debug.info == 'all' and rawget(debug, 'info') == nil)
         for _, name in ipairs { 'getinfo', 'traceback', 'sethook', 'getregistry' } do
             local ok, why = pcall(function() return debug[name] end)
             assert(not ok and tostring(why):find('debug.' .. name .. ' is not available here', 1, true))
         end
         assert(not pcall(setmetatable, debug, {}) and getmetatable(debug) == false)
         debug.getinfo = 1
         assert(debug.getinfo == 1)",
    );
    for _ in 0..2 {
        rig.call().await.expect("fine");
    }
}

/// Runs of one organisation share a machine: one that fills it must not bring the daemon down when
/// the other is looked at in the midst of something.
#[tokio::test]
async fn attacks_that_share_a_machine() {
    const BOMBS: &str = "
        local bombs = {
            function() while true do end end,
            function() local kept = {} while true do kept[#kept + 1] = string.rep('x', 1e5) .. #kept end end,
            function()
                local kept = {}
                while true do
                    kept[#kept + 1] = coroutine.create(function() while true do coroutine.yield() end end)
                    coroutine.resume(kept[#kept])
                end
            end,
            function() while true do pcall(error, 'on and on') end end,
            function() local function deep(n) return 1 + deep(n + 1) end while true do pcall(deep, 1) end end,
            function()
                local function wide(n, ...) if n > 0 then return wide(n - 1, n, ...) end return select('#', ...) end
                while true do pcall(wide, 200) end
            end,
            function() while true do local co = coroutine.wrap(function() local t = {} for i = 1, 1e4 do t[i] = {} end coroutine.yield(t) end) co() end end,
        }
        fsx.sleep(5)
        bombs[tonumber(argv[1])]()";
    let files = [
        ("37/manifest.toml", MANIFEST),
        ("37/x.lua", BOMBS),
        ("5/manifest.toml", MANIFEST),
        ("5/x.lua", "for n = 1, 20 do fsx.sleep(1) end session:answer()"),
    ];
    let rig = Rig::with(&files, |config| {
        (config.threads, config.memory_mib) = (1, 8);
        (config.call_budget_ms, config.cpu_budget_ms) = (10_000, 200);
    });
    let supervisor = tokio::spawn({
        let engine = rig.engine.clone();
        async move { engine.supervise().await }
    });
    for _ in 0..3 {
        let attacks = (1..=7).cycle().take(21).map(|n: u32| {
            let call = super::super::Call {
                facts: fsx_wire::message::WireFacts { org: 37, ..Default::default() },
                task: "default".to_owned(),
                arguments: vec![n.to_string()],
                ..Default::default()
            };
            rig.engine.run(Phase::Call, Arc::new(call), Duration::from_secs(9))
        });
        for ended in futures_util::future::join_all(attacks).await {
            ended.expect_err("an attack came to its end");
        }
        let other = rig.run(Phase::Call, 5, "default").await.expect("the other's call");
        assert_eq!(other.actions, [Action::new("answer", "")]);
    }
    supervisor.abort();
}
