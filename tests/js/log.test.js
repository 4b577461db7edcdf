import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../quartchat/static/core/log.js';

const entry = (n, { prev = n > 1 ? `p${n - 1}` : null, user = 'u', position = `p${n}` } = {}) => ({
  position,
  prev,
  id: `i${n}`,
  user: { id: user, name: user },
  message: `text ${n}`,
  time: '2026-01-01T00:00:00Z',
});
const many = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => entry(from + i));
const shown = (log) => log.items.map((item) => (item.gap ? `-${item.gap}-` : item.id)).join(' ');

function filled(n = 3) {
  const log = new Log();
  log.begin(many(1, n), `p${n}`);
  log.welcome({ resumed: true });
  return log;
}

test('a log takes what continues it, in order', () => {
  const log = filled();
  assert.equal(log.receive(entry(4)), 'added');
  assert.equal(log.receive(entry(5)), 'added');
  assert.equal(shown(log), 'i1 i2 i3 i4 i5');
  assert.equal(log.head, 'p5');
});

test('an entry that comes twice stands once', () => {
  const log = filled();
  assert.equal(log.receive(entry(3)), 'known');
  assert.equal(log.receive(entry(2)), 'known');
  assert.equal(log.receive(entry(4)), 'added');
  assert.equal(shown(log), 'i1 i2 i3 i4');
});

test('the same id from two people is two entries', () => {
  const log = filled();
  assert.equal(log.receive({ ...entry(4), id: 'i3', user: { id: 'other', name: 'u' } }), 'added');
  assert.equal(log.items.length, 4);
});

test('an entry with another predecessor is not taken, and one reconnect is asked for', () => {
  const log = filled();
  assert.equal(log.receive(entry(6)), 'broken');
  assert.equal(log.head, 'p3');
  log.welcome({ resumed: true });
  for (const each of many(4, 6)) assert.equal(log.receive(each), 'added');
  assert.equal(shown(log), 'i1 i2 i3 i4 i5 i6');
});

test('a gap that reconnecting does not mend is shown', () => {
  const log = filled();
  log.receive(entry(6));
  log.welcome({ resumed: true });
  assert.equal(log.receive(entry(6)), 'added');
  assert.equal(shown(log), 'i1 i2 i3 -prev- i6');
});

test('a null predecessor is believed right after a proof of continuity, and only then', () => {
  const log = filled();
  assert.equal(log.receive(entry(4, { prev: null })), 'added');
  assert.equal(log.receive(entry(5, { prev: null })), 'broken');
});

test('in an empty room the first entry has no predecessor', () => {
  const log = new Log();
  log.begin([], 'nothing-yet');
  log.welcome({ resumed: true });
  assert.equal(log.receive(entry(1)), 'added');
});

test('a page without a position asks for history and takes it', () => {
  const log = new Log();
  log.begin([], null);
  assert.equal(log.head, null);
  log.welcome({ resumed: null });
  for (const each of many(7, 9)) assert.equal(log.receive(each), 'added');
  assert.equal(shown(log), 'i7 i8 i9');
});

test('a reset keeps what is shown, says so, and goes on with what is new', () => {
  const log = filled();
  log.reset({ reason: 'epoch' });
  assert.equal(log.head, null);
  assert.equal(log.receive(entry(8, { prev: null })), 'added');
  assert.equal(shown(log), 'i1 i2 i3 -epoch- i8');
});

test('a retained page that repeats what is shown adds nothing', () => {
  const log = filled();
  log.reset({ reason: 'mismatch' });
  for (const each of many(2, 3)) assert.equal(log.receive(each), 'known');
  assert.equal(log.receive(entry(4)), 'added');
  assert.equal(shown(log), 'i1 i2 i3 -mismatch- i4');
  assert.equal(log.receive(entry(5)), 'added');
});

test('the retained page may bear other positions', () => {
  const log = filled();
  log.reset({ reason: 'epoch' });
  for (let n = 1; n <= 3; n++) log.receive(entry(n, { position: `q${n}`, prev: n > 1 ? `q${n - 1}` : null }));
  assert.equal(log.receive(entry(4, { position: 'q4', prev: 'q3' })), 'added');
  assert.equal(shown(log), 'i1 i2 i3 -epoch- i4');
});

test('an entry stored again after others moves to where the server has it', () => {
  const log = filled();
  log.reset({ reason: 'epoch' });
  log.receive(entry(1, { position: 'q1', prev: null }));
  log.receive(entry(9, { position: 'q2', prev: 'q1' }));
  assert.equal(log.receive(entry(3, { position: 'q3', prev: 'q2' })), 'added');
  assert.equal(shown(log), 'i1 i2 -epoch- i9 i3');
});

test('two resets with nothing between are one divider', () => {
  const log = filled();
  log.reset({ reason: 'epoch' });
  log.reset({ reason: 'trimmed' });
  assert.equal(shown(log), 'i1 i2 i3 -trimmed-');
});

test('older entries go before the first, once', () => {
  const log = new Log();
  log.begin(many(11, 13), 'p13');
  assert.equal(log.older({ messages: many(6, 10), complete: true }), 5);
  assert.equal(log.complete, false);
  assert.equal(log.older({ messages: many(1, 5), complete: true }), 5);
  assert.equal(log.complete, true); // the first one has no predecessor
  assert.equal(shown(log), many(1, 13).map(({ id }) => id).join(' '));
  assert.equal(log.head, 'p13');
});

test('memory is bounded: the oldest go', () => {
  const log = new Log({ bound: 10 });
  log.begin(many(1, 8), 'p8');
  log.welcome({ resumed: true });
  for (const each of many(9, 30)) log.receive(each);
  assert.equal(log.items.length, 10);
  assert.equal(log.byKey.size, 10);
  assert.equal(log.items[0].id, 'i21');
});

test('a reader keeps the place while five thousand come', () => {
  const log = filled();
  for (const each of many(4, 5050)) log.receive(each);
  assert.equal(log.items[0].id, 'i1');
});

test('a ping is compared with what came last', () => {
  const log = filled();
  assert.ok(log.holds('p3'));
  assert.ok(log.holds('p2'));
  assert.ok(!log.holds('p4'));
});

const tombstone = (n, target, more) => ({ ...entry(n, more), id: `deletes-${target}`, user: { id: 'owner', name: 'owner' }, message: '', deletes: `p${target}` });
const read = (log) => log.items.map((item) => (item.gap ? '-' : item.deleted ? '(removed)' : item.text)).join(' ');

test('a tombstone is no entry: what it names is wiped where it stands, and the chain goes on behind it', () => {
  const log = filled();
  log.items[1].called = true;
  assert.equal(log.receive(tombstone(4, 2)), 'removed');
  assert.equal(read(log), 'text 1 (removed) text 3');
  const [, { text, deleted, called, user, id }] = log.items;
  assert.deepEqual({ text, deleted, called, user: user.id, id }, { text: '', deleted: true, called: false, user: 'u', id: 'i2' });
  assert.equal(log.head, 'p4');
  assert.equal(log.receive(entry(5)), 'added');
  assert.equal(read(log), 'text 1 (removed) text 3 text 5');
});

test('a tombstone that comes twice, or for what is not here, changes nothing', () => {
  const log = filled();
  log.receive(tombstone(4, 2));
  log.receive(entry(5));
  assert.equal(log.receive(tombstone(4, 2)), 'known');
  assert.equal(log.head, 'p5');
  assert.equal(log.receive(tombstone(6, 77)), 'removed');
  assert.equal(log.receive(entry(7)), 'added');
  assert.equal(read(log), 'text 1 (removed) text 3 text 5 text 7');
});

test('a tombstone with another predecessor asks for one reconnect, as any entry', () => {
  const log = filled();
  assert.equal(log.receive(tombstone(5, 2)), 'broken');
  assert.equal(read(log), 'text 1 text 2 text 3');
  log.welcome({ resumed: true });
  assert.equal(log.receive(entry(4)), 'added');
  assert.equal(log.receive(tombstone(5, 2)), 'removed');
  assert.equal(read(log), 'text 1 (removed) text 3 text 4');
});

test('an entry that was removed comes without its text', () => {
  const log = new Log();
  // What the page shows in its place is none of it.
  log.begin([entry(1), { ...entry(2), message: 'Message removed', deleted: true }], 'p2');
  assert.equal(log.items[1].text, '');
  log.welcome({ resumed: true });
  log.receive({ ...entry(3), message: '', deleted: true });
  assert.equal(read(log), 'text 1 (removed) (removed)');
});

test('an entry that is here with its text loses it when it comes again without', () => {
  const log = filled();
  log.reset({ reason: 'epoch' });
  log.receive(entry(1));
  log.receive({ ...entry(2), message: '', deleted: true });
  assert.equal(read(log), 'text 1 (removed) text 3 -');
});

test('after a reset, tombstones among what is repeated move nothing', () => {
  const log = filled();
  log.receive(tombstone(4, 1));
  log.receive(entry(5));
  log.reset({ reason: 'mismatch' });
  for (const each of [{ ...entry(1), message: '', deleted: true }, entry(2), entry(3), tombstone(4, 1), entry(5)]) log.receive(each);
  assert.equal(read(log), '(removed) text 2 text 3 text 5 -');
  assert.equal(log.receive(entry(6)), 'added');
  assert.equal(read(log), '(removed) text 2 text 3 text 5 - text 6');
});

test('a page whose last entries are tombstones goes on from them', () => {
  const log = new Log();
  log.begin([entry(1)], 'p3'); // the server left out those of 2 and 3
  log.welcome({ resumed: true });
  assert.equal(log.head, 'p3');
  assert.equal(log.receive(entry(4)), 'added');
  assert.equal(shown(log), 'i1 i4');
});

test('older pages: what a tombstone in them names is wiped, be it here, with it, or yet to come', () => {
  const log = new Log();
  log.begin(many(11, 12), 'p12');
  assert.equal(log.older({ messages: [entry(5), entry(6), tombstone(7, 6), tombstone(8, 12), tombstone(9, 2), entry(10)], complete: true }), 3);
  assert.equal(read(log), 'text 5 (removed) text 10 text 11 (removed)');
  log.older({ messages: many(1, 4), complete: true });
  assert.equal(read(log), 'text 1 (removed) text 3 text 4 text 5 (removed) text 10 text 11 (removed)');
  assert.equal(log.complete, true);
});

test('what was removed while an older page was on its way comes wiped', () => {
  const log = new Log();
  log.begin(many(11, 12), 'p12');
  log.welcome({ resumed: true });
  log.receive(tombstone(13, 9));
  log.older({ messages: many(8, 10), complete: true });
  assert.equal(read(log), 'text 8 (removed) text 10 text 11 text 12');
});

// As the page asks: before the oldest, until it is complete.
function pages(log, all, size) {
  const asked = [];
  for (let i = 0; i < 20 && !log.complete; i++) {
    const at = all.findIndex(({ position }) => position === log.oldest.position);
    asked.push(log.oldest.position);
    log.older({ messages: all.slice(Math.max(0, at - size), at), complete: true });
  }
  return asked;
}

test('paging goes on through pages of nothing but tombstones', () => {
  const all = [...many(1, 3)];
  for (let n = 4; n <= 9; n++) all.push(tombstone(n, n % 3 + 1));
  all.push(...many(10, 12));
  const log = new Log();
  log.begin(many(10, 12), 'p12');
  assert.deepEqual(pages(log, all, 3), ['p10', 'p7', 'p4']);
  assert.equal(read(log), '(removed) (removed) (removed) text 10 text 11 text 12');
  assert.equal(log.complete, true);
});

test('a page of nothing but tombstones leads further up', () => {
  const all = many(1, 2);
  for (let n = 3; n <= 8; n++) all.push(tombstone(n, 1));
  const log = new Log();
  log.begin([], 'p8');
  assert.equal(log.complete, false);
  assert.deepEqual(pages(log, all, 4), ['p8', 'p4']);
  assert.equal(read(log), '(removed) text 2');
});

test('history that begins with tombstones is complete where the first of them is', () => {
  const log = new Log();
  log.begin([], null);
  log.welcome({ resumed: null });
  for (const each of [tombstone(1, 0, { prev: null }), entry(2), entry(3)]) log.receive(each);
  assert.equal(log.oldest.position, 'p1');
  assert.equal(log.complete, true);
});

test('where memory is bounded, older pages are asked for from what is left', () => {
  const log = new Log({ bound: 10 });
  log.begin([], null);
  log.welcome({ resumed: null });
  log.receive(tombstone(1, 0, { prev: null }));
  for (const each of many(2, 30)) log.receive(each);
  assert.equal(log.oldest.id, 'i21');
  assert.equal(log.complete, false);
});

test('the log of a server that answers with what is here already ends there', () => {
  const log = new Log();
  log.begin(many(5, 6), 'p6');
  log.older({ messages: [tombstone(4, 3)], complete: true });
  assert.equal(log.complete, false);
  log.older({ messages: [tombstone(4, 3)], complete: true });
  assert.equal(log.complete, true);
});
