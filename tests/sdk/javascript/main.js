// Runs Dapr's JavaScript SDK against the sidecar that DAPR_HTTP_PORT and DAPR_GRPC_PORT name: state, invocation, metadata
// and health, over both protocols. Prints a line a check and ends with status 1 when one fails. The app "two" echoes.
"use strict";

const assert = require("node:assert/strict");
const { CommunicationProtocolEnum, DaprClient, HttpMethod, LogLevel, StateConcurrencyEnum } = require("@dapr/dapr");

const STORE = "statestore";

function clientFor(protocol) {
  const http = protocol === CommunicationProtocolEnum.HTTP;
  return new DaprClient({
    daprHost: "127.0.0.1",
    daprPort: http ? process.env.DAPR_HTTP_PORT : process.env.DAPR_GRPC_PORT,
    communicationProtocol: protocol,
    // What the SDK itself prints: errors that a test asks for are none of interest.
    logger: { level: LogLevel.Error, service: { error() {}, warn() {}, info() {}, verbose() {}, debug() {} } },
  });
}

// save and delete answer {error} over HTTP and throw over gRPC.
async function failure(call) {
  try {
    const answer = await call();
    return answer && answer.error;
  } catch (error) {
    return error;
  }
}

const checks = {
  async "the sidecar is healthy"({ client }) {
    assert.equal(await client.health.isHealthy(), true);
  },

  async "values are saved, read and deleted"({ client, key }) {
    for (const value of ["hello", 17, { a: [1, { b: null }] }, true, "ünïcode"]) {
      assert.deepEqual(await client.state.save(STORE, [{ key: key("k"), value }]), {});
      // Over gRPC a string is not JSON, and comes back as it is; numbers come back as the SDK parses them.
      assert.deepEqual(await client.state.get(STORE, key("k")), value);
      await client.state.delete(STORE, key("k"));
      assert.equal(await client.state.get(STORE, key("k")), "");
    }
  },

  async "an old ETag is refused"({ client, key }) {
    await client.state.save(STORE, [{ key: key("etag"), value: "1" }]);
    const [{ etag }] = await client.state.getBulk(STORE, [key("etag")]);
    assert.ok(etag);
    const options = { concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE };
    const save = (value) => client.state.save(STORE, [{ key: key("etag"), value, etag, options }]);
    assert.deepEqual(await save("2"), {});
    assert.match(String(await failure(() => save("3"))), /etag/);
    assert.match(String(await failure(() => client.state.delete(STORE, key("etag"), { etag }))), /etag/);
    assert.equal(String(await client.state.get(STORE, key("etag"))), "2");
    const [now] = await client.state.getBulk(STORE, [key("etag")]);
    assert.equal(await failure(() => client.state.delete(STORE, key("etag"), { etag: now.etag })), undefined);
    assert.equal(await client.state.get(STORE, key("etag")), "");
  },

  async "many keys at once"({ client, key }) {
    const items = [...Array(20).keys()].map((n) => ({ key: key(`b${n}`), value: { n } }));
    await client.state.save(STORE, items);
    const found = await client.state.getBulk(STORE, [...items.map((item) => item.key), key("missing")]);
    assert.equal(found.length, 21);
    for (const { key: name, value } of items) {
      const { data } = found.find((one) => one.key === name);
      assert.deepEqual(typeof data === "string" ? JSON.parse(data) : data, value);
    }
    assert.ok(!found.find((one) => one.key === key("missing")).data);
  },

  async "a transaction"({ client, key }) {
    await client.state.save(STORE, [{ key: key("old"), value: "x" }]);
    await client.state.transaction(STORE, [
      { operation: "upsert", request: { key: key("new"), value: "y" } },
      { operation: "delete", request: { key: key("old") } },
    ]);
    assert.equal(await client.state.get(STORE, key("new")), "y");
    assert.equal(await client.state.get(STORE, key("old")), "");
    await assert.rejects(
      client.state.transaction(STORE, [
        { operation: "upsert", request: { key: key("new"), value: "z" } },
        { operation: "upsert", request: { key: key("old"), value: "z", etag: { value: "4711" } } },
      ]),
    );
    assert.equal(await client.state.get(STORE, key("new")), "y");
  },

  async "a TTL"({ client, key }) {
    await client.state.save(STORE, [{ key: key("ttl"), value: "x", metadata: { ttlInSeconds: "1000" } }]);
    assert.equal(await client.state.get(STORE, key("ttl")), "x");
    const wrong = { key: key("ttl"), value: "x", metadata: { ttlInSeconds: "soon" } };
    assert.match(String(await failure(() => client.state.save(STORE, [wrong]))), /statestore/);
  },

  async "an unknown store"({ client }) {
    await assert.rejects(client.state.get("nowhere", "k"), /nowhere/);
    assert.match(String(await failure(() => client.state.save("nowhere", [{ key: "k", value: 1 }]))), /nowhere/);
  },

  async "invocation"({ client }) {
    for (const method of [HttpMethod.POST, HttpMethod.PUT]) {
      assert.deepEqual(await client.invoker.invoke("two", "echo", method, { a: [1] }), { a: [1] });
    }
    await assert.rejects(client.invoker.invoke("two", "status/404", HttpMethod.GET));
    await assert.rejects(client.invoker.invoke("nobody", "x", HttpMethod.GET), /nobody/);
  },

  async "invocation with a query, over HTTP only"({ client, http }) {
    if (http) {
      assert.equal(await client.invoker.invoke("two", "path/x?q=1", HttpMethod.GET), "/path/x?q=1");
    } else {
      await assert.rejects(client.invoker.invoke("two", "path/x?q=1", HttpMethod.GET), /forbidden character/);
    }
  },

  async "metadata and labels"({ client, key }) {
    assert.equal(await client.metadata.set(key("colour"), "green"), true);
    const got = await client.metadata.get();
    assert.equal(got.id, "one");
    const types = Object.fromEntries(got.components.map(({ name, type }) => [name, type]));
    assert.deepEqual(types, { statestore: "state.in-memory", pubsub: "pubsub.in-memory" });
    // The SDK gives a Map over gRPC; labels are `extended` over HTTP.
    const labels = got.extended instanceof Map ? Object.fromEntries(got.extended) : got.extended;
    const flat = Array.isArray(labels) ? Object.fromEntries(labels) : labels;
    assert.equal(flat[key("colour")], "green");
  },
};

async function main() {
  let failed = 0;
  for (const protocol of [CommunicationProtocolEnum.HTTP, CommunicationProtocolEnum.GRPC]) {
    const http = protocol === CommunicationProtocolEnum.HTTP;
    const name = http ? "HTTP" : "gRPC";
    const client = clientFor(protocol);
    const context = { client, http, key: (text) => `${name}-${text}` };
    for (const [title, check] of Object.entries(checks)) {
      try {
        await check(context);
        console.log(`ok ${name}: ${title}`);
      } catch (error) {
        failed++;
        console.log(`FAILED ${name}: ${title}: ${error.stack}`);
      }
    }
    await client.stop();
  }
  console.log(`${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

main();
