//! Health, calls and spend, within one process; and what full tables answer.

use fsx_core::{Nano, data::LiveView};
use fsx_live::{
    GatewayLoad, HealthRow, LiveSpec, LiveTable, MAX_DATA_CENTRES, MAX_OWNERS, OwnerId,
};

const AT: i64 = 1_768_903_200;

fn table(gateways: u32, organisations: u32) -> (tempfile::TempDir, LiveTable) {
    let dir = tempfile::tempdir().expect("tempdir");
    let spec = LiveSpec { gateways, organisations, mode: 0o600 };
    let table = LiveTable::create(dir.path().join("live"), &spec).expect("makes");
    (dir, table)
}

#[test]
fn no_word_is_healthy() {
    let (_dir, live) = table(16, 16);
    assert!(live.healthy(1, "LON1"));
    assert!(live.healthy(0, ""));
    assert!(live.healthy(u32::MAX, &"x".repeat(500)));
    assert_eq!(live.overflow(), 0, "asking changes nothing");
}

#[test]
fn health_is_per_gateway_and_data_centre() {
    let (_dir, live) = table(16, 16);
    assert!(live.set_healthy(3001, "LON1", false));
    assert!(live.set_healthy(3001, "LON2", true));
    assert!(live.set_healthy(0, "LON2", false));
    assert!(live.set_healthy(u32::MAX, "LON2", false));
    for (gateway, centre, want) in [
        (3001, "LON1", false),
        (3001, "LON2", true),
        (3001, "LON", true),
        (3001, "LON10", true),
        (3001, "lon1", true),
        (3001, "", true),
        (3002, "LON1", true),
        (0, "LON2", false),
        (u32::MAX, "LON2", false),
    ] {
        assert_eq!(live.healthy(gateway, centre), want, "{gateway} {centre}");
    }
    let row = |gateway_id, data_centre: &str, healthy| HealthRow {
        gateway_id,
        data_centre: data_centre.to_owned(),
        healthy,
    };
    assert_eq!(
        live.health(),
        [
            row(0, "LON2", false),
            row(3001, "LON1", false),
            row(3001, "LON2", true),
            row(u32::MAX, "LON2", false)
        ]
    );
    assert!(live.set_healthy(3001, "LON1", true));
    assert!(live.healthy(3001, "LON1"));
    live.forget_health(0, "LON2");
    assert!(live.healthy(0, "LON2"));
    assert_eq!(live.health().len(), 3);
}

#[test]
fn names_of_data_centres_that_cannot_be() {
    let (_dir, live) = table(16, 16);
    for name in ["", "a\0b", &"é".repeat(33)] {
        assert!(!live.set_healthy(1, name, false), "{name:?}");
        assert!(live.healthy(1, name));
    }
    assert_eq!(live.overflow(), 3);
    let longest = "é".repeat(32);
    assert!(live.set_healthy(1, &longest, false));
    assert!(!live.healthy(1, &longest));
    assert_eq!(live.health()[0].data_centre, longest);
}

#[test]
fn too_many_data_centres() {
    let (_dir, live) = table(16, 16);
    for n in 0..MAX_DATA_CENTRES {
        assert!(live.set_healthy(1, &format!("DC{n}"), false));
    }
    assert!(!live.set_healthy(1, "one more", false));
    assert!(live.healthy(1, "one more"));
    assert!(!live.healthy(1, "DC63"));
    assert_eq!((live.overflow(), live.stats().data_centres), (1, 64));
    assert!(live.set_healthy(1, "DC63", true), "known names go on working");
}

#[test]
fn calls_come_and_go() {
    let (_dir, live) = table(16, 16);
    let me = live.register_owner();
    assert!(!me.is_none());
    assert_eq!(live.calls_in_progress(5), 0);
    for n in 1..=3 {
        assert!(live.begin_call(me, 5, AT));
        assert_eq!(live.calls_in_progress(5), n);
    }
    assert_eq!(live.calls_in_progress(6), 0);
    for want in [2, 1, 0, 0, 0] {
        live.end_call(me, 5);
        assert_eq!(live.calls_in_progress(5), want, "never below zero");
    }
    live.end_call(me, 999);
    assert_eq!(live.load(), [GatewayLoad { gateway_id: 5, calls_in_progress: 0, calls_begun: 3 }]);
    assert_eq!(live.overflow(), 0);
}

#[test]
fn calls_of_each_owner_are_its_own() {
    let (_dir, live) = table(16, 16);
    let (a, b) = (live.register_owner(), live.register_owner());
    assert_ne!(a, b);
    assert!(live.begin_call(a, 5, AT) && live.begin_call(a, 5, AT) && live.begin_call(b, 5, AT));
    assert_eq!(live.calls_in_progress(5), 3);
    live.end_call(b, 5);
    live.end_call(b, 5); // Nothing of a's.
    assert_eq!(live.calls_in_progress(5), 2);
    live.release_owner(a);
    assert_eq!(live.calls_in_progress(5), 0);
    live.end_call(a, 5);
    assert!(!live.begin_call(a, 5, AT), "given up");
    // The slot is used again, and the cells of its former owner stay dead.
    let c = live.register_owner();
    assert_eq!(live.calls_in_progress(5), 0);
    assert!(live.begin_call(c, 5, AT));
    live.end_call(a, 5);
    live.release_owner(a);
    assert_eq!(live.calls_in_progress(5), 1, "an old id means nothing");
    assert_eq!(live.owners().len(), 2);
    assert!(live.owners().iter().all(|o| o.alive && o.pid == std::process::id()));
}

#[test]
fn nobody_is_uncounted() {
    let (_dir, live) = table(16, 16);
    assert!(!live.begin_call(OwnerId::NONE, 5, AT));
    live.end_call(OwnerId::NONE, 5);
    live.release_owner(OwnerId::NONE);
    assert_eq!((live.calls_in_progress(5), live.overflow()), (0, 1));
    assert_eq!(live.calls_this_second(5, AT), 1, "the second counts it all the same");
}

#[test]
fn too_many_owners() {
    let (_dir, live) = table(16, 16);
    let ids: Vec<_> = (0..MAX_OWNERS).map(|_| live.register_owner()).collect();
    assert!(ids.iter().all(|id| !id.is_none()));
    assert!(live.register_owner().is_none());
    assert_eq!(live.overflow(), 1);
    assert!(live.begin_call(ids[MAX_OWNERS - 1], 5, AT));
    assert_eq!(live.calls_in_progress(5), 1);
    live.release_owner(ids[60]);
    assert!(!live.register_owner().is_none());
}

#[test]
fn calls_this_second() {
    let (_dir, live) = table(16, 16);
    let me = live.register_owner();
    let begin = |at| assert!(live.begin_call(me, 5, at));
    assert_eq!(live.calls_this_second(5, AT), 0);
    begin(AT);
    begin(AT);
    assert_eq!(live.calls_this_second(5, AT), 2);
    assert_eq!(live.calls_this_second(5, AT + 1), 0);
    begin(AT + 1);
    assert_eq!(live.calls_this_second(5, AT + 1), 1);
    begin(AT); // A process that is late does not undo the newer second.
    assert_eq!(live.calls_this_second(5, AT + 1), 1);
    begin(AT - 3600); // The clock was set back: it does not count for an hour in vain.
    assert_eq!(live.calls_this_second(5, AT - 3600), 1);
    for at in [i64::MIN, -1, i64::MAX] {
        begin(at);
        let _ = live.calls_this_second(5, at);
    }
}

#[test]
fn a_full_gateway_table_leaves_gateways_healthy_and_uncounted() {
    let (_dir, live) = table(16, 16);
    let me = live.register_owner();
    for id in 0..16 {
        assert!(live.set_healthy(id * 1000, "LON1", false));
    }
    assert_eq!(live.overflow(), 0);
    assert!(!live.set_healthy(7, "LON1", false));
    assert!(live.healthy(7, "LON1"));
    assert!(!live.begin_call(me, 7, AT));
    live.end_call(me, 7);
    assert_eq!((live.calls_in_progress(7), live.calls_this_second(7, AT)), (0, 0));
    assert_eq!(live.overflow(), 2);
    for id in 0..16 {
        assert!(!live.healthy(id * 1000, "LON1"), "{id}");
        assert!(live.begin_call(me, id * 1000, AT), "{id}");
    }
    let stats = live.stats();
    assert_eq!((stats.gateways, stats.gateway_capacity, stats.calls_in_progress), (16, 16, 16));
}

#[test]
fn three_quarters_full_is_no_trouble() {
    let (_dir, live) = table(4096, 16_384);
    for id in 0..3072 {
        assert!(live.set_healthy(3000 + id * 7, "LON1", id % 2 == 0));
    }
    for org in 0..12_288 {
        assert!(live.set_spend(org * 3, Nano(i64::from(org))));
    }
    assert_eq!(live.overflow(), 0);
    for id in 0..3072 {
        assert_eq!(live.healthy(3000 + id * 7, "LON1"), id % 2 == 0);
    }
    for org in 0..12_288 {
        assert_eq!(live.spend(org * 3), Some(Nano(i64::from(org))));
    }
}

#[test]
fn spend() {
    let (_dir, live) = table(16, 16);
    assert_eq!(live.spend(37), None);
    assert!(live.set_spend(37, Nano::ZERO));
    assert_eq!(live.spend(37), Some(Nano::ZERO));
    assert!(live.add_spend(37, Nano(17_500_000)) && live.add_spend(37, Nano(-500_000)));
    assert_eq!(live.spend(37), Some(Nano(17_000_000)));
    assert!(live.add_spend(0, Nano(5)));
    assert_eq!(live.spend(0), Some(Nano(5)));
    assert!(live.set_spend(37, Nano(i64::MAX)) && live.add_spend(37, Nano(1)));
    assert_eq!(live.spend(37), Some(Nano(i64::MAX)), "stops at the most");
    live.forget_spend(37);
    assert_eq!(live.spend(37), None);
    assert!(live.add_spend(37, Nano(2)));
    assert_eq!(live.spend(37), Some(Nano(2)), "begins at nothing");
}

#[test]
fn a_full_organisation_table() {
    let (_dir, live) = table(16, 16);
    for org in 1..=16 {
        assert!(live.set_spend(org, Nano(1)));
    }
    assert!(!live.set_spend(17, Nano(1)) && !live.add_spend(18, Nano(1)));
    assert_eq!((live.spend(17), live.spend(18), live.overflow()), (None, None, 2));
    assert_eq!(live.stats().organisations, 16);
}

#[test]
fn shutdown_and_generation() {
    let (_dir, live) = table(16, 16);
    assert!(!live.shutting_down());
    live.set_shutting_down(true);
    assert!(live.shutting_down() && live.stats().shutting_down);
    live.set_shutting_down(false);
    assert!(!live.shutting_down());
    live.set_generation(u64::MAX);
    assert_eq!(live.generation(), u64::MAX);
}

#[test]
fn threads_of_one_switch_share_an_owner() {
    let (_dir, live) = table(16, 16);
    let me = live.register_owner();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    assert!(live.begin_call(me, 5, AT) && live.begin_call(me, 5, AT));
                    live.end_call(me, 5);
                }
            });
        }
    });
    assert_eq!(live.calls_in_progress(5), 40_000);
    assert_eq!(live.calls_this_second(5, AT), 80_000);
}

#[test]
fn a_row_claimed_by_two_at_once_is_one_row() {
    for _ in 0..300 {
        let (_dir, live) = table(64, 64);
        let start = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    start.wait();
                    for n in 0..16 {
                        assert!(live.add_spend(n, Nano(1)));
                        assert!(live.set_healthy(n, &format!("DC{n}"), false));
                    }
                });
            }
        });
        let stats = live.stats();
        assert_eq!((stats.gateways, stats.organisations, stats.data_centres), (16, 16, 16));
        assert!((0..16).all(|n| live.spend(n) == Some(Nano(3))));
    }
}

#[test]
fn an_owner_of_another_container_is_judged_by_its_signs_of_life() {
    let (dir, live) = table(16, 16);
    let me = live.register_owner();
    assert!(live.begin_call(me, 5, AT) && live.beat(me));
    // The words of the owner's row, as a process in another namespace would have written them.
    let file =
        std::fs::OpenOptions::new().write(true).open(dir.path().join("live")).expect("opens");
    let row = (64 + 64 * 16) * 8;
    let write = |word: u64, value: u64| {
        std::os::unix::fs::FileExt::write_all_at(&file, &value.to_ne_bytes(), row + word * 8)
            .expect("writes");
    };
    write(3, 1); // Another namespace,
    write(0, (1 << 41) | 99); // in which it is process 1, of which we know another.
    assert_eq!(live.reap_dead_owners(), 0, "it gave a sign of life");
    assert_eq!(live.calls_in_progress(5), 1);
    write(4, 0); // Long silent: since boot, which was more than a minute ago in any test.
    assert_eq!(live.reap_dead_owners(), 1);
    assert_eq!((live.calls_in_progress(5), live.beat(me)), (0, false));
}
