// Takes the events of the topic `orders` and keeps their data in the state store, by the event's id; data of `drop` are
// dropped, and `trap` ends the instance.

import { set } from 'tandem:dapr/state@0.1.0';

const decoder = new TextDecoder();

export const topicHandler = {
  subscriptions() {
    return [{ pubsub: 'pubsub', topic: 'orders', deadLetterTopic: undefined, metadata: [] }];
  },

  handle(event) {
    const text = decoder.decode(event.data);
    if (text === 'drop') return 'drop';
    if (text === 'trap') throw new Error('it was told so');
    set('statestore', event.id, event.data);
    return 'success';
  },
};
