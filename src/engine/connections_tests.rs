//! Kept connections, against a participant at the other end of a pipe.

use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::engine::http_client::{Connecting, Stream};

/// A participant that gives so many answers on each connection, then closes it.
struct Participant {
    answers: usize,
    body_bytes: usize,
    opened: Arc<AtomicUsize>,
}

impl Connect for Participant {
    fn connect(&self, host: String, port: u16) -> Connecting {
        assert_eq!((host.as_str(), port), ("shop", 81));
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(answer(theirs, self.answers, self.body_bytes));
        Box::pin(async { Ok(Box::new(ours) as Box<dyn Stream>) })
    }
}

async fn answer(mut stream: DuplexStream, answers: usize, body_bytes: usize) {
    for _ in 0..answers {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            request.push(byte);
        }
        let text = String::from_utf8(request).unwrap();
        assert!(text.starts_with("GET /pay?n=1 HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("host: shop:81\r\n"), "{text}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {body_bytes}\r\n\r\n");
        // The client may have gone away in the middle.
        drop(stream.write_all(head.as_bytes()).await);
        drop(stream.write_all(&vec![b'x'; body_bytes]).await);
    }
}

fn participant(answers: usize, body_bytes: usize) -> (Arc<Connections>, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let connect = Participant { answers, body_bytes, opened: opened.clone() };
    (Arc::new(Connections::new(Arc::new(connect))), opened)
}

fn request() -> Request<Full<Bytes>> {
    Request::get("http://user@shop:81/pay?n=1").body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call() {
    let (connections, opened) = participant(usize::MAX, 3);
    for _ in 0..10 {
        let answer = connections.send(request()).await.unwrap();
        assert_eq!(answer.body(), "xxx");
    }
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_have_a_connection_each() {
    let (connections, opened) = participant(usize::MAX, 1);
    let (one, two) = tokio::join!(connections.send(request()), connections.send(request()));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(opened.load(Ordering::Relaxed), 2);
    assert!(connections.send(request()).await.is_ok());
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced_and_no_call_fails() {
    let (connections, opened) = participant(1, 1);
    for calls in 1..5 {
        assert!(connections.send(request()).await.is_ok(), "call {calls}");
        assert_eq!(opened.load(Ordering::Relaxed), calls);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_ends_is_an_error_and_its_connection_is_not_kept() {
    let (connections, opened) = participant(1, 2 << 20);
    let error = connections.send(request()).await.unwrap_err();
    assert!(error.contains("the answer broke off"), "{error}");
    let (silent, _) = participant(0, 0);
    assert!(silent.send(request()).await.is_err());
    assert!(connections.send(request()).await.is_err());
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_connection_with_it() {
    let (connections, opened) = participant(usize::MAX, 1);
    let mut given_up = Box::pin(connections.send(request()));
    let polled =
        std::future::poll_fn(|context| Poll::Ready(given_up.as_mut().poll(context).is_pending()));
    assert!(polled.await);
    drop(given_up);
    assert!(connections.send(request()).await.is_ok());
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn only_plain_http_to_a_named_host_is_spoken() {
    let (connections, _) = participant(1, 1);
    for uri in ["https://shop:81/pay", "/pay"] {
        let request = Request::get(uri).body(Full::default()).unwrap();
        let error = connections.send(request).await.unwrap_err();
        assert!(error.contains("only http is spoken"), "{uri}: {error}");
    }
}
