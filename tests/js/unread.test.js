// Where one left off, and what came since.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../quartchat/static/core/log.js';
import { Unread } from '../../quartchat/static/core/unread.js';
import { Clock, Storage, store } from './world.js';

const me = { id: 'me' };
const entry = (n, user = 'ben') => ({
  position: `p${n}`,
  prev: n > 1 ? `p${n - 1}` : null,
  id: `i${n}`,
  user: { id: user, name: user },
  message: `${n}`,
  time: new Date(1e12 + n * 1000).toISOString(),
});

function room({ from = 1, to = 5, storage = new Storage(), clock = new Clock() } = {}) {
  const log = new Log();
  const messages = [];
  for (let n = from; n <= to; n++) messages.push(entry(n));
  log.begin(messages, null);
  log.welcome({ resumed: true });
  const unread = new Unread({ store: store(storage), key: 'read', now: clock.now });
  let next = to;
  const hear = (user) => log.receive(entry(++next, user));
  const look = (looking = true, complete = false) => unread.update(log, me, looking, complete);
  const settle = () => {
    look();
    clock.time += 4000;
    look();
  };
  return { log, unread, hear, look, settle, storage, clock };
}
const divider = ({ away }) => away && [away.first.id, away.n];

test('on the first visit nothing is unread', () => {
  const { unread, look } = room();
  look(false);
  assert.equal(unread.count, 0);
  assert.equal(unread.away, null);
});

test('while one is away, what others write is counted, and stands below a divider on return', () => {
  const { unread, hear, look, settle } = room();
  settle();
  unread.left();
  hear('ben');
  hear('me'); // from another device
  hear('ben');
  look(false);
  assert.equal(unread.count, 2);
  look();
  assert.equal(unread.count, 0);
  assert.deepEqual(divider(unread), ['i6', 2]);
});

test('the divider stays where it was and counts only what was missed', () => {
  const { unread, hear, look, settle } = room();
  settle();
  unread.left();
  hear();
  settle();
  hear();
  look();
  assert.deepEqual(divider(unread), ['i6', 1]);
  look(false); // scrolled up
  hear();
  look(false);
  assert.deepEqual(divider(unread), ['i6', 1]);
  assert.equal(unread.count, 1);
  unread.left();
  look();
  assert.deepEqual(divider(unread), ['i8', 1]);
});

test('what arrives right after coming back was missed, too', () => {
  const { unread, hear, look, settle, clock } = room();
  settle();
  unread.left();
  clock.time += 60_000;
  look(false); // there again, not yet connected
  clock.time += 8000;
  look();
  hear();
  clock.time += 500;
  look();
  assert.deepEqual(divider(unread), ['i6', 1]);
});

test('a page loaded later knows where the last one left off', () => {
  const { storage, settle } = room();
  settle();
  const later = room({ to: 9, storage });
  later.look();
  assert.deepEqual(divider(later.unread), ['i6', 4]);
});

test('where more came than the page holds, the divider stands at its top and says so', () => {
  const { storage, settle } = room();
  settle();
  const later = room({ from: 50, to: 99, storage });
  later.settle();
  assert.deepEqual(divider(later.unread), ['i50', '50+']);
  const older = [];
  for (let n = 3; n < 50; n++) older.push(entry(n));
  later.log.older({ messages: older, complete: true });
  later.look();
  assert.deepEqual(divider(later.unread), ['i6', 94]);
});

test('what one tab has seen is not new in another', () => {
  const one = room();
  one.settle();
  const two = room({ storage: one.storage });
  two.unread.left();
  two.hear();
  two.look(false);
  assert.equal(two.unread.count, 1);
  one.hear();
  one.look();
  two.unread.heard(true);
  two.look(false);
  assert.equal(two.unread.count, 0);
  two.look();
  assert.equal(two.unread.away, null);
});

test('what comes while one looks was not missed, once all that was missed is here', () => {
  const { storage, settle } = room();
  settle();
  const { unread, hear, look } = room({ storage });
  look();
  look(true, true);
  hear();
  look(true, true);
  assert.equal(unread.away, null);
});

test('who writes has read: the divider goes, and what comes next is not behind one', () => {
  const { unread, hear, look, settle } = room();
  settle();
  unread.left();
  hear();
  look();
  assert.deepEqual(divider(unread), ['i6', 1]);
  unread.left(true);
  hear('me');
  look();
  hear('ben');
  look();
  assert.equal(unread.away, null);
});

test('the first message of a room that was seen empty is new', () => {
  const { unread, hear, look } = room({ to: 0 });
  look();
  unread.left();
  hear();
  hear();
  look(false);
  assert.equal(unread.count, 2);
  look();
  assert.deepEqual(divider(unread), ['i1', 2]);
});

test('on the first visit nothing is unread, even where the page came empty and unseen', () => {
  const { unread, hear, look } = room({ to: 0 });
  look(false);
  hear();
  look(false);
  assert.equal(unread.count, 0);
});

test('an entry was missed while it stands below what any tab has seen', () => {
  const one = room();
  one.settle();
  const two = room({ storage: one.storage });
  two.unread.left();
  for (const each of [one, two]) each.hear();
  two.look(false);
  assert.equal(two.unread.missed(two.log, two.log.items.at(-1)), true);
  one.look();
  two.unread.heard(true);
  assert.equal(two.unread.missed(two.log, two.log.items.at(-1)), false);
});

test('what is removed is not unread, and a tombstone counts for nothing', () => {
  const { log, unread, hear, look, settle } = room();
  settle();
  unread.left();
  hear('ben');
  hear('ben');
  look(false);
  assert.equal(unread.count, 2);
  log.receive({ ...entry(8), id: 'deletes-x', message: '', deletes: 'p6' });
  look(false);
  assert.equal(unread.count, 1);
  look();
  assert.deepEqual(divider(unread), ['i7', 1]);
  log.receive({ ...entry(9), id: 'deletes-y', message: '', deletes: 'p7' });
  look(false);
  assert.equal(unread.count, 0);
  assert.equal(unread.away, null);
});

test('rubbish in storage is a first visit', () => {
  const storage = new Storage();
  storage.setItem('read', 'nonsense');
  const { unread, look } = room({ storage });
  look();
  assert.equal(unread.away, null);
});
