//! A client of the C ABI: guests in the text format, a store that answers in place or later, and a record of it all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

// The symbols below are in these libraries.
use tandem_engine_wit as _;

pub type User = *mut c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    ptr: *const u8,
    len: usize,
}

pub fn span(bytes: &[u8]) -> Str {
    Str { ptr: bytes.as_ptr(), len: bytes.len() }
}

impl Str {
    pub const NONE: Str = Str { ptr: std::ptr::null(), len: 0 };

    pub fn text(self) -> String {
        if self.len == 0 {
            return String::new();
        }
        String::from_utf8(unsafe { std::slice::from_raw_parts(self.ptr, self.len) }.to_vec()).expect("UTF-8")
    }

    pub fn is_absent(self) -> bool {
        self.ptr.is_null()
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    pub name: Str,
    pub value: Str,
}

#[repr(C)]
pub struct Bytes {
    ptr: *const u8,
    len: usize,
    owner: User,
    release: Option<unsafe extern "C" fn(User)>,
}

#[repr(C)]
pub struct Item {
    value: Bytes,
    etag: Str,
    metadata: *const Header,
    metadata_count: usize,
}

#[repr(C)]
pub struct Entry {
    operation: i32,
    key: Str,
    value: Str,
    etag: Str,
    concurrency: i32,
    consistency: i32,
    has_ttl: bool,
    ttl_seconds: i32,
    content_type: Str,
    metadata: *const Header,
    metadata_count: usize,
}

pub type Reply = *const c_void;
type Many = unsafe extern "C" fn(User, Str, *const Entry, usize, Reply);
type One = unsafe extern "C" fn(User, Str, *const Entry, Reply);

#[repr(C)]
struct StateVtable {
    get: unsafe extern "C" fn(User, Str, Str, Reply),
    get_item: unsafe extern "C" fn(User, Str, Str, i32, *const Header, usize, Reply),
    set: unsafe extern "C" fn(User, Str, Str, Str, Reply),
    set_item: One,
    remove: unsafe extern "C" fn(User, Str, Str, Reply),
    remove_item: One,
    get_many: unsafe extern "C" fn(User, Str, *const Str, usize, Reply),
    set_many: Many,
    remove_many: Many,
    transact: Many,
    list_keys: unsafe extern "C" fn(User, Str, Str, u64, Reply),
    find_store: unsafe extern "C" fn(User, Str, Reply),
}

#[repr(C)]
struct EngineConfig {
    max_instances: u32,
    max_memory_bytes: u64,
    max_total_memory_bytes: u64,
    max_table_elements: u64,
    max_stack_bytes: u64,
    keep_resident_bytes: u64,
    tick_ms: u32,
    cache_folder: Str,
}

#[repr(C)]
struct ProgramConfig {
    env: *const Header,
    env_count: usize,
    args: *const Str,
    args_count: usize,
    mounts: *const c_void,
    mounts_count: usize,
    max_memory_bytes: u64,
    max_table_elements: u64,
    allow_name: Option<extern "C" fn(User, Str) -> bool>,
    allow_address: Option<extern "C" fn(User, i32, Str, Str, u16) -> bool>,
    policy: User,
}

#[repr(C)]
struct Events {
    wake: extern "C" fn(User),
    release_waker: extern "C" fn(User),
    log: extern "C" fn(User, i32, Str),
    answer: extern "C" fn(User, User, u16, *const Header, usize, Str, bool),
    answer_error: extern "C" fn(User, User, Str),
    answer_body: extern "C" fn(User, User, Str),
    answer_end: extern "C" fn(User, User, *const Header, usize),
    answer_cut: extern "C" fn(User, User),
    want_body: extern "C" fn(User, User),
    done: extern "C" fn(User, User, i32, bool, *const c_void),
    /// Not used by these guests.
    http: [extern "C" fn(); 5],
}

#[repr(C)]
struct Request {
    strings: [Str; 4],
    headers: *const Header,
    headers_count: usize,
    body: Str,
    body_whole: bool,
    trailers: *const Header,
    trailers_count: usize,
}

unsafe extern "C" {
    fn tdm_engine_new(config: *const EngineConfig, out: *mut User) -> User;
    fn tdm_engine_delete(engine: User);
    fn tdm_module_load(engine: User, bytes: Str, out: *mut User) -> User;
    fn tdm_module_delete(module: User);
    fn tdm_linker_new(engine: User, out: *mut User) -> User;
    fn tdm_linker_delete(linker: User);
    fn tdm_program_new(module: User, linker: User, config: *const ProgramConfig, out: *mut User) -> User;
    fn tdm_program_delete(program: User);
    fn tdm_instance_new(program: User, events: *const Events, user: User, waker: User, out: *mut User) -> User;
    fn tdm_instance_start(instance: User, request: *const Request, call: User);
    fn tdm_instance_poll(instance: User) -> i32;
    fn tdm_instance_delete(instance: User);
    fn tdm_error_get_message(error: *const c_void) -> Str;
    fn tdm_wit_state_add(linker: User, vtable: *const StateVtable) -> User;
    fn tdm_wit_keyvalue_add(linker: User, vtable: *const StateVtable) -> User;
    fn tdm_wit_config_add(linker: User, pairs: *const Header, count: usize, more: *const u8) -> User;
    fn tdm_reply_error(reply: Reply, code: i32, reason: Str, message: Str);
    fn tdm_reply_done(reply: Reply);
    fn tdm_reply_value(reply: Reply, value: *const Bytes);
    fn tdm_reply_item(reply: Reply, item: *const Item);
}

fn check(error: User) -> Result<(), String> {
    if error.is_null() { Ok(()) } else { Err(unsafe { tdm_error_get_message(error) }.text()) }
}

/// How the store answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    InPlace,
    Later,
    /// Every get is answered in place with the same bytes: nothing but the binding costs anything.
    Fixed,
}

type Answer = Box<dyn FnOnce()>;

/// A store of one instance, its waker, and what has happened.
pub struct Host {
    pub mode: Mode,
    pub values: RefCell<HashMap<String, (Vec<u8>, u64)>>,
    /// Calls in the order they came, "set store key value".
    pub calls: RefCell<Vec<String>>,
    /// Runs at the start of every read-for-update: what somebody else does meanwhile.
    pub meanwhile: RefCell<Option<Box<dyn FnMut(&Host)>>>,
    waiting: RefCell<Vec<Answer>>,
    pub wakes: AtomicUsize,
    pub ended: RefCell<Option<(i32, String)>>,
}

/// Values that are given out and not yet released, in the whole process.
pub static LENT: AtomicUsize = AtomicUsize::new(0);

fn lend(value: &[u8]) -> Bytes {
    unsafe extern "C" fn release(owner: User) {
        drop(unsafe { Box::from_raw(owner.cast::<Vec<u8>>()) });
        LENT.fetch_sub(1, Ordering::SeqCst);
    }
    LENT.fetch_add(1, Ordering::SeqCst);
    let owned = Box::new(value.to_vec());
    Bytes { ptr: owned.as_ptr(), len: owned.len(), owner: Box::into_raw(owned).cast(), release: Some(release) }
}

impl Host {
    pub fn new(mode: Mode) -> Box<Host> {
        Box::new(Host {
            mode,
            values: RefCell::default(),
            calls: RefCell::default(),
            meanwhile: RefCell::default(),
            waiting: RefCell::default(),
            wakes: AtomicUsize::new(0),
            ended: RefCell::default(),
        })
    }

    pub fn put(&self, key: &str, value: &str) {
        let mut values = self.values.borrow_mut();
        let version = values.get(key).map_or(0, |(_, version)| *version) + 1;
        values.insert(key.to_string(), (value.as_bytes().to_vec(), version));
    }

    pub fn at(&self, key: &str) -> Option<String> {
        self.values.borrow().get(key).map(|(value, _)| String::from_utf8(value.clone()).expect("UTF-8"))
    }

    fn note(&self, parts: &[Str]) {
        self.calls.borrow_mut().push(parts.iter().map(|part| part.text()).collect::<Vec<_>>().join(" "));
    }

    fn answer(&self, answer: impl FnOnce() + 'static) {
        match self.mode {
            Mode::InPlace | Mode::Fixed => answer(),
            Mode::Later => self.waiting.borrow_mut().push(Box::new(answer)),
        }
    }

    /// Gives the answers that wait; false when there was none.
    pub fn give_answers(&self) -> bool {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        let any = !waiting.is_empty();
        waiting.into_iter().for_each(|answer| answer());
        any
    }
}

fn host<'a>(user: User) -> &'a Host {
    unsafe { &*user.cast::<Host>() }
}

unsafe extern "C" fn get(user: User, store: Str, key: Str, reply: Reply) {
    let host = host(user);
    if host.mode == Mode::Fixed {
        static VALUE: &[u8] = b"a value of some thirty-two bytes";
        let value = Bytes { ptr: VALUE.as_ptr(), len: VALUE.len(), owner: std::ptr::null_mut(), release: None };
        return unsafe { tdm_reply_value(reply, &value) };
    }
    if store.text() != "s" {
        let message = format!("state store {} is not found", store.text());
        return host.answer(move || unsafe {
            tdm_reply_error(reply, 3, span(b"ERR_STATE_STORE_NOT_FOUND"), span(message.as_bytes()));
        });
    }
    let found = host.values.borrow().get(&key.text()).map(|(value, _)| value.clone());
    host.answer(move || match found {
        Some(value) => unsafe { tdm_reply_value(reply, &lend(&value)) },
        None => unsafe { tdm_reply_value(reply, std::ptr::null()) },
    });
}

unsafe extern "C" fn get_item(user: User, _: Str, key: Str, _: i32, _: *const Header, _: usize, reply: Reply) {
    let host = host(user);
    let found = host.values.borrow().get(&key.text()).cloned();
    if let Some(meanwhile) = host.meanwhile.borrow_mut().as_mut() {
        meanwhile(host);
    }
    host.answer(move || match found {
        Some((value, version)) => {
            let etag = version.to_string();
            let item = Item {
                value: lend(&value),
                etag: span(etag.as_bytes()),
                metadata: std::ptr::null(),
                metadata_count: 0,
            };
            unsafe { tdm_reply_item(reply, &item) };
        }
        None => unsafe { tdm_reply_item(reply, std::ptr::null()) },
    });
}

unsafe extern "C" fn set(user: User, store: Str, key: Str, value: Str, reply: Reply) {
    let host = host(user);
    host.note(&[span(b"set"), store, key, value]);
    host.put(&key.text(), &value.text());
    host.answer(move || unsafe { tdm_reply_done(reply) });
}

unsafe extern "C" fn set_item(user: User, store: Str, entry: *const Entry, reply: Reply) {
    let (host, entry) = (host(user), unsafe { &*entry });
    host.note(&[span(b"set-item"), store, entry.key, entry.value]);
    let current = host.values.borrow().get(&entry.key.text()).map(|(_, version)| version.to_string());
    let wanted = (!entry.etag.is_absent()).then(|| entry.etag.text());
    if entry.concurrency == 2 && current != wanted {
        return host.answer(move || unsafe { tdm_reply_error(reply, 10, span(b"ERR_STATE_SAVE"), span(b"mismatch")) });
    }
    host.put(&entry.key.text(), &entry.value.text());
    host.answer(move || unsafe { tdm_reply_done(reply) });
}

unsafe extern "C" fn remove(user: User, store: Str, key: Str, reply: Reply) {
    let host = host(user);
    host.note(&[span(b"delete"), store, key]);
    host.values.borrow_mut().remove(&key.text());
    host.answer(move || unsafe { tdm_reply_done(reply) });
}

unsafe extern "C" fn find_store(user: User, identifier: Str, reply: Reply) {
    let known = ["", "default", "s"].contains(&identifier.text().as_str());
    host(user).answer(move || unsafe {
        if known {
            tdm_reply_value(reply, &lend(b"s"));
        } else {
            tdm_reply_error(reply, 5, Str::NONE, span(b"no such store"));
        }
    });
}

unsafe extern "C" fn no_one(_: User, _: Str, _: *const Entry, reply: Reply) {
    unsafe { tdm_reply_error(reply, 12, Str::NONE, Str::NONE) };
}
unsafe extern "C" fn no_many(_: User, _: Str, _: *const Entry, _: usize, reply: Reply) {
    unsafe { tdm_reply_error(reply, 12, Str::NONE, Str::NONE) };
}
unsafe extern "C" fn no_keys(_: User, _: Str, _: *const Str, _: usize, reply: Reply) {
    unsafe { tdm_reply_error(reply, 12, Str::NONE, Str::NONE) };
}

unsafe extern "C" fn no_list(_: User, _: Str, _: Str, _: u64, reply: Reply) {
    unsafe { tdm_reply_error(reply, 12, Str::NONE, Str::NONE) };
}

static STATE: StateVtable = StateVtable {
    get,
    get_item,
    set,
    set_item,
    remove,
    remove_item: no_one,
    get_many: no_keys,
    set_many: no_many,
    remove_many: no_many,
    transact: no_many,
    list_keys: no_list,
    find_store,
};

extern "C" fn wake(waker: User) {
    host(waker).wakes.fetch_add(1, Ordering::SeqCst);
}
extern "C" fn release_waker(_: User) {}
extern "C" fn log(_: User, _: i32, line: Str) {
    println!("guest: {}", line.text());
}
extern "C" fn done(user: User, _: User, outcome: i32, _: bool, error: *const c_void) {
    let message = if error.is_null() { String::new() } else { unsafe { tdm_error_get_message(error) }.text() };
    *host(user).ended.borrow_mut() = Some((outcome, message));
}
extern "C" fn answer(_: User, _: User, _: u16, _: *const Header, _: usize, _: Str, _: bool) {}
extern "C" fn piece(_: User, _: User, _: Str) {}
extern "C" fn answer_end(_: User, _: User, _: *const Header, _: usize) {}
extern "C" fn plain(_: User, _: User) {}
extern "C" fn nothing() {}

static EVENTS: Events = Events {
    wake,
    release_waker,
    log,
    answer,
    answer_error: piece,
    answer_body: piece,
    answer_end,
    answer_cut: plain,
    want_body: plain,
    done,
    http: [nothing; 5],
};

pub const PENDING: i32 = 1;
pub const IDLE: i32 = 2;

/// A guest that is linked and can be run.
pub struct Program {
    engine: User,
    module: User,
    linker: User,
    program: User,
}

impl Program {
    pub fn new(wasm: &[u8], config: &[(&str, &str)]) -> Result<Program, String> {
        let mut all = Program {
            engine: std::ptr::null_mut(),
            module: std::ptr::null_mut(),
            linker: std::ptr::null_mut(),
            program: std::ptr::null_mut(),
        };
        let engine = EngineConfig {
            max_instances: 16,
            max_memory_bytes: 64 << 20,
            max_total_memory_bytes: 0,
            max_table_elements: 10_000,
            max_stack_bytes: 512 << 10,
            keep_resident_bytes: 0,
            tick_ms: 60_000,
            cache_folder: Str::NONE,
        };
        let program = ProgramConfig {
            env: std::ptr::null(),
            env_count: 0,
            args: std::ptr::null(),
            args_count: 0,
            mounts: std::ptr::null(),
            mounts_count: 0,
            max_memory_bytes: 64 << 20,
            max_table_elements: 10_000,
            allow_name: None,
            allow_address: None,
            policy: std::ptr::null_mut(),
        };
        let header =
            |(name, value): &(&str, &str)| Header { name: span(name.as_bytes()), value: span(value.as_bytes()) };
        let pairs: Vec<Header> = config.iter().map(header).collect();
        unsafe {
            check(tdm_engine_new(&engine, &mut all.engine))?;
            check(tdm_module_load(all.engine, span(wasm), &mut all.module))?;
            check(tdm_linker_new(all.engine, &mut all.linker))?;
            check(tdm_wit_state_add(all.linker, &STATE))?;
            check(tdm_wit_keyvalue_add(all.linker, &STATE))?;
            check(tdm_wit_config_add(all.linker, pairs.as_ptr(), pairs.len(), std::ptr::null()))?;
            check(tdm_program_new(all.module, all.linker, &program, &mut all.program))?;
        }
        Ok(all)
    }

    pub fn start<'a>(&'a self, host: &'a Host) -> Instance<'a> {
        let mut raw = std::ptr::null_mut();
        let user = std::ptr::from_ref(host).cast_mut().cast();
        let text = |text: &'static str| span(text.as_bytes());
        let request = Box::new(Request {
            strings: [text("GET"), text("http"), text(""), text("/")],
            headers: std::ptr::null(),
            headers_count: 0,
            body: Str::NONE,
            body_whole: true,
            trailers: std::ptr::null(),
            trailers_count: 0,
        });
        unsafe {
            check(tdm_instance_new(self.program, &EVENTS, user, user, &mut raw)).expect("a slot");
            tdm_instance_start(raw, &*request, std::ptr::null_mut());
        }
        Instance { raw, host, _request: request }
    }

    /// Runs the guest to its end and returns how many polls that took.
    pub fn run(&self, host: &Host) -> usize {
        let instance = self.start(host);
        let mut polls = 1;
        while instance.poll() == PENDING {
            assert!(host.give_answers(), "the guest waits for nothing");
            polls += 1;
            assert!(polls < 1000, "the guest does not come to an end");
        }
        let (_, message) = host.ended.borrow_mut().take().expect("the guest has come to an end");
        let failed = ["exited with status", "trap", "panic"].iter().any(|word| message.contains(word));
        assert!(!failed, "{message}; calls: {:?}", host.calls.borrow());
        polls
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        unsafe {
            tdm_program_delete(self.program);
            tdm_linker_delete(self.linker);
            tdm_module_delete(self.module);
            tdm_engine_delete(self.engine);
        }
    }
}

pub struct Instance<'a> {
    raw: User,
    host: &'a Host,
    _request: Box<Request>,
}

impl Instance<'_> {
    pub fn poll(&self) -> i32 {
        unsafe { tdm_instance_poll(self.raw) }
    }
    pub fn host(&self) -> &Host {
        self.host
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        unsafe { tdm_instance_delete(self.raw) };
    }
}
