"""Drives a FreeSWITCH whose dialplan asks fsxinetd, and tells as JSON what came of one call.

Usage: drive.py PORT PASSWORD. The protocol is greenswitch's, not ours.
"""

import json
import sys

import gevent
import greenswitch

LIMIT_S = 30


def main():
    port, password = int(sys.argv[1]), sys.argv[2]
    switch = greenswitch.InboundESL(host="127.0.0.1", port=port, password=password)
    switch.connect()
    uuid = switch.send("api create_uuid").data.strip()
    seen = {"applications": []}
    over = gevent.event.Event()

    def ours(event):
        # The leg that runs the dialplan is the far end of the one that was originated.
        return event.headers.get("variable_fsx_drive") == uuid and event.headers.get(
            "Caller-Channel-Name", event.headers.get("Channel-Name", "")
        ).endswith("-b")

    def executed(event):
        if not ours(event):
            return
        name, data = event.headers["Application"], event.headers.get("Application-Data", "")
        if name == "socket":
            return
        seen["applications"].append([name, data])
        if name == "play_and_get_digits":
            leg = event.headers["Unique-ID"]
            gevent.spawn(switch.send, "api uuid_recv_dtmf %s 42#" % leg)

    def ended(event):
        if not ours(event):
            return
        for name in ("department", "chosen"):
            seen[name] = event.headers.get("variable_" + name)
        seen["cause"] = event.headers["Hangup-Cause"]
        over.set()

    switch.register_handle("CHANNEL_EXECUTE", executed)
    switch.register_handle("CHANNEL_HANGUP_COMPLETE", ended)
    switch.send("events plain CHANNEL_EXECUTE CHANNEL_HANGUP_COMPLETE")
    originate = "bgapi originate {origination_uuid=%s,fsx_drive=%s,loopback_export=fsx_drive}"
    switch.send((originate % (uuid, uuid)) + "loopback/07700900123/dpOutbound/XML &park()")
    if not over.wait(LIMIT_S):
        sys.exit("the call did not end within %d s: %s" % (LIMIT_S, json.dumps(seen)))
    # Events come in order, but each handler runs when it may.
    gevent.sleep(0.2)
    print(json.dumps(seen))
    switch.stop()


main()
