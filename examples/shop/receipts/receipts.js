// Writes a receipt for every order. A subscriber that does not know it: the resource receipts-subscription.yaml sends the
// events of the topic "orders" to POST /receipt, so that this is a web app with a `fetch` handler, and its state is one
// function call away.

import { getItem, setItem } from 'tandem:dapr/state@0.1.0';

const STORE = 'statestore';
const encoder = new TextEncoder();
const decoder = new TextDecoder();

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname } = new URL(request.url);
  try {
    if (request.method === 'POST' && pathname === '/receipt') return await writeReceipt(await request.json());
    const id = pathname.match(/^\/receipts\/([^/]+)$/)?.[1];
    if (request.method === 'GET' && id) return readReceipt(decodeURIComponent(id));
    return text(404, `no such page: ${request.method} ${pathname}\n`);
  } catch (error) {
    // A failed host function throws with Dapr's error as the payload.
    const { code, reason, message } = error.payload ?? {};
    console.error(`${request.method} ${pathname}: ${message ?? error} ${reason ?? ''}`);
    return text(code === 'unavailable' ? 503 : 500, `${message ?? error}\n`);
  }
}

// The event is a CloudEvent with the order as its data. The answer tells the broker what became of it.
async function writeReceipt({ data: order }) {
  if (!isOrder(order)) {
    console.error(`not an order, dropped: ${JSON.stringify(order)}`);
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

const isOrder = (order) =>
  typeof order?.id === 'string' && order.id !== '' && typeof order.item === 'string' &&
  [order.quantity, order.priceCents, order.totalCents].every(Number.isSafeInteger);

const money = (cents) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;

const text = (code, body) => new Response(body, { status: code, headers: { 'content-type': 'text/plain; charset=utf-8' } });

const status = (status) =>
  new Response(JSON.stringify({ status }), { headers: { 'content-type': 'application/json' } });
