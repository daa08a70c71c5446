//! Calls of a guest's exports beside wasi:http's: what a [`Job`] does inside its instance.
//!
//! A job is made on the C++ side's call and runs in the instance's future, like an HTTP call: one at a time, with its
//! suspensions, its time slices and its end told by the done event. It looks its function up in [`Exports`].

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc};
use wasmtime::{Result, Store, format_err};

use crate::ctx::Ctx;

/// An exported function that a program has.
pub(crate) struct Export {
    pub interface: &'static str,
    pub function: &'static str,
    pub index: ComponentExportIndex,
}

/// One call. An error is the end of the instance, as a trap is.
pub trait Job: Send {
    fn run<'a>(self: Box<Self>, exports: Exports<'a>) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
}

/// The functions that an instance has looked up, in the order of its program's exports.
pub(crate) type Found = Vec<Option<Box<dyn Any + Send + Sync>>>;

/// What a job sees of its instance.
pub struct Exports<'a> {
    pub store: &'a mut Store<Ctx>,
    pub(crate) instance: &'a Instance,
    pub(crate) exports: &'a [Export],
    pub(crate) found: &'a mut Found,
}

impl Exports<'_> {
    /// The function of that name. Its types are compared once an instance. Fails when the guest's are others.
    pub fn function<P, R>(&mut self, interface: &str, function: &str) -> Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let place = self
            .exports
            .iter()
            .position(|export| export.interface == interface && export.function == function)
            .ok_or_else(|| format_err!("the guest does not export {interface}'s {function}"))?;
        if let Some(found) = self.found[place].as_ref().and_then(|any| any.downcast_ref::<TypedFunc<P, R>>()) {
            return Ok(*found);
        }
        let index = self.exports[place].index;
        let made = self
            .instance
            .get_typed_func::<P, R>(&mut *self.store, &index)
            .map_err(|error| format_err!("the guest's {interface} is another one: {function}: {error:#}"))?;
        self.found[place] = Some(Box::new(made));
        Ok(made)
    }
}
