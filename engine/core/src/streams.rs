//! What every answer of a guest goes through, without the detour that a stream which is never waited for does not need.
//!
//! wasi:io/streams comes from wasmtime-wasi-io, whose `blocking-write-and-flush` makes a boxed future for each of its
//! steps. Here a write that fits at once is done at once; any other takes wasmtime-wasi-io's way.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_io::bindings::wasi::io::streams::{Host, StreamError as WitError};
use wasmtime_wasi_io::streams::{DynOutputStream, OutputStream, StreamError, StreamResult};

use crate::ctx::Ctx;

const STREAMS: &str = "wasi:io/streams@0.2.12";

/// What the WIT allows in one call of blocking-write-and-flush.
const MAX_BLOCKING_WRITE: usize = 4096;

/// After WASI itself.
pub(crate) fn add_to_linker(linker: &mut Linker<Ctx>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.instance(STREAMS)?.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: StoreContextMut<'_, Ctx>, (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
            Box::new(async move {
                let table = &mut store.data_mut().table;
                let written = write_and_flush(table.get_mut(&stream)?.as_mut(), bytes).await;
                let answer: std::result::Result<(), WitError> = match written {
                    Ok(()) => Ok(()),
                    Err(error) => Err(table.convert_stream_error(error)?),
                };
                Ok((answer,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn write_and_flush(stream: &mut dyn OutputStream, bytes: Vec<u8>) -> StreamResult<()> {
    if bytes.len() > MAX_BLOCKING_WRITE {
        return Err(StreamError::trap("blocking-write-and-flush takes at most 4096 bytes"));
    }
    let room = stream.check_write()?;
    if room == 0 || room < bytes.len() {
        return stream.blocking_write_and_flush(bytes.into()).await;
    }
    stream.write(bytes.into())?;
    // A stream that closes while it is flushed has taken the bytes.
    let flushed = match stream.flush() {
        Ok(()) => stream.check_write(),
        Err(error) => Err(error),
    };
    let done = match flushed {
        Ok(0) => stream.write_ready().await,
        other => other,
    };
    match done {
        Ok(_) | Err(StreamError::Closed) => Ok(()),
        Err(error) => Err(error),
    }
}
