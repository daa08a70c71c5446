// Answers every request with `hello`, like tests/guests/hello: what a JavaScript guest costs.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.12';

const encoder = new TextEncoder();

export const incomingHandler = {
  handle(request, out) {
    const headers = Fields.fromList([['content-type', encoder.encode('text/plain')]]);
    const response = new OutgoingResponse(headers);
    const body = response.body();
    ResponseOutparam.set(out, { tag: 'ok', val: response });
    const stream = body.write();
    stream.blockingWriteAndFlush(encoder.encode('hello'));
    // Resources are dropped at once: an instance is used again only when it holds none.
    stream[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
    request[Symbol.dispose]();
  },
};
