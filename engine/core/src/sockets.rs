//! What a guest reaches over wasi:sockets. The program's owner is asked for every name that is looked up and for every
//! address that a socket connects to, sends to or hears from; nobody is listened to.
//!
//! A name counts twice, as in HTTP: it must be granted to be looked up, and each address that it led to is judged, with the
//! name, when a socket is about to use it. So an instance remembers what its lookups answered.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, HostResolveAddressStream, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{Network, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView};

use crate::ctx::Ctx;
use crate::ffi::Str;

const IP_NAME_LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const TCP_CREATE_SOCKET: &str = "wasi:sockets/tcp-create-socket@0.2.12";
const UDP_CREATE_SOCKET: &str = "wasi:sockets/udp-create-socket@0.2.12";

/// Sockets that an instance has at the same time: a guest that leaks them does not take the process's last one.
const MAX_SOCKETS: usize = 128;
/// What DNS allows.
const MAX_NAME_BYTES: usize = 253;
/// Lookups that a guest reads at the same time; the answers of older ones grant nothing.
const MAX_OPEN: usize = 64;
/// Addresses that an instance remembers; the oldest is forgotten first.
const MAX_FOUND: usize = 256;

pub(crate) type AllowNameFn = unsafe extern "C" fn(*mut c_void, Str) -> bool;
pub(crate) type AllowAddressFn = unsafe extern "C" fn(*mut c_void, i32, Str, Str, u16) -> bool;

/// `enum tdm_transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Transport {
    Tcp = 1,
    Udp = 2,
}

/// Who says which names and addresses are granted.
#[derive(Clone, Copy)]
pub(crate) struct Policy {
    pub allow_name: AllowNameFn,
    pub allow_address: AllowAddressFn,
    pub data: *mut c_void,
}

// SAFETY: the header requires the functions and their data to be usable from any thread.
unsafe impl Send for Policy {}
// SAFETY: as above.
unsafe impl Sync for Policy {}

impl Policy {
    fn allows_name(&self, name: &str) -> bool {
        // SAFETY: as the header says of allow_name.
        unsafe { (self.allow_name)(self.data, Str::new(name.as_bytes())) }
    }

    fn allows_address(&self, transport: Transport, name: &str, ip: IpAddr, port: u16) -> bool {
        let (name, ip) = (Str::new(name.as_bytes()), ip.to_string());
        // SAFETY: as the header says of allow_address.
        unsafe { (self.allow_address)(self.data, transport as i32, name, Str::new(ip.as_bytes()), port) }
    }
}

/// What the sockets of one instance reach.
pub(crate) struct Reach {
    policy: Policy,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Lookups whose answers are being read: the handle, and the name.
    open: VecDeque<(u32, Arc<str>)>,
    /// Where a name led.
    found: VecDeque<(Arc<str>, IpAddr)>,
    /// Handles of sockets, some of them closed meanwhile.
    sockets: Vec<u32>,
}

impl Reach {
    pub fn new(policy: Policy) -> Arc<Reach> {
        Arc::new(Reach { policy, seen: Mutex::default() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lookup has begun; `handle` may be one that an older lookup had.
    fn begin(&self, handle: u32, name: String) {
        let mut seen = self.seen();
        seen.open.retain(|(open, _)| *open != handle);
        if seen.open.len() == MAX_OPEN {
            seen.open.pop_front();
        }
        seen.open.push_back((handle, name.into()));
    }

    /// A lookup has answered with an address.
    fn find(&self, handle: u32, ip: IpAddr) {
        let mut seen = self.seen();
        let Some(name) = seen.open.iter().find(|(open, _)| *open == handle).map(|(_, name)| name.clone()) else {
            return;
        };
        seen.found.retain(|(known, at)| *known != name || *at != ip);
        if seen.found.len() == MAX_FOUND {
            seen.found.pop_front();
        }
        seen.found.push_back((name, ip));
    }

    fn allows(&self, transport: Transport, address: &SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        if self.policy.allows_address(transport, "", ip, port) {
            return true;
        }
        let names: Vec<Arc<str>> =
            self.seen().found.iter().filter(|(_, at)| *at == ip).map(|(name, _)| name.clone()).collect();
        names.iter().any(|name| self.policy.allows_address(transport, name, ip, port))
    }

    fn allows_use(&self, address: &SocketAddr, usage: SocketAddrUse) -> bool {
        match usage {
            SocketAddrUse::TcpConnect => self.allows(Transport::Tcp, address),
            SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => self.allows(Transport::Udp, address),
            // A socket is bound before it connects or sends; port 0 on no particular address hears only answers.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        }
    }
}

/// Lets a guest have the sockets of `reach`, or none.
pub(crate) fn grant(reach: Option<&Arc<Reach>>, wasi: &mut WasiCtxBuilder) {
    let granted = reach.is_some();
    wasi.allow_tcp(granted).allow_udp(granted).allow_ip_name_lookup(granted);
    if let Some(reach) = reach.cloned() {
        wasi.socket_addr_check(move |address, usage| {
            let allowed = reach.allows_use(&address, usage);
            Box::pin(async move { allowed })
        });
    }
}

type Store<'a> = StoreContextMut<'a, Ctx>;
type WasiResult<T> = Result<std::result::Result<T, ErrorCode>>;

/// Puts the question for the name before WASI's lookup, notes what it answers, and counts sockets. After WASI itself.
pub(crate) fn add_to_linker(linker: &mut Linker<Ctx>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut names = linker.instance(IP_NAME_LOOKUP)?;
    names.func_wrap("resolve-addresses", |mut store: Store, (network, name): (Resource<Network>, String)| {
        Ok((resolve_addresses(store.data_mut(), network, name)?,))
    })?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: Store, (stream,): (Resource<ResolveAddressStream>,)| {
            Ok((resolve_next_address(store.data_mut(), stream)?,))
        },
    )?;
    let mut tcp = linker.instance(TCP_CREATE_SOCKET)?;
    tcp.func_wrap("create-tcp-socket", |mut store: Store, (family,): (IpAddressFamily,)| {
        Ok((create_tcp_socket(store.data_mut(), family)?,))
    })?;
    let mut udp = linker.instance(UDP_CREATE_SOCKET)?;
    udp.func_wrap_async("create-udp-socket", |mut store: Store, (family,): (IpAddressFamily,)| {
        Box::new(async move { Ok((create_udp_socket(store.data_mut(), family).await?,)) })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

fn resolve_addresses(
    ctx: &mut Ctx,
    network: Resource<Network>,
    name: String,
) -> WasiResult<Resource<ResolveAddressStream>> {
    if name.len() > MAX_NAME_BYTES {
        return Ok(Err(ErrorCode::InvalidArgument));
    }
    let Some(reach) = ctx.reach.clone().filter(|reach| reach.policy.allows_name(&name)) else {
        return Ok(Err(ErrorCode::AccessDenied));
    };
    let stream = plain_error(ip_name_lookup::Host::resolve_addresses(&mut ctx.sockets(), network, name.clone()))?;
    if let Ok(stream) = &stream {
        reach.begin(stream.rep(), name);
    }
    Ok(stream)
}

fn resolve_next_address(ctx: &mut Ctx, stream: Resource<ResolveAddressStream>) -> WasiResult<Option<IpAddress>> {
    let handle = stream.rep();
    let address = plain_error(ctx.sockets().resolve_next_address(stream))?;
    if let (Some(reach), Ok(Some(address))) = (&ctx.reach, &address) {
        reach.find(handle, plain(address));
    }
    Ok(address)
}

fn create_tcp_socket(ctx: &mut Ctx, family: IpAddressFamily) -> WasiResult<Resource<TcpSocket>> {
    if !has_room(ctx) {
        return Ok(Err(ErrorCode::NewSocketLimit));
    }
    let socket = plain_error(tcp_create_socket::Host::create_tcp_socket(&mut ctx.sockets(), family))?;
    count(ctx, &socket);
    Ok(socket)
}

async fn create_udp_socket(ctx: &mut Ctx, family: IpAddressFamily) -> WasiResult<Resource<UdpSocket>> {
    if !has_room(ctx) {
        return Ok(Err(ErrorCode::NewSocketLimit));
    }
    let socket = plain_error(udp_create_socket::Host::create_udp_socket(&mut ctx.sockets(), family).await)?;
    count(ctx, &socket);
    Ok(socket)
}

/// Whether the instance may have one more socket.
fn has_room(ctx: &Ctx) -> bool {
    let Some(reach) = &ctx.reach else { return true };
    let is_open = |handle: u32| {
        ctx.table.get(&Resource::<TcpSocket>::new_borrow(handle)).is_ok()
            || ctx.table.get(&Resource::<UdpSocket>::new_borrow(handle)).is_ok()
    };
    let mut seen = reach.seen();
    if seen.sockets.len() >= MAX_SOCKETS {
        seen.sockets.retain(|handle| is_open(*handle));
        seen.sockets.sort_unstable();
        seen.sockets.dedup();
    }
    seen.sockets.len() < MAX_SOCKETS
}

fn count<T>(ctx: &Ctx, socket: &std::result::Result<Resource<T>, ErrorCode>) {
    if let (Some(reach), Ok(socket)) = (&ctx.reach, socket) {
        reach.seen().sockets.push(socket.rep());
    }
}

/// WASI's own errors apart from what ends the guest.
fn plain_error<T>(result: SocketResult<T>) -> WasiResult<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

fn plain(address: &IpAddress) -> IpAddr {
    match *address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from(Ipv6Addr::new(a, b, c, d, e, f, g, h)).to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grants TCP to port 80 of "db.example", to UDP's port 53 of 10.0.0.1, and no name else.
    fn reach() -> Arc<Reach> {
        unsafe extern "C" fn allow_name(_: *mut c_void, name: Str) -> bool {
            unsafe { name.text() == "db.example" }
        }
        unsafe extern "C" fn allow_address(_: *mut c_void, transport: i32, name: Str, ip: Str, port: u16) -> bool {
            let (name, ip) = unsafe { (name.text(), ip.text()) };
            match (name.as_str(), port) {
                ("", 53) => transport == Transport::Udp as i32 && ip == "10.0.0.1",
                ("db.example", 80) => transport == Transport::Tcp as i32 && !ip.starts_with("127."),
                _ => false,
            }
        }
        Reach::new(Policy { allow_name, allow_address, data: std::ptr::null_mut() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn connects(reach: &Reach, address: &str) -> bool {
        reach.allows_use(&address.parse().unwrap(), SocketAddrUse::TcpConnect)
    }

    #[test]
    fn an_address_is_granted_by_the_name_that_led_there() {
        let reach = reach();
        assert!(reach.policy.allows_name("db.example") && !reach.policy.allows_name("other.example"));
        assert!(!connects(&reach, "93.184.216.34:80"));
        reach.begin(7, "db.example".into());
        reach.find(7, ip("93.184.216.34"));
        reach.find(7, ip("127.0.0.1"));
        reach.find(8, ip("93.184.216.35"));
        assert!(connects(&reach, "93.184.216.34:80"));
        assert!(!connects(&reach, "93.184.216.34:81"), "another port");
        assert!(!connects(&reach, "127.0.0.1:80"), "the name is granted, this address of it is not");
        assert!(!connects(&reach, "93.184.216.35:80"), "nobody looked that up");
        assert!(!reach.allows_use(&"93.184.216.34:80".parse().unwrap(), SocketAddrUse::UdpSend), "another transport");
    }

    #[test]
    fn a_handle_that_is_used_again_is_another_lookup() {
        let reach = reach();
        reach.begin(7, "db.example".into());
        reach.begin(7, "other.example".into());
        reach.find(7, ip("93.184.216.34"));
        assert!(!connects(&reach, "93.184.216.34:80"));
    }

    #[test]
    fn transports_are_told_apart_and_nobody_is_listened_to() {
        let reach = reach();
        let asked = |address: &str, usage| reach.allows_use(&address.parse().unwrap(), usage);
        for usage in [SocketAddrUse::UdpSend, SocketAddrUse::UdpReceive] {
            assert!(asked("10.0.0.1:53", usage) && asked("[::ffff:10.0.0.1]:53", usage));
            assert!(!asked("10.0.0.1:54", usage) && !asked("10.0.0.2:53", usage));
        }
        assert!(!asked("10.0.0.1:53", SocketAddrUse::TcpConnect));
        for usage in [SocketAddrUse::TcpBind, SocketAddrUse::UdpBind] {
            assert!(asked("0.0.0.0:0", usage) && asked("[::]:0", usage));
            assert!(!asked("0.0.0.0:53", usage) && !asked("127.0.0.1:0", usage) && !asked("10.0.0.1:53", usage));
        }
        for usage in [SocketAddrUse::TcpListen, SocketAddrUse::TcpAccept] {
            assert!(!asked("0.0.0.0:0", usage) && !asked("10.0.0.1:53", usage));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let reach = reach();
        for handle in 0..1000 {
            reach.begin(handle, "db.example".into());
            reach.find(handle, ip(&format!("8.8.{}.{}", handle / 250, handle % 250)));
            reach.find(handle, ip("9.9.9.9"));
        }
        let seen = reach.seen();
        assert_eq!((seen.open.len(), seen.found.len()), (MAX_OPEN, MAX_FOUND));
        assert_eq!(seen.found.iter().filter(|(_, at)| *at == ip("9.9.9.9")).count(), 1);
    }
}
