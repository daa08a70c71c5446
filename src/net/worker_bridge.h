// A bridge between two workers: takes exchanges on one and has them answered by a Handler on another. For what lives on
// one worker only (an app with a single instance, say) while its callers are everywhere.
//
// The target sees a proxy that belongs to `to`; the exchange itself stays on `from` and dies there. Everything that
// crosses is copied, and arrives in the order in which it was sent. Head and context live as long as the proxy. A body
// that is whole at hand-over goes along, any other is pulled piece by piece; a write completes on `to` when the
// exchange takes more, so back-pressure reaches across. gone() tells what `from` last told, and asks for news. A proxy
// that is destroyed takes its exchange with it, which answers 500 or cuts the connection as in net/http.h; a read that
// it waits for never completes then, a write still does. From a worker to itself exchanges pass as they are.
//
// Owned by whoever wires the workers; may outlive them. handle() runs on `from`; made and destroyed on any thread, but
// not while handle() runs. Both workers belong to the same Workers. The target outlives every hand-over: it may go when
// `to` has stopped, or has run what was posted to it after the bridge went. Nothing here fails: once the workers have
// stopped, what is on its way is dropped, and exchanges are destroyed with the loop of `from`.
#pragma once

#include <memory>

#include "net/http.h"
#include "net/worker.h"

namespace tandem::net {

std::unique_ptr<Handler> make_worker_bridge(Worker& from, Worker& to, Handler& target);

}  // namespace tandem::net
