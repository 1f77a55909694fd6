//! Machines that crash, lose their power, stand still, panic and come back.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sagaline_sim::evidence::Stop;
use sagaline_sim::fault::{CrashPoint, Fault, FaultKind};
use sagaline_sim::machine::Machine::{self, Node1, Node2, Store};
use sagaline_storage::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{
    MS, SECOND, ask, bites, connect, echo, episode, in_world, ms, partition, pass, within,
};

fn crash(loses_unsynced: bool) -> Fault {
    Fault::Crash { machine: Store, loses_unsynced }
}

#[test]
fn the_end_of_a_process_is_told_to_its_peers() {
    in_world(1, |world| async move {
        echo(&world, Store);
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        ask(&mut stream, b"x").await.unwrap();
        world.begin(&episode(1, crash(false)));
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert!(world.now_us() < 10 * MS);
        let refused = connect(&world).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "its kernel still answers");
        world.end(&episode(1, crash(false)));
        pass(&world, MS).await;
        assert!(connect(&world).await.is_ok());
        assert_eq!(world.boots(Store), 2);
    });
}

#[test]
fn a_power_loss_tells_nobody_until_the_machine_is_back() {
    in_world(1, |world| async move {
        echo(&world, Store);
        pass(&world, MS).await;
        let (mut silent, mut sending) =
            (connect(&world).await.unwrap(), connect(&world).await.unwrap());
        ask(&mut silent, b"x").await.unwrap();
        ask(&mut sending, b"x").await.unwrap();
        world.begin(&episode(1, crash(true)));
        sending.write_all(b"x").await.unwrap();
        assert!(within(&world, 60 * SECOND, sending.read_u8()).await.is_none());
        assert!(within(&world, 100 * SECOND, connect(&world)).await.is_none(), "it hangs");
        world.end(&episode(1, crash(true)));
        let told = within(&world, 120 * SECOND, sending.read_u8()).await;
        let told = told.expect("what it sent is sent again, and not known there");
        assert_eq!(told.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(within(&world, SECOND, silent.read_u8()).await.is_none(), "who only waits, waits");
        silent.write_all(b"x").await.unwrap();
        assert_eq!(silent.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_crash_bites_only_when_it_cuts_something() {
    in_world(1, |world| async move {
        echo(&world, Store);
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        ask(&mut stream, b"x").await.unwrap();
        world.crash(Store, false);
        assert_eq!(bites(&world, FaultKind::Crash), 0, "everything was answered");
        world.restart(Store);
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        stream.write_all(b"question").await.unwrap();
        world.crash(Store, false);
        assert_eq!(bites(&world, FaultKind::Crash), 1);
    });
}

#[test]
fn a_paused_machine_keeps_its_connections() {
    in_world(1, |world| async move {
        echo(&world, Store);
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        ask(&mut stream, b"x").await.unwrap();
        let pause = episode(1, Fault::Pause { machine: Store });
        world.begin(&pause);
        stream.write_all(b"y").await.unwrap();
        assert!(within(&world, 60 * SECOND, stream.read_u8()).await.is_none());
        assert!(connect(&world).await.is_ok(), "its kernel takes connections");
        world.end(&pause);
        assert_eq!(within(&world, SECOND, stream.read_u8()).await.unwrap().unwrap(), b'y');
        assert_eq!(bites(&world, FaultKind::Pause), 1, "somebody waited");
    });
}

#[test]
fn a_pause_that_holds_up_a_sleep_is_felt_and_one_that_holds_up_nothing_is_not() {
    in_world(1, |world| async move {
        world.machine(Node1, |world| {
            Box::pin(async move {
                loop {
                    world.clock(Node1).sleep(ms(500)).await;
                }
            })
        });
        world.machine(Node2, |_| Box::pin(std::future::pending()));
        pass(&world, SECOND).await;
        for (id, machine, felt) in [(1, Node2, 0), (2, Node1, 1)] {
            let pause = episode(id, Fault::Pause { machine });
            world.begin(&pause);
            pass(&world, 10 * SECOND).await;
            world.end(&pause);
            pass(&world, SECOND).await;
            assert_eq!(bites(&world, FaultKind::Pause), felt, "{machine}");
        }
    });
}

#[test]
fn a_node_that_is_told_to_end_does_so_in_its_own_time_and_comes_back() {
    in_world(1, |world| async move {
        echo(&world, Store);
        world.machine(Node1, |world| {
            Box::pin(async move {
                let _listener = world.network.listen(Node1, 3000).expect("the old one is gone");
                world.told_to_stop(Node1).await;
                world.timeline().after(2 * SECOND).await;
            })
        });
        pass(&world, MS).await;
        let stop = |id, machine| episode(id, Fault::Stop { machine });
        world.begin(&stop(1, Node1));
        world.begin(&stop(2, Store));
        pass(&world, SECOND).await;
        // Over before the node has ended: it is switched on again when it has.
        world.end(&stop(1, Node1));
        world.end(&stop(2, Store));
        assert!(world.is_on(Node1) && world.is_told_to_stop(Node1));
        assert_eq!((world.boots(Node1), world.stopping()), (1, vec![Node1]));
        pass(&world, 2 * SECOND).await;
        assert_eq!((world.boots(Node1), world.boots(Store)), (2, 1), "the store does not hear");
        assert!(world.stopping().is_empty() && !world.is_told_to_stop(Node1));
        world.begin(&stop(3, Node1));
        pass(&world, 5 * SECOND).await;
        assert!(!world.is_on(Node1), "its episode goes on");
        world.end(&stop(3, Node1));
        pass(&world, SECOND).await;
        assert_eq!((world.boots(Node1), world.stopping()), (3, vec![]));
        let took = |stop: &Stop| stop.ended_at_us.map(|at| (at - stop.told_at_us) / SECOND);
        assert_eq!(world.stops().iter().map(took).collect::<Vec<_>>(), [Some(2), Some(2)]);
    });
}

#[test]
fn a_node_that_crashes_while_it_ends_has_not_ended() {
    in_world(1, |world| async move {
        world.machine(Node1, |world| {
            Box::pin(async move {
                world.told_to_stop(Node1).await;
                world.timeline().after(20 * SECOND).await;
            })
        });
        pass(&world, MS).await;
        let (stop, crash) = (
            Fault::Stop { machine: Node1 },
            Fault::Crash { machine: Node1, loses_unsynced: false },
        );
        world.begin(&episode(1, stop.clone()));
        pass(&world, SECOND).await;
        world.begin(&episode(2, crash.clone()));
        world.end(&episode(1, stop));
        pass(&world, SECOND).await;
        assert!(!world.is_on(Node1) && world.stopping() == [Node1]);
        world.end(&episode(2, crash));
        pass(&world, SECOND).await;
        assert_eq!((world.boots(Node1), world.stops()[0].ended_at_us), (2, None));
        assert!(world.stopping().is_empty());
    });
}

#[test]
fn a_panic_is_written_down_and_the_machine_comes_back() {
    in_world(1, |world| async move {
        let boots = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&boots);
        world.machine(Node1, move |world| {
            let boot = counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                let _listener = world.network.listen(Node1, 3000).expect("the old one is gone");
                assert!(boot > 0, "the first boot fails");
                std::future::pending::<()>().await;
            })
        });
        pass(&world, 30 * SECOND).await;
        assert_eq!((boots.load(Ordering::Relaxed), world.boots(Node1)), (2, 2));
        let [crash] = world.crashes().try_into().expect("one crash");
        assert!(crash.starts_with("node-1: ") && crash.contains("the first boot fails"), "{crash}");
    });
}

#[test]
fn a_machine_that_panics_while_it_is_to_be_off_stays_off() {
    in_world(1, |world| async move {
        world.machine(Store, |world| {
            Box::pin(async move {
                world.timeline().after(SECOND).await;
                panic!("it had to come");
            })
        });
        pass(&world, SECOND + MS).await;
        assert_eq!(world.crashes().len(), 1);
        world.begin(&episode(1, crash(true)));
        pass(&world, 60 * SECOND).await;
        assert_eq!((world.boots(Store), world.is_on(Store)), (1, false));
        world.end(&episode(1, crash(true)));
        pass(&world, MS).await;
        assert_eq!((world.boots(Store), world.is_on(Store)), (2, true));
    });
}

#[test]
#[should_panic(expected = "all tasks will block forever")]
fn a_world_in_which_nothing_can_happen_says_so() {
    in_world(1, |world| async move {
        world.machine(Node1, |_| Box::pin(std::future::pending()));
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_crash_point_crashes_once_and_the_machine_goes_no_further() {
    in_world(1, |world| async move {
        let passed = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&passed);
        world.machine(Node1, move |world| {
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                loop {
                    world.timeline().after(SECOND).await;
                    world.pass(Node1, CrashPoint::AppendSent).await;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let armed = |machine, point| Fault::CrashAt { machine, point };
        world.begin(&episode(1, armed(Node2, CrashPoint::AppendSent)));
        world.begin(&episode(2, armed(Node1, CrashPoint::CallSent)));
        pass(&world, 3 * SECOND + MS).await;
        assert_eq!((passed.load(Ordering::Relaxed), world.boots(Node1)), (3, 1));
        let crash_at = episode(3, armed(Node1, CrashPoint::AppendSent));
        world.begin(&crash_at);
        pass(&world, 5 * SECOND).await;
        assert_eq!((passed.load(Ordering::Relaxed), world.is_on(Node1)), (3, false));
        assert_eq!(bites(&world, FaultKind::CrashAt), 1);
        world.end(&crash_at);
        pass(&world, 3 * SECOND + MS).await;
        assert_eq!((passed.load(Ordering::Relaxed), world.boots(Node1)), (6, 2));
    });
}

#[test]
fn a_machine_that_two_episodes_hold_off_comes_back_with_the_last() {
    in_world(1, |world| async move {
        echo(&world, Store);
        pass(&world, MS).await;
        world.begin(&episode(1, crash(true)));
        world.begin(&episode(2, crash(false)));
        world.end(&episode(1, crash(true)));
        assert!(!world.is_on(Store));
        world.end(&episode(2, crash(false)));
        assert!(world.is_on(Store));
    });
}

#[test]
fn healing_ends_everything_but_what_is_to_stay_broken() {
    in_world(1, |world| async move {
        echo(&world, Store);
        echo(&world, Node1);
        echo(&world, Node2);
        pass(&world, MS).await;
        let down = |machine| Fault::Crash { machine, loses_unsynced: true };
        let skewed = |machine| Fault::ClockOffset { machine, offset_ms: 60_000 };
        let faults = [down(Node1), down(Node2), partition(), skewed(Node2), skewed(Store)];
        for (id, fault) in faults.into_iter().enumerate() {
            world.begin(&episode(id as u32, fault));
        }
        world.heal(&[Node2]);
        assert_eq!(Machine::NODES.map(|node| world.is_on(node)), [true, false, false]);
        assert!(connect(&world).await.is_ok());
        assert_eq!(world.clock(Store).now(), world.clock(Store).true_now());
        assert_ne!(world.clock(Node2).now(), world.clock(Node2).true_now());
    });
}
