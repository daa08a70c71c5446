//! Turns core modules into components and WIT into Go, for tools/guests.py.
//!
//! Each command reads files, writes files and exits 1 with one message when it cannot.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider as adapters;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

const USAGE: &str = "usage:
  guestkit go-bindings WIT WORLD OUT_DIR           Go packages for a world
  guestkit embed CORE WIT WORLD OUT                a core module that carries the type of its world
  guestkit component CORE reactor|command|none OUT a component; the adapter serves the module's preview 1 imports
  guestkit wat TEXT OUT                            a module written as text";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["go-bindings", wit, world, out] => go_bindings(wit, world, Path::new(out)),
        ["embed", core, wit, world, out] => embed(core, wit, world, out),
        ["component", core, adapter, out] => component(core, adapter, out),
        ["wat", text, out] => fs::write(out, wat::parse_file(text)?).with_context(|| format!("writing {out}")),
        _ => bail!("{USAGE}"),
    }
}

fn resolve(wit: &str, world: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("reading {wit}"))?;
    let world = resolve.select_world(&[package], Some(world))?;
    Ok((resolve, world))
}

fn go_bindings(wit: &str, world: &str, out: &Path) -> Result<()> {
    let (mut resolve, world) = resolve(wit, world)?;
    let mut files = Files::default();
    let options = wit_bindgen_go::Opts { format: wit_bindgen_go::Format::False, ..Default::default() };
    options.build().generate(&mut resolve, world, &mut files)?;
    for (name, contents) in files.iter() {
        let path = out.join(name);
        fs::create_dir_all(path.parent().unwrap_or(out))?;
        fs::write(&path, contents).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn embed(core: &str, wit: &str, world: &str, out: &str) -> Result<()> {
    let (resolve, world) = resolve(wit, world)?;
    let mut module = fs::read(core).with_context(|| format!("reading {core}"))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    fs::write(out, module).with_context(|| format!("writing {out}"))
}

fn component(core: &str, adapter: &str, out: &str) -> Result<()> {
    let module = fs::read(core).with_context(|| format!("reading {core}"))?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).with_context(|| format!("reading the module {core}"))?;
    let adapter = match adapter {
        "reactor" => Some(adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        "command" => Some(adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
        "none" => None,
        other => bail!("no adapter is called {other:?}\n{USAGE}"),
    };
    if let Some(bytes) = adapter {
        encoder.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, bytes)?;
    }
    let bytes = encoder.encode().with_context(|| format!("making a component of {core}"))?;
    fs::write(out, bytes).with_context(|| format!("writing {out}"))
}
