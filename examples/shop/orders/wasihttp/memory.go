package wasihttp

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Go collects garbage while it allocates, and reads the clock as it goes. What the host hands in (a path, a header, a
// piece of a body) is allocated in the middle of a host call, where the component model lets a guest call nothing, the
// clock neither: a collection under way then is a trap. So collections happen here, between two calls, and never by
// themselves.
func init() { debug.SetGCPercent(-1) }

// collectAfter is how much may be allocated between two collections, in bytes.
const collectAfter = 16 << 20

var (
	allocated   = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	collectedAt uint64
)

// collect runs a whole collection when it is time for one.
func collect() {
	metrics.Read(allocated)
	if now := allocated[0].Value.Uint64(); now-collectedAt > collectAfter {
		collectedAt = now
		runtime.GC()
	}
}
