//! Connections when nothing is wrong: as TCP has them.

use std::io::ErrorKind;
use std::net::SocketAddr;

use sagaline_sim::machine::Machine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{MS, SECOND, ask, connect, echo, in_world, pass, within};

#[test]
fn what_is_written_arrives_in_order_without_a_flush() {
    in_world(1, |world| async move {
        echo(&world, Machine::Store);
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        for round in 0..200_u32 {
            let sent: Vec<u8> = (0..round * 7).map(|n| (n % 251) as u8).collect();
            assert_eq!(ask(&mut stream, &sent).await.unwrap(), sent);
        }
        assert!(world.now_us() < 2 * SECOND, "{} us", world.now_us());
    });
}

#[test]
fn nobody_listens_is_refused_at_once() {
    in_world(1, |world| async move {
        let refused = connect(&world).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(world.now_us() < 2 * MS);
        let nowhere: SocketAddr = "10.9.9.9:3000".parse().unwrap();
        let unreachable = world.network.connect(Machine::Clients, nowhere).await.unwrap_err();
        assert_eq!(unreachable.kind(), ErrorKind::HostUnreachable);
    });
}

#[test]
fn a_port_has_one_listener_until_it_is_dropped() {
    in_world(1, |world| async move {
        let first = world.network.listen(Machine::Bank, 80).unwrap();
        let second = world.network.listen(Machine::Bank, 80).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(world.network.listen(Machine::Bank, 80).is_ok());
    });
}

#[test]
fn a_reader_that_does_not_read_stops_its_writer() {
    in_world(1, |world| async move {
        let listener = world.network.listen(Machine::Store, 3000).unwrap();
        let mut client = connect(&world).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let much = vec![7; 1_000_000];
        assert!(within(&world, SECOND, client.write_all(&much)).await.is_none(), "no bound");
        let mut buffer = vec![0; 1_000_000];
        let mut read = 0;
        while let Some(more) = within(&world, SECOND, server.read(&mut buffer)).await {
            read += more.unwrap();
        }
        assert_eq!(read, 64 * 1024, "the window is full and no more");
        assert!(within(&world, SECOND, client.write_all(b"goes on")).await.is_some());
    });
}

#[test]
fn an_end_that_is_shut_down_can_still_be_read_at() {
    in_world(1, |world| async move {
        let listener = world.network.listen(Machine::Store, 3000).unwrap();
        let mut client = connect(&world).await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), Machine::Clients.ip());
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut asked = Vec::new();
        server.read_to_end(&mut asked).await.unwrap();
        assert_eq!(asked, b"question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
    });
}

#[test]
fn who_hangs_up_on_unread_bytes_resets_the_connection() {
    in_world(1, |world| async move {
        let listener = world.network.listen(Machine::Store, 3000).unwrap();
        let mut client = connect(&world).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(b"unread").await.unwrap();
        pass(&world, 10 * MS).await;
        drop(server);
        let reset = client.read_u8().await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn nothing_is_left_of_connections_that_were_closed() {
    in_world(1, |world| async move {
        echo(&world, Machine::Store);
        pass(&world, MS).await;
        let mut stream = connect(&world).await.unwrap();
        ask(&mut stream, b"hello").await.unwrap();
        assert_eq!(world.network.open_ends(Machine::Store).len(), 1);
        drop(stream);
        pass(&world, 10 * MS).await;
        assert_eq!(world.network.open_ends(Machine::Store).len(), 0);
        assert_eq!(world.network.open_ends(Machine::Clients).len(), 0);
    });
}
