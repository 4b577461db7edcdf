import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANSWER_WITHIN, Outbox } from '../../quartchat/static/core/outbox.js';
import { Clock, counter, Storage, store } from './world.js';

function made({ storage = new Storage(), clock = new Clock(), ids = counter('m') } = {}) {
  const outbox = new Outbox({ store: store(storage), newId: ids, now: clock.now });
  outbox.open('key');
  return { outbox, storage, clock };
}
const texts = (outbox) => outbox.entries.map(({ text }) => text);
// What goes on the wire now: {id, text}, or undefined.
const fly = (outbox) => {
  let went;
  outbox.pump((entry) => (went = entry));
  return went;
};
const send = (outbox) => fly(outbox)?.text;

test('one message is under way at a time, in the order of writing', () => {
  const { outbox } = made();
  const first = outbox.add('one');
  outbox.add('two');
  assert.equal(send(outbox), 'one');
  assert.equal(send(outbox), undefined);
  outbox.ack(first.id);
  assert.equal(send(outbox), 'two');
});

test('what is not acked outlives the page and keeps its id', () => {
  const { outbox, storage } = made();
  const { id } = outbox.add('한국어');
  send(outbox);
  const again = made({ storage, ids: counter('n') }).outbox;
  assert.deepEqual(texts(again), ['한국어']);
  assert.equal(fly(again).id, id);
});

test('what was left behind goes before what is written before the outbox opens', () => {
  const { outbox, storage } = made();
  outbox.add('old');
  const later = new Outbox({ store: store(storage), newId: counter('n'), now: () => 0 });
  later.add('typed while the identity was asked for');
  later.open('key');
  assert.deepEqual(texts(later), ['old', 'typed while the identity was asked for']);
});

test('an acked message leaves storage', () => {
  const { outbox, storage } = made();
  const { id } = outbox.add('one');
  send(outbox);
  assert.equal(outbox.ack(id).text, 'one');
  assert.equal(storage.items.size, 0);
  assert.equal(outbox.ack(id), null);
});

test('a lost connection sends the same id again', () => {
  const { outbox } = made();
  const { id } = outbox.add('one');
  send(outbox);
  outbox.lost();
  assert.equal(fly(outbox).id, id);
});

test('unknown: the same id again, not before its time, and nothing overtakes it', () => {
  const { outbox, clock } = made();
  const { id } = outbox.add('one');
  outbox.add('two');
  send(outbox);
  outbox.unknown(id, 2);
  assert.equal(fly(outbox), undefined);
  clock.time += 2000;
  assert.equal(fly(outbox).id, id);
});

test('a nack is final for its id and lets the next one pass', () => {
  const { outbox } = made();
  const { id } = outbox.add('one');
  outbox.add('two');
  send(outbox);
  outbox.nack(id, 'too_long');
  assert.equal(outbox.entries[0].failed, 'too_long');
  assert.equal(send(outbox), 'two');
});

test('trying again makes a new id and keeps the bubble', () => {
  const { outbox } = made();
  const { id, local } = outbox.add('one');
  outbox.add('two');
  send(outbox);
  outbox.nack(id, 'forbidden');
  outbox.retry(local);
  assert.deepEqual(texts(outbox), ['two', 'one']);
  const [, again] = outbox.entries;
  assert.notEqual(again.id, id);
  assert.equal(again.local, local);
  outbox.retry(local); // not failed any more: nothing happens
  assert.equal(outbox.entries[1].id, again.id);
});

test('only a refused message can be discarded', () => {
  const { outbox } = made();
  const { id, local } = outbox.add('one');
  outbox.discard(local);
  assert.deepEqual(texts(outbox), ['one']);
  send(outbox);
  outbox.nack(id, 'empty');
  outbox.discard(local);
  assert.deepEqual(texts(outbox), []);
});

test('rate_limited goes out by itself, later, first in line, under a new id', () => {
  const { outbox, clock } = made();
  const { id } = outbox.add('one');
  outbox.add('two');
  send(outbox);
  outbox.nack(id, 'rate_limited', 3);
  assert.equal(outbox.entries[0].failed, undefined);
  assert.equal(fly(outbox), undefined);
  clock.time += 3000;
  const next = fly(outbox);
  assert.equal(next.text, 'one');
  assert.notEqual(next.id, id);
});

test('an answer that never comes is noticed', () => {
  const { outbox, clock } = made();
  outbox.add('one');
  send(outbox);
  assert.equal(outbox.overdue(), false);
  clock.time += ANSWER_WITHIN + 1;
  assert.equal(outbox.overdue(), true);
});

test('another tab’s messages are taken over behind what is under way, once', () => {
  const storage = new Storage();
  const { outbox } = made({ storage });
  outbox.add('mine');
  outbox.add('mine too');
  send(outbox);
  const other = new Outbox({ store: store(storage), newId: counter('o'), now: () => 0 });
  other.open('other');
  other.add('theirs');
  assert.equal(outbox.adopt('other'), 1);
  assert.equal(outbox.adopt('other'), 0);
  assert.deepEqual(texts(outbox), ['mine', 'theirs', 'mine too']);
  assert.equal(storage.getItem('other'), null);
});

test('storage that refuses or holds rubbish does no harm', () => {
  const broken = { getItem: () => '{"no', setItem: () => { throw new Error('full'); }, removeItem: () => {} };
  const { outbox } = made({ storage: broken });
  outbox.add('one');
  assert.equal(send(outbox), 'one');
  const odd = { getItem: () => '[1, null, {"id": 3}]', setItem() {}, removeItem() {} };
  assert.deepEqual(texts(made({ storage: odd }).outbox), []);
});
