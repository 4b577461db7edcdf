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
  assert.equal(log.insertBefore(log.firstEntry, many(6, 10), true), 5);
  assert.equal(log.complete, false);
  assert.equal(log.insertBefore(log.firstEntry, [...many(1, 5)], true), 5);
  assert.equal(log.complete, true); // the first one has no predecessor
  assert.equal(shown(log), many(1, 13).map(({ id }) => id).join(' '));
  assert.equal(log.head, 'p13');
});

test('what is kept below a divider is loaded below it', () => {
  const log = filled();
  log.reset({ reason: 'trimmed' });
  log.receive(entry(20));
  const gap = log.items.find((item) => item.gap);
  assert.equal(log.entryAfter(gap).id, 'i20');
  log.insertBefore(log.entryAfter(gap), many(15, 19), true);
  assert.equal(shown(log), 'i1 i2 i3 -trimmed- i15 i16 i17 i18 i19 i20');
  assert.equal(log.canFill(gap), true);
  log.insertBefore(log.entryAfter(gap), [], false);
  assert.equal(log.canFill(gap), false);
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

test('a ping is compared with what came last', () => {
  const log = filled();
  assert.ok(log.holds('p3'));
  assert.ok(log.holds('p2'));
  assert.ok(!log.holds('p4'));
});
