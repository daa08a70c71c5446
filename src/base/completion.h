// Completion<T>: how an operation hands back its result. Called exactly once, and possibly before the operation's own
// call returns: an in-memory read completes in place, so the caller never suspends for it.
//
// Unless an interface says otherwise it runs on the worker that started the operation. It must not throw.
#pragma once

#include <functional>

#include "base/result.h"

namespace tandem {

template <class T>
using Completion = std::move_only_function<void(Result<T>)>;

// A piece of work for an Executor.
using Task = std::move_only_function<void()>;

}  // namespace tandem
