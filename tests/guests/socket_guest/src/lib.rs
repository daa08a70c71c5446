//! Uses wasi:sockets as it is told, and says how far it got: what happened, or the step that failed and WASI's error, as
//! in `connect: access-denied`. `to` and `at` are addresses with a port (`127.0.0.1:80`, `[::1]:80`), `send` is a text.
//!
//! | path | what it does |
//! | --- | --- |
//! | `/tcp?to=&send=&bind=` | connects (from the address `bind` where there is one), sends, ends its side; answers what came |
//! | `/tcp-by-name?name=&port=&send=` | looks the name up and does that with each address; one line for each |
//! | `/tcp-twice?to=&then=&send=` | connects to the one, then to the other: one line for each |
//! | `/lookup?name=` | the addresses of a name, one a line |
//! | `/udp?to=&send=&connected=&replies=` | sends a datagram; answers the first `replies` texts that came, and from where |
//! | `/tcp-bind?at=` `/udp-bind?at=` | binds a socket; answers `bound` |
//! | `/listen?at=` | binds a socket and listens; answers `listening` |
//! | `/many?count=` | makes that many sockets of either kind and closes them; answers how many there were |

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http_guest::wasi::clocks::monotonic_clock::subscribe_duration;
use http_guest::wasi::http::types::{IncomingRequest, ResponseOutparam};
use http_guest::wasi::io::poll::{Pollable, poll};
use http_guest::wasi::io::streams::StreamError;
use http_guest::wasi::sockets::instance_network::instance_network;
use http_guest::wasi::sockets::ip_name_lookup::resolve_addresses;
use http_guest::wasi::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use http_guest::wasi::sockets::tcp::{ShutdownType, TcpSocket};
use http_guest::wasi::sockets::tcp_create_socket::create_tcp_socket;
use http_guest::wasi::sockets::udp::{OutgoingDatagram, UdpSocket};
use http_guest::wasi::sockets::udp_create_socket::create_udp_socket;
use http_guest::{Guest, Target, answer_text, for_each_chunk, target, write_all};

/// No step of a guest takes longer, whatever its peer does.
const PATIENCE_NS: u64 = 30_000_000_000;

/// What happened, or the step that failed and why.
type Outcome = Result<String, String>;

struct Sockets;

impl Guest for Sockets {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = target(&request);
        let outcome = match target.path.as_str() {
            "/tcp" => tcp_by_address(&target),
            "/tcp-by-name" => tcp_by_name(&target),
            "/tcp-twice" => tcp_twice(&target),
            "/lookup" => lookup(&target),
            "/udp" => udp(&target),
            "/tcp-bind" => tcp_bind(&target),
            "/udp-bind" => udp_bind(&target),
            "/listen" => listen(&target),
            "/many" => many(&target),
            other => return answer_text(out, 404, format!("no such path: {other}")),
        };
        answer_text(out, 200, outcome.unwrap_or_else(|failure| failure));
    }
}

// ---- what a request asks for -----------------------------------------------------------------------------------------

fn text<'a>(target: &'a Target, name: &str) -> &'a str {
    target.parameter(name).unwrap_or("")
}

fn address(target: &Target, name: &str) -> Result<SocketAddr, String> {
    text(target, name).parse().map_err(|error| format!("{name}: {error}"))
}

fn tcp_by_address(target: &Target) -> Outcome {
    let from = target.parameter("bind").map(|_| address(target, "bind")).transpose()?;
    tcp(address(target, "to")?, from, text(target, "send"))
}

fn tcp_twice(target: &Target) -> Outcome {
    let outcomes = [address(target, "to")?, address(target, "then")?].map(|to| tcp(to, None, text(target, "send")));
    Ok(outcomes.map(|outcome| outcome.unwrap_or_else(|failure| failure)).join("\n"))
}

fn tcp_by_name(target: &Target) -> Outcome {
    let port = target.number("port", 0) as u16;
    let mut lines = String::new();
    for ip in addresses_of(text(target, "name"))? {
        let outcome = tcp(SocketAddr::new(ip, port), None, text(target, "send"));
        writeln!(lines, "{ip} {}", outcome.unwrap_or_else(|failure| failure)).unwrap();
    }
    Ok(lines)
}

fn lookup(target: &Target) -> Outcome {
    let mut lines = String::new();
    for ip in addresses_of(text(target, "name"))? {
        writeln!(lines, "{ip}").unwrap();
    }
    Ok(lines)
}

// ---- names -----------------------------------------------------------------------------------------------------------

fn addresses_of(name: &str) -> Result<Vec<IpAddr>, String> {
    let stream = resolve_addresses(&instance_network(), name).map_err(failed("lookup"))?;
    let mut addresses = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => addresses.push(Ipv4Addr::new(a, b, c, d).into()),
            Ok(Some(IpAddress::Ipv6((a, b, c, d, e, f, g, h)))) => {
                addresses.push(Ipv6Addr::new(a, b, c, d, e, f, g, h).into());
            }
            Ok(None) => return Ok(addresses),
            Err(ErrorCode::WouldBlock) => wait("lookup", &stream.subscribe())?,
            Err(error) => return Err(failed("lookup")(error)),
        }
    }
}

// ---- TCP -------------------------------------------------------------------------------------------------------------

fn new_tcp(near: SocketAddr) -> Result<TcpSocket, String> {
    create_tcp_socket(family_of(near)).map_err(failed("create"))
}

fn bind_tcp(socket: &TcpSocket, at: SocketAddr) -> Result<(), String> {
    socket.start_bind(&instance_network(), to_wasi(at)).map_err(failed("bind"))?;
    finish("bind", &socket.subscribe(), || socket.finish_bind())
}

fn tcp(to: SocketAddr, from: Option<SocketAddr>, send: &str) -> Outcome {
    let socket = new_tcp(to)?;
    if let Some(from) = from {
        bind_tcp(&socket, from)?;
    }
    socket.start_connect(&instance_network(), to_wasi(to)).map_err(failed("connect"))?;
    let (input, output) = finish("connect", &socket.subscribe(), || socket.finish_connect())?;
    let broken = |step: &'static str| move |error: StreamError| format!("{step}: {error:?}");
    write_all(&output, send.as_bytes()).map_err(broken("send"))?;
    socket.shutdown(ShutdownType::Send).map_err(failed("shutdown"))?;
    let mut bytes = Vec::new();
    for_each_chunk(&input, |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })
    .map_err(broken("receive"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tcp_bind(target: &Target) -> Outcome {
    let at = address(target, "at")?;
    bind_tcp(&new_tcp(at)?, at)?;
    Ok("bound".into())
}

fn listen(target: &Target) -> Outcome {
    let at = address(target, "at")?;
    let socket = new_tcp(at)?;
    bind_tcp(&socket, at)?;
    socket.start_listen().map_err(failed("listen"))?;
    finish("listen", &socket.subscribe(), || socket.finish_listen())?;
    Ok("listening".into())
}

// ---- UDP -------------------------------------------------------------------------------------------------------------

fn bind_udp(at: SocketAddr) -> Result<UdpSocket, String> {
    let socket = create_udp_socket(family_of(at)).map_err(failed("create"))?;
    socket.start_bind(&instance_network(), to_wasi(at)).map_err(failed("bind"))?;
    finish("bind", &socket.subscribe(), || socket.finish_bind())?;
    Ok(socket)
}

fn udp(target: &Target) -> Outcome {
    let to = address(target, "to")?;
    let unspecified: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = bind_udp(SocketAddr::new(unspecified, 0))?;
    let connected = target.parameter("connected").is_some();
    let (incoming, outgoing) = socket.stream(connected.then(|| to_wasi(to))).map_err(failed("connect"))?;

    let datagram =
        OutgoingDatagram { data: text(target, "send").into(), remote_address: (!connected).then(|| to_wasi(to)) };
    while outgoing.check_send().map_err(failed("send"))? == 0 {
        wait("send", &outgoing.subscribe())?;
    }
    outgoing.send(&[datagram]).map_err(failed("send"))?;

    let (mut lines, mut left) = (String::new(), target.number("replies", 1));
    while left > 0 {
        for datagram in incoming.receive(left).map_err(failed("receive"))? {
            let from = from_wasi(datagram.remote_address);
            writeln!(lines, "{from} {}", String::from_utf8_lossy(&datagram.data)).unwrap();
            left -= 1;
        }
        if left > 0 {
            wait("receive", &incoming.subscribe())?;
        }
    }
    Ok(lines)
}

fn udp_bind(target: &Target) -> Outcome {
    bind_udp(address(target, "at")?)?;
    Ok("bound".into())
}

fn many(target: &Target) -> Outcome {
    let (mut tcp, mut udp) = (Vec::new(), Vec::new());
    let mut failure = "";
    for number in 0..target.number("count", 1) {
        let made = match number % 2 {
            0 => create_tcp_socket(IpAddressFamily::Ipv4).map(|socket| tcp.push(socket)),
            _ => create_udp_socket(IpAddressFamily::Ipv4).map(|socket| udp.push(socket)),
        };
        if let Err(error) = made {
            failure = error.name();
            break;
        }
    }
    Ok(format!("{} {failure}", tcp.len() + udp.len()))
}

// ---- waiting, errors, addresses --------------------------------------------------------------------------------------

fn wait(step: &str, for_what: &Pollable) -> Result<(), String> {
    let ready = poll(&[for_what, &subscribe_duration(PATIENCE_NS)]);
    if ready.contains(&0) { Ok(()) } else { Err(format!("{step}: nothing happened")) }
}

fn finish<T>(step: &'static str, ready: &Pollable, attempt: impl Fn() -> Result<T, ErrorCode>) -> Result<T, String> {
    loop {
        match attempt() {
            Err(ErrorCode::WouldBlock) => wait(step, ready)?,
            other => return other.map_err(failed(step)),
        }
    }
}

fn failed(step: &'static str) -> impl Fn(ErrorCode) -> String {
    move |error| format!("{step}: {}", error.name())
}

fn family_of(address: SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn to_wasi(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) })
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            })
        }
    }
}

fn from_wasi(address: IpSocketAddress) -> SocketAddr {
    match address {
        IpSocketAddress::Ipv4(v4) => {
            let (a, b, c, d) = v4.address;
            SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), v4.port)
        }
        IpSocketAddress::Ipv6(v6) => {
            let (a, b, c, d, e, f, g, h) = v6.address;
            SocketAddr::new(Ipv6Addr::new(a, b, c, d, e, f, g, h).into(), v6.port)
        }
    }
}

http_guest::export_http_guest!(Sockets with_types_in http_guest);
