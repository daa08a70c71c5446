;; A WASI command that grows its table for as long as the host lets it. A host with a limit on tables refuses, and the
;; command ends with status 0; one that grants a thousand million entries gets a trap.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (table $entries 1 funcref)
  (func (export "_start")
    (loop $more
      (if (i32.eq (table.grow $entries (ref.null func) (i32.const 10000)) (i32.const -1))
        (then (call $exit (i32.const 0))))
      (br_if $more (i32.lt_u (table.size $entries) (i32.const 1000000000))))
    unreachable))
