//! The machine `balancer`: hands the clients' requests to the nodes in turn, as a good proxy does: it asks
//! the nodes for their health, and never sends a request a second time, since it may have been acted upon.
//! A [`Fault::Duplicate`] of one of its links makes it do just that.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use sagaline::engine::http_client::HttpClient;
use sagaline_storage::Clock;

use super::dice::Dice;
use super::within::within;
use crate::fault::{Fault, FaultKind, Link};
use crate::machine::Machine;
use crate::world::{MachineClock, MachineEntropy, NetConnect, SimListener, SimStream, World};

/// A node that has not answered by then has not answered: above the longest wait a client may ask for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
/// Between two questions for a node's health, and the time it has to answer.
const HEALTH_EVERY: Duration = Duration::from_secs(1);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// Switches the balancer on.
pub(super) fn switch_on(world: &World) {
    world.machine(Machine::Balancer, |world| Box::pin(run(world)));
}

async fn run(world: World) {
    let listener = world.network.listen(Machine::Balancer, Machine::Balancer.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let machine = Machine::Balancer;
    let connect = NetConnect { network: world.network.clone(), machine };
    let proxy = Proxy {
        clock: world.clock(machine),
        dice: Dice(world.entropy(machine)),
        world,
        client: HttpClient::new(Arc::new(connect)),
        nodes: Arc::default(),
    };
    for node in Machine::NODES {
        tokio::spawn(proxy.clone().look_after(node));
    }
    proxy.serve(listener).await;
}

/// Which nodes answer, and whose turn it is.
#[derive(Debug, Default)]
struct Nodes {
    healthy: BTreeSet<Machine>,
    turn: usize,
}

impl Nodes {
    fn learn(&mut self, node: Machine, is_healthy: bool) {
        if is_healthy {
            self.healthy.insert(node);
        } else {
            self.healthy.remove(&node);
        }
    }

    /// The next healthy node.
    fn next(&mut self) -> Option<Machine> {
        self.turn = self.turn.wrapping_add(1);
        self.healthy.iter().nth(self.turn % self.healthy.len().max(1)).copied()
    }
}

#[derive(Clone)]
struct Proxy {
    world: World,
    clock: MachineClock,
    dice: Dice<MachineEntropy>,
    client: HttpClient,
    nodes: Arc<Mutex<Nodes>>,
}

impl Proxy {
    async fn serve(self, listener: SimListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(Box::pin(self.clone().connection(stream)));
        }
    }

    async fn connection(self, stream: SimStream) {
        let answer = service_fn(|request| self.answer(request));
        // How a connection ends is its peer's to find out.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let Some(node) = self.nodes.lock().next() else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE);
        };
        let request = Request::from_parts(head, Full::new(body));
        self.duplicate(node, &request);
        match self.send(node, request, ANSWER_TIMEOUT).await {
            Some(Ok(response)) => Ok(response.map(Full::new)),
            Some(Err(_)) => refusal(StatusCode::BAD_GATEWAY),
            None => refusal(StatusCode::GATEWAY_TIMEOUT),
        }
    }

    /// None: no answer in time.
    async fn send(
        &self,
        node: Machine,
        request: Request<Full<Bytes>>,
        bound: Duration,
    ) -> Option<Result<Response<Bytes>, String>> {
        let request = match addressed(node, request) {
            Ok(request) => request,
            Err(error) => return Some(Err(error.to_string())),
        };
        within(&self.clock, bound, self.client.send(request)).await
    }

    /// Sends the request to another node too, when such an episode is on.
    fn duplicate(&self, node: Machine, request: &Request<Full<Bytes>>) {
        let percent = self.world.active(|fault| match fault {
            Fault::Duplicate { link: Link { from: Machine::Balancer, to }, percent }
                if *to == node =>
            {
                Some(*percent)
            }
            _ => None,
        });
        let other = if self.dice.percent(percent) { self.nodes.lock().next() } else { None };
        let Some(other) = other else { return };
        let (proxy, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            if let Some(Ok(_)) = proxy.send(other, request, ANSWER_TIMEOUT).await {
                proxy.world.bites.bit(FaultKind::Duplicate);
            }
        });
    }

    /// Asks a node for its health for ever.
    async fn look_after(self, node: Machine) {
        loop {
            let is_healthy = self.is_healthy(node).await;
            self.nodes.lock().learn(node, is_healthy);
            self.clock.sleep(HEALTH_EVERY).await;
        }
    }

    async fn is_healthy(&self, node: Machine) -> bool {
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = Uri::from_static("/health/ready");
        let answer = self.send(node, request, HEALTH_TIMEOUT).await;
        answer.is_some_and(|answer| answer.is_ok_and(|answer| answer.status().is_success()))
    }
}

/// The request as it goes to a node: to its address, and without what concerns only the client's own
/// connection.
fn addressed(
    node: Machine,
    mut request: Request<Full<Bytes>>,
) -> Result<Request<Full<Bytes>>, http::Error> {
    const OF_THE_CONNECTION: [HeaderName; 3] =
        [header::CONNECTION, header::TRANSFER_ENCODING, header::HOST];
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(node.address().to_string())
        .path_and_query(path)
        .build()?;
    for name in OF_THE_CONNECTION {
        request.headers_mut().remove(name);
    }
    Ok(request)
}

fn refusal(status: StatusCode) -> io::Result<Response<Full<Bytes>>> {
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::RETRY_AFTER, 1)
        .body(Full::new(Bytes::from_static(br#"{"error":"NO_NODE"}"#)));
    response.map_err(io::Error::other)
}
