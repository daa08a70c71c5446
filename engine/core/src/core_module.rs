//! Core modules with host imports over guest memory: the ABI of http-wasm and of plug-ins of its kind.
//!
//! C++ defines functions by module and name before a program is linked; each gets the numbers of the call and the guest's
//! memory. Exports are called by name, with numbers in and out, one call at a time like any other call of an instance.

use std::ffi::c_void;

use wasmtime::{Caller, FuncType, InstancePre, Result, Store, Val, ValType, bail, format_err};

use crate::ctx::Ctx;
use crate::ffi::{Error, ErrorKind, Str, fence, guard, slice};
use crate::instance::{Instance, Link, end_call, next_call};
use crate::linker::Linker;

/// `tdm_memory`: the guest's memory for the length of a host function. Null when the module exports none.
#[repr(C)]
pub struct Memory {
    pub ptr: *mut u8,
    pub len: usize,
}

/// Numbers travel as 64 bits: an i32 or f32 in the low half.
type HostFn = unsafe extern "C" fn(*mut c_void, *mut c_void, *const Memory, *const u64, *mut u64) -> bool;

/// The running call: which export with what, then what came back.
#[derive(Default)]
pub struct CoreCall {
    export: String,
    arguments: Vec<u64>,
    results: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Host {
    function: HostFn,
    data: *mut c_void,
}

// SAFETY: the header requires the function and its data to be usable from any worker.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

fn types(letters: Str) -> Result<Vec<ValType>, Error> {
    // SAFETY: borrowed for the call.
    unsafe { letters.bytes() }
        .iter()
        .map(|letter| match letter {
            b'i' => Ok(ValType::I32),
            b'I' => Ok(ValType::I64),
            b'f' => Ok(ValType::F32),
            b'F' => Ok(ValType::F64),
            _ => Err(Error::new(ErrorKind::Invalid, "a type is one of i, I, f, F")),
        })
        .collect()
}

fn number_of(value: &Val) -> Result<u64> {
    Ok(match value {
        Val::I32(number) => *number as u32 as u64,
        Val::I64(number) => *number as u64,
        Val::F32(bits) => u64::from(*bits),
        Val::F64(bits) => *bits,
        _ => bail!("only numbers pass between host and guest"),
    })
}

fn value_of(number: u64, ty: &ValType) -> Result<Val> {
    Ok(match ty {
        ValType::I32 => Val::I32(number as u32 as i32),
        ValType::I64 => Val::I64(number as i64),
        ValType::F32 => Val::F32(number as u32),
        ValType::F64 => Val::F64(number),
        _ => bail!("only numbers pass between host and guest"),
    })
}

fn define(linker: &mut Linker, module: &str, name: &str, ty: FuncType, host: Host) -> Result<()> {
    let results: Vec<ValType> = ty.results().collect();
    linker.core.func_new(module, name, ty, move |mut caller: Caller<'_, Ctx>, arguments, out| {
        let host = host;
        let numbers = arguments.iter().map(number_of).collect::<Result<Vec<u64>>>()?;
        let user = caller.data().user();
        let memory = match caller.get_export("memory").and_then(|export| export.into_memory()) {
            Some(memory) => {
                let bytes = memory.data_mut(&mut caller);
                Memory { ptr: bytes.as_mut_ptr(), len: bytes.len() }
            }
            None => Memory { ptr: std::ptr::null_mut(), len: 0 },
        };
        let mut given = vec![0; results.len()];
        // SAFETY: the memory cannot move during the call, because only the guest grows it.
        let done = unsafe { (host.function)(host.data, user, &memory, numbers.as_ptr(), given.as_mut_ptr()) };
        if !done {
            bail!("the host refused the call");
        }
        for ((slot, number), ty) in out.iter_mut().zip(given).zip(&results) {
            *slot = value_of(number, ty)?;
        }
        Ok(())
    })?;
    linker.core_served.push((module.to_string(), name.to_string()));
    Ok(())
}

/// Starts the module, then runs its exports as they are asked for.
pub(crate) async fn serve(store: &mut Store<Ctx>, link: &std::sync::Arc<Link>, pre: &InstancePre<Ctx>) -> Result<()> {
    let instance = pre.instantiate_async(&mut *store).await?;
    // A reactor's start-up code; a module of a toolchain that knows only commands has it in _start.
    for start in ["_initialize", "_start"] {
        if let Some(function) = instance.get_func(&mut *store, start) {
            function.call_async(&mut *store, &[], &mut []).await?;
            break;
        }
    }
    loop {
        let _request = next_call(link).await;
        let (export, arguments) = {
            let core = &mut link.state().core;
            (std::mem::take(&mut core.export), std::mem::take(&mut core.arguments))
        };
        let function = instance
            .get_func(&mut *store, &export)
            .ok_or_else(|| format_err!("the module does not export a function {export}"))?;
        let ty = function.ty(&*store);
        if ty.params().len() != arguments.len() {
            bail!("{export} takes {} arguments, not {}", ty.params().len(), arguments.len());
        }
        let values = arguments
            .iter()
            .zip(ty.params())
            .map(|(number, ty)| value_of(*number, &ty))
            .collect::<Result<Vec<Val>>>()?;
        let mut results = vec![Val::I32(0); ty.results().len()];
        store.set_epoch_deadline(1);
        function.call_async(&mut *store, &values, &mut results).await?;
        link.state().core.results = results.iter().map(number_of).collect::<Result<Vec<u64>>>()?;
        end_call(store, link);
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_linker_define(
    linker: *mut Linker,
    module: Str,
    name: Str,
    parameters: Str,
    results: Str,
    function: HostFn,
    data: *mut c_void,
) -> *mut Error {
    guard(|| {
        let linker = unsafe { &mut *linker };
        let ty = FuncType::new(&linker.engine.wasmtime, types(parameters)?, types(results)?);
        let (module, name) = unsafe { (module.text(), name.text()) };
        define(linker, &module, &name, ty, Host { function, data })
            .map_err(|error| Error::new(ErrorKind::Link, format!("cannot define {module}.{name}: {error:#}")))
    })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_call(
    instance: *mut Instance,
    export: Str,
    arguments: *const u64,
    count: usize,
    call: *mut c_void,
) {
    fence((), || {
        let instance = unsafe { &*instance };
        {
            let core = &mut instance.link().state().core;
            core.export = unsafe { export.text() };
            core.arguments = unsafe { slice(arguments, count) }.to_vec();
            core.results.clear();
        }
        instance.start(crate::http::call::Foreign(std::ptr::null()), crate::http::body::BodyIn::default(), call);
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tdm_instance_results(instance: *const Instance, out: *mut u64, capacity: usize) -> usize {
    fence(0, || {
        let state = unsafe { &*instance }.link().state();
        let results = &state.core.results;
        for (place, number) in results.iter().take(capacity).enumerate() {
            unsafe { *out.add(place) = *number };
        }
        results.len()
    })
}
