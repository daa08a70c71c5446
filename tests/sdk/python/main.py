"""Runs Dapr's Python SDK against the sidecar that DAPR_HTTP_PORT and DAPR_GRPC_PORT name: health and invocation over HTTP,
state, invocation and metadata over gRPC, in its plain and its asyncio form. Prints a line a check and ends with status 1
at the first one that fails. The app "two" echoes.

What the API answers in detail is in tests/e2e/test_grpc.py; here is the SDK as its users have it."""

import asyncio
import sys

import grpc
from dapr.aio.clients import DaprClient as AsyncDaprClient
from dapr.clients import DaprClient
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions
from dapr.clients.health import DaprHealth
from dapr.conf import settings

STORE = "statestore"
FIRST_WRITE = StateOptions(concurrency=Concurrency.first_write, consistency=Consistency.strong)


def check(what, holds):
    print("ok" if holds else "FAILED", what, flush=True)
    if not holds:
        sys.exit(1)


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    except Exception as error:  # what the HTTP client raises is no gRPC error
        return str(error)
    return None


def state(client):
    for key, value in (("text", b"hello"), ("bytes", bytes(range(256))), ("empty", b"")):
        client.save_state(STORE, key, value)
        check(f"value of {key}", client.get_state(STORE, key).data == value)
        client.delete_state(STORE, key)
        check(f"{key} is gone", client.get_state(STORE, key).etag == "")
    client.save_state(STORE, "etag", "1")
    first = client.get_state(STORE, "etag").etag
    client.save_state(STORE, "etag", "2", etag=first, options=FIRST_WRITE)
    check("an old ETag is refused", code_of(
        lambda: client.save_state(STORE, "etag", "3", etag=first, options=FIRST_WRITE)) == grpc.StatusCode.ABORTED)
    check("an old ETag deletes nothing", code_of(
        lambda: client.delete_state(STORE, "etag", etag=first)) == grpc.StatusCode.ABORTED)
    client.save_bulk_state(STORE, [StateItem(key=f"b{n}", value=str(n)) for n in range(20)])
    items = client.get_bulk_state(STORE, [f"b{n}" for n in range(21)]).items
    check("many keys at once", {item.key: item.data for item in items} ==
          {f"b{n}": str(n).encode() if n < 20 else b"" for n in range(21)})
    client.execute_state_transaction(STORE, [
        TransactionalStateOperation(key="new", data="1", operation_type=TransactionOperationType.upsert),
        TransactionalStateOperation(key="b0", data="", operation_type=TransactionOperationType.delete)])
    check("a transaction", (client.get_state(STORE, "new").data, client.get_state(STORE, "b0").data) == (b"1", b""))
    check("an unknown store", code_of(lambda: client.get_state("nowhere", "k")) == grpc.StatusCode.INVALID_ARGUMENT)


def invocation(client, over):
    answer = client.invoke_method("two", "echo", data=b"a body", content_type="text/plain", http_verb="POST")
    check(f"{over}: the body comes back", answer.data == b"a body" and answer.content_type.startswith("text/plain"))
    answer = client.invoke_method("two", "path/x", data=b"", http_verb="GET", http_querystring=(("q", "1"),))
    check(f"{over}: the query arrives", answer.text() == "/path/x?q=1")
    check(f"{over}: 404", code_of(lambda: client.invoke_method("two", "status/404", data=b"", http_verb="GET")))
    check(f"{over}: an unknown app", code_of(lambda: client.invoke_method("nobody", "x", data=b"", http_verb="GET")))


def metadata(client):
    client.set_metadata("colour", "green")
    got = client.get_metadata()
    check("id", got.application_id == "one")
    check("label", got.extended_metadata["colour"] == "green")
    check("components", {(c.name, c.type) for c in got.registered_components} ==
          {(STORE, "state.in-memory"), ("pubsub", "pubsub.in-memory")})


async def asynchronous():
    async with AsyncDaprClient() as client:
        await client.save_state(STORE, "async", "1")
        check("asyncio: state", (await client.get_state(STORE, "async")).data == b"1")
        answer = await client.invoke_method("two", "echo", data=b"x", http_verb="POST")
        check("asyncio: invocation", answer.data == b"x")
        check("asyncio: metadata", (await client.get_metadata()).application_id == "one")


def main():
    DaprHealth.wait_for_sidecar()
    check("the sidecar is healthy", True)
    with DaprClient() as client:
        state(client)
        metadata(client)
    for over in ("HTTP", "GRPC"):
        settings.DAPR_API_METHOD_INVOCATION_PROTOCOL = over
        with DaprClient() as client:
            invocation(client, over)
    settings.DAPR_API_METHOD_INVOCATION_PROTOCOL = "HTTP"
    asyncio.run(asynchronous())


if __name__ == "__main__":
    main()
