//! Each machine's clocks keep the promises of the port, and are wrong when an episode says so.

use sagaline_sim::fault::{Fault, FaultKind};
use sagaline_sim::machine::Machine::{Node1, Node2};
use sagaline_storage::conformance::clock;
use sagaline_storage::{Clock, Entropy};

use crate::stage::{MS, SECOND, bites, episode, in_world, ms, pass};

#[test]
fn a_machines_clock_keeps_the_promises_of_the_port() {
    in_world(1, |world| async move { clock::run_all(&world.clock(Node1)).await });
}

#[test]
fn a_clock_that_drifts_keeps_them_too() {
    for ppm in [-400_000, 400_000] {
        in_world(1, move |world| async move {
            world.begin(&episode(1, Fault::ClockDrift { machine: Node1, ppm }));
            clock::run_all(&world.clock(Node1)).await;
        });
    }
}

#[test]
fn an_offset_is_seen_by_its_machine_alone_and_bites_when_it_is_read() {
    in_world(1, |world| async move {
        let offset = episode(1, Fault::ClockOffset { machine: Node1, offset_ms: -30_000 });
        world.begin(&offset);
        assert_eq!(bites(&world, FaultKind::ClockOffset), 0, "nobody has looked yet");
        let (wrong, right) = (world.clock(Node1), world.clock(Node2));
        assert_eq!(right.now().since(wrong.now()).as_secs(), 30);
        assert_eq!(right.now(), right.true_now());
        assert_eq!(bites(&world, FaultKind::ClockOffset), 1);
        world.end(&offset);
        assert_eq!(wrong.now(), right.now());
    });
}

#[test]
fn a_step_moves_the_wall_clock_and_not_the_monotonic_one() {
    in_world(1, |world| async move {
        let clock = world.clock(Node1);
        let (wall, passed) = (clock.now(), clock.monotonic());
        let step = episode(1, Fault::ClockStep { machine: Node1, step_ms: 5_000 });
        world.begin(&step);
        assert_eq!(clock.now().since(wall).as_secs(), 5);
        assert_eq!(clock.monotonic().as_millis(), passed.as_millis());
        world.end(&step);
        assert!(clock.now() < wall.after(ms(1)), "it jumps back");
        assert_eq!(bites(&world, FaultKind::ClockStep), 1);
    });
}

#[test]
fn a_fast_clock_sleeps_too_short_by_the_worlds_time_and_is_set_right_afterwards() {
    in_world(1, |world| async move {
        let clock = world.clock(Node1);
        let drift = episode(1, Fault::ClockDrift { machine: Node1, ppm: 250_000 });
        world.begin(&drift);
        let before_us = world.now_us();
        clock.sleep(ms(10_000)).await;
        let took_us = world.now_us() - before_us;
        assert!(took_us.abs_diff(8 * SECOND) < MS, "{took_us} us");
        assert_eq!(bites(&world, FaultKind::ClockDrift), 0, "nobody has looked yet");
        assert!(clock.now() > clock.true_now().after(ms(1_900)));
        assert_eq!(bites(&world, FaultKind::ClockDrift), 1);
        world.end(&drift);
        assert_eq!(clock.now(), clock.true_now());
    });
}

#[test]
fn every_boot_and_every_machine_draws_its_own_numbers() {
    in_world(1, |world| async move {
        let (one, other) = (world.entropy(Node1), world.entropy(Node2));
        assert_ne!(one.next_u64(), other.next_u64());
        let again = world.entropy(Node1);
        world.machine(Node1, |_| Box::pin(std::future::pending()));
        pass(&world, MS).await;
        let booted = world.entropy(Node1);
        let drawn = [again.next_u64(), one.next_u64(), booted.next_u64()];
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2], "{drawn:?}");
    });
}

#[test]
fn a_seed_gives_a_boot_the_same_numbers_again() {
    let draw = |seed| in_world(seed, |world| async move { world.entropy(Node1).next_u64() });
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}
