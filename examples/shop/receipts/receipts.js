// Writes a receipt for every order. A subscriber that does not know it: the resource receipts-subscription.yaml sends the
// events of the topic "orders" to POST /receipt, and the receipts are kept with Dapr's state, one function call away.
//
// It exports wasi:http's handler itself and has no `fetch` event listener: the JavaScript engine answers only one fetch
// event in the life of an instance, and this way one instance answers them all.

import { getItem, setItem } from 'tandem:dapr/state@0.1.0';
import { Fields, IncomingBody, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.12';

const STORE = 'statestore';
const MAX_BODY = 1 << 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const incomingHandler = {
  handle(request, out) {
    const method = request.method().tag;
    const path = (request.pathWithQuery() ?? '/').split('?')[0];
    let reply;
    try {
      reply = answer(method, path, readBody(request));
    } catch (error) {
      // A failed host function throws with Dapr's error as the payload.
      const { code, reason, message } = error.payload ?? {};
      console.error(`${method} ${path}: ${message ?? error} ${reason ?? ''}`);
      reply = text(code === 'unavailable' ? 503 : 500, `${message ?? error}\n`);
    }
    // Resources are dropped at once: an instance is used again only when it holds none.
    drop(request);
    send(out, reply);
  },
};

function answer(method, path, body) {
  if (method === 'post' && path === '/receipt') return writeReceipt(body);
  const id = path.match(/^\/receipts\/([^/]+)$/)?.[1];
  if (method === 'get' && id) return readReceipt(decodeURIComponent(id));
  return text(404, `no such page: ${method} ${path}\n`);
}

// The event is a CloudEvent with the order as its data. The answer tells the broker what became of it.
function writeReceipt(body) {
  const order = orderOf(body);
  if (!order) {
    console.error(`not an order, dropped: ${body.slice(0, 200)}`);
    return status('DROP');
  }
  const lines = [
    `Receipt for ${order.id}`,
    `${order.quantity} x ${order.item} at ${money(order.priceCents)}`,
    `Total ${money(order.totalCents)}`,
  ];
  // An event may come twice; the second receipt is the same as the first.
  setItem(STORE, order.id, encoder.encode(lines.join('\n') + '\n'), { contentType: 'text/plain', metadata: [] });
  return status('SUCCESS');
}

function readReceipt(id) {
  const item = getItem(STORE, id, { metadata: [] });
  return item ? text(200, decoder.decode(item.value)) : text(404, `there is no receipt for ${id}\n`);
}

function orderOf(body) {
  let order;
  try {
    order = JSON.parse(body).data;
  } catch {
    return undefined;
  }
  const complete =
    typeof order?.id === 'string' && order.id !== '' && typeof order.item === 'string' &&
    [order.quantity, order.priceCents, order.totalCents].every(Number.isSafeInteger);
  return complete ? order : undefined;
}

const money = (cents) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;

// ---- HTTP ----

const text = (code, body) => ({ code, type: 'text/plain; charset=utf-8', body });

const status = (status) => ({ code: 200, type: 'application/json', body: JSON.stringify({ status }) });

const drop = (resource) => resource[Symbol.dispose]();

function readBody(request) {
  const body = request.consume();
  const stream = body.stream();
  const chunks = [];
  let length = 0;
  try {
    while (length <= MAX_BODY) {
      const chunk = stream.blockingRead(65536n);
      chunks.push(chunk);
      length += chunk.length;
    }
    throw new Error(`the body is longer than ${MAX_BODY} bytes`);
  } catch (error) {
    if (error.payload?.tag !== 'closed') throw error;
  } finally {
    drop(stream);
    drop(IncomingBody.finish(body));
  }
  const bytes = new Uint8Array(length);
  chunks.reduce((at, chunk) => (bytes.set(chunk, at), at + chunk.length), 0);
  return decoder.decode(bytes);
}

function send(out, { code, type, body }) {
  const response = new OutgoingResponse(Fields.fromList([['content-type', encoder.encode(type)]]));
  response.setStatusCode(code);
  const outgoing = response.body();
  ResponseOutparam.set(out, { tag: 'ok', val: response });
  const stream = outgoing.write();
  const bytes = encoder.encode(body);
  try {
    // blocking-write-and-flush takes at most 4096 bytes.
    for (let at = 0; at < bytes.length; at += 4096) stream.blockingWriteAndFlush(bytes.subarray(at, at + 4096));
    drop(stream);
    OutgoingBody.finish(outgoing, undefined);
  } catch (error) {
    console.error(`the client has left: ${error}`);
  }
}
