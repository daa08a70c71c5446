"""Runs a command component under Wasmtime, from its Python package, with wasi:cli and wasi:http: `wasmtime_run.py FILE`.

The guest gets DAPR_HTTP_PORT and the process's output; its exit status is the process's.
"""

import os
import sys

from wasmtime import Engine, ExitTrap, Store, WasiConfig
from wasmtime.component import Component, Linker


def main():
    engine = Engine()
    store = Store(engine)
    wasi = WasiConfig()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.env = [("DAPR_HTTP_PORT", os.environ["DAPR_HTTP_PORT"])]
    store.set_wasi(wasi)
    store.set_wasi_http()
    linker = Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    component = Component.from_file(engine, sys.argv[1])
    instance = linker.instantiate(store, component)
    cli = next(name for name in component.type.exports(engine) if name.startswith("wasi:cli/run@"))
    run = instance.get_func(store, instance.get_export_index(store, "run", instance.get_export_index(store, cli)))
    try:
        # wasi:cli/run gives a result without values: its tag says which.
        return 0 if run(store).tag == "ok" else 1
    except ExitTrap as ended:
        return ended.code


if __name__ == "__main__":
    sys.exit(main())
