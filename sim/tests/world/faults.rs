//! Every fault of the network does what it says, and is counted when somebody felt it.

use std::io::ErrorKind;

use sagaline_sim::fault::{Fault, FaultKind, Link};
use sagaline_sim::machine::Machine;
use sagaline_sim::world::{SimStream, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{
    LINK, MS, SECOND, ask, bites, connect, echo, episode, in_world, partition, pass, within,
};

/// The store answers, and the clients are connected to it.
async fn connected(world: &World) -> SimStream {
    echo(world, Machine::Store);
    pass(world, MS).await;
    let mut stream = connect(world).await.unwrap();
    ask(&mut stream, b"hello").await.unwrap();
    stream
}

#[test]
fn a_partition_delays_what_was_sent_until_it_heals() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        world.begin(&episode(1, partition()));
        stream.write_all(b"x").await.unwrap();
        assert!(within(&world, 20 * SECOND, stream.read_u8()).await.is_none());
        assert!(bites(&world, FaultKind::Partition) > 0);
        world.end(&episode(1, partition()));
        let answer = within(&world, 20 * SECOND, stream.read_u8()).await;
        assert_eq!(answer.expect("it is sent again").unwrap(), b'x');
    });
}

#[test]
fn a_partition_hides_the_end_of_a_connection() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        world.begin(&episode(1, partition()));
        world.crash(Machine::Store, false);
        let end = within(&world, 30 * SECOND, stream.read_u8()).await;
        assert!(end.is_none(), "nothing can have told it: {end:?}");
        world.end(&episode(1, partition()));
        let end = within(&world, 60 * SECOND, stream.read_u8()).await.expect("it is told now");
        assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_one_way_partition_lets_the_other_way_pass() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        let (one, other) = (vec![Machine::Store], vec![Machine::Clients]);
        world.begin(&episode(1, Fault::Partition { one, other, one_way: true }));
        stream.write_all(b"x").await.unwrap();
        assert!(within(&world, 5 * SECOND, stream.read_u8()).await.is_none());
        // The store has the byte and has answered: only the answer does not pass.
        assert_eq!(bites(&world, FaultKind::Partition), 1);
    });
}

#[test]
fn connecting_through_a_partition_hangs_and_succeeds_when_it_heals() {
    in_world(1, |world| async move {
        connected(&world).await;
        world.begin(&episode(1, partition()));
        let healed = async {
            pass(&world, 10 * SECOND).await;
            world.end(&episode(1, partition()));
        };
        let before_us = world.now_us();
        let (stream, ()) = tokio::join!(connect(&world), healed);
        assert!(stream.is_ok());
        let took_us = world.now_us() - before_us;
        assert!((15 * SECOND..16 * SECOND).contains(&took_us), "the fifth try: {took_us} us");
    });
}

#[test]
fn a_connection_that_is_never_answered_times_out_after_127_seconds() {
    in_world(1, |world| async move {
        connected(&world).await;
        world.begin(&episode(1, Fault::ConnectHang { link: LINK }));
        let hung = connect(&world).await.unwrap_err();
        assert_eq!(hung.kind(), ErrorKind::TimedOut);
        assert_eq!(world.now_us() / SECOND, 127);
        assert_eq!(bites(&world, FaultKind::ConnectHang), 7);
    });
}

#[test]
fn what_is_never_acknowledged_is_given_up_after_fifteen_minutes() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        world.begin(&episode(1, partition()));
        stream.write_all(b"x").await.unwrap();
        let given_up = stream.read_u8().await.unwrap_err();
        assert_eq!(given_up.kind(), ErrorKind::TimedOut);
        assert_eq!(world.now_us() / SECOND, 924);
        assert_eq!(stream.write(b"x").await.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_slow_link_delays_what_crosses_it_in_its_direction() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        world.begin(&episode(1, Fault::SlowLink { link: LINK, added_ms: 700 }));
        let before_us = world.now_us();
        ask(&mut stream, b"x").await.unwrap();
        let took_us = world.now_us() - before_us;
        assert!((700 * MS..702 * MS).contains(&took_us), "{took_us} us");
        assert_eq!(bites(&world, FaultKind::SlowLink), 1);
    });
}

#[test]
fn lost_segments_are_sent_again_and_nothing_is_missing() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        world.begin(&episode(1, Fault::Loss { link: LINK, percent: 50 }));
        let before_us = world.now_us();
        for n in 0..50_u8 {
            assert_eq!(ask(&mut stream, &[n, n]).await.unwrap(), [n, n]);
        }
        assert!(world.now_us() - before_us > 5 * SECOND, "repetitions take their time");
        assert!(bites(&world, FaultKind::Loss) >= 10);
    });
}

#[test]
fn messages_of_different_connections_overtake_each_other_and_those_of_one_do_not() {
    in_world(1, |world| async move {
        let listener = world.network.listen(Machine::Store, 3000).unwrap();
        let (mut one, mut other) = (connect(&world).await.unwrap(), connect(&world).await.unwrap());
        let (mut at_one, _) = listener.accept().await.unwrap();
        let (mut at_other, _) = listener.accept().await.unwrap();
        world.begin(&episode(1, Fault::Reorder { link: LINK, spread_ms: 500 }));
        let mut overtaken = 0;
        for n in 0..50 {
            one.write_u8(n).await.unwrap();
            other.write_u8(n).await.unwrap();
            let first = tokio::select! {
                biased;
                read = at_one.read_u8() => { assert_eq!(read.unwrap(), n); 0 }
                read = at_other.read_u8() => { assert_eq!(read.unwrap(), n); 1 }
            };
            overtaken += first;
            let second = if first == 0 { &mut at_other } else { &mut at_one };
            assert_eq!(second.read_u8().await.unwrap(), n);
        }
        assert!((10..40).contains(&overtaken), "{overtaken} of 50");
        assert!(bites(&world, FaultKind::Reorder) >= 10);
    });
}

#[test]
fn a_reset_breaks_open_connections_and_new_ones_when_they_carry_something() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        stream.write_all(b"question").await.unwrap();
        world.begin(&episode(1, Fault::Reset { link: LINK }));
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(bites(&world, FaultKind::Reset), 1);
        let mut fresh = connect(&world).await.unwrap();
        assert_eq!(ask(&mut fresh, b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(bites(&world, FaultKind::Reset), 2);
        world.end(&episode(1, Fault::Reset { link: LINK }));
        let mut fresh = connect(&world).await.unwrap();
        assert_eq!(ask(&mut fresh, b"x").await.unwrap(), b"x");
    });
}

#[test]
fn a_half_open_connection_carries_nothing_and_nobody_is_told() {
    in_world(1, |world| async move {
        let mut stream = connected(&world).await;
        let half_open = episode(1, Fault::HalfOpen { link: LINK });
        world.begin(&half_open);
        stream.write_all(b"x").await.unwrap();
        assert!(within(&world, 600 * SECOND, stream.read_u8()).await.is_none());
        assert!(bites(&world, FaultKind::HalfOpen) > 0);
        let mut fresh = connect(&world).await.unwrap();
        assert_eq!(ask(&mut fresh, b"x").await.unwrap(), b"x", "new connections are whole");
        world.end(&half_open);
        let end = within(&world, 120 * SECOND, stream.read_u8()).await.expect("it is told now");
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_first_request_is_delivered_twice_and_its_receiver_sees_both() {
    in_world(1, |world| async move {
        let listener = world.network.listen(Machine::Store, 3000).unwrap();
        world.begin(&episode(1, Fault::Duplicate { link: LINK, percent: 100 }));
        let mut client = connect(&world).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"charge 5").await.unwrap();
        let mut request = [0; 8];
        server.read_exact(&mut request).await.unwrap();
        server.write_all(b"done").await.unwrap();
        client.write_all(b"charge 6").await.unwrap();
        let again = within(&world, 5 * SECOND, listener.accept()).await;
        let (mut again, peer) = again.expect("a second delivery").unwrap();
        assert_eq!(peer.ip(), Machine::Clients.ip());
        again.read_exact(&mut request).await.unwrap();
        assert_eq!(&request, b"charge 5", "the first request and no more");
        assert_eq!(bites(&world, FaultKind::Duplicate), 1);
        again.write_all(b"done again, and nobody listens").await.unwrap();
        assert_eq!(again.read(&mut request).await.unwrap(), 0, "its sender hangs up");
    });
}

#[test]
fn a_fault_of_one_link_leaves_the_others_alone() {
    in_world(1, |world| async move {
        echo(&world, Machine::Store);
        let link = Link { from: Machine::Node1, to: Machine::Store };
        for (id, fault) in [
            Fault::Loss { link, percent: 90 },
            Fault::SlowLink { link, added_ms: 9_000 },
            Fault::ConnectHang { link },
            Fault::Reset { link },
        ]
        .into_iter()
        .enumerate()
        {
            world.begin(&episode(id as u32, fault));
        }
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        ask(&mut stream, b"x").await.unwrap();
        assert!(world.now_us() < 10 * MS);
        assert!(world.bites.counts().is_empty(), "{:?}", world.bites.counts());
    });
}
