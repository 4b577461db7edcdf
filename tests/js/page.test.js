// The small pure parts of the page: people, rows, names, words, storage.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { Log } from '../../quartchat/static/core/log.js';
import { normal, problem } from '../../quartchat/static/core/names.js';
import { newId } from '../../quartchat/static/core/outbox.js';
import { caller, hueOf, Names, Presence } from '../../quartchat/static/core/presence.js';
import { portion, rowsOf, Window } from '../../quartchat/static/core/rows.js';
import { kept, recent, remember } from '../../quartchat/static/core/storage.js';
import { has, say, speak } from '../../quartchat/static/core/words.js';
import { Storage, store } from './world.js';

const user = (id, name = id) => ({ id, name });

test('the roster follows joins and leaves; oneself comes first', () => {
  const presence = new Presence();
  presence.welcome({ count: 2, members: [user('a', 'Anna'), user('me', 'Zoe')] });
  presence.change({ count: 3, joined: [user('b', 'Ben')], left: [] });
  assert.deepEqual(presence.roster(user('me')).people.map(({ name }) => name), ['Zoe', 'Anna', 'Ben']);
  presence.change({ count: 2, left: [user('a')] });
  assert.deepEqual(presence.roster(user('me')).people.map(({ name }) => name), ['Zoe', 'Ben']);
  assert.equal(presence.count, 2);
});

test('in a large room only the count is known', () => {
  const presence = new Presence();
  presence.welcome({ count: 250, members: [] });
  presence.change({ count: 251 });
  assert.deepEqual(presence.roster(null), { people: [], others: 251 });
});

test('typing is shown for some seconds, until one speaks, and never about oneself', () => {
  const presence = new Presence();
  for (const id of ['a', 'b', 'me']) presence.typed(user(id), 0);
  assert.deepEqual(presence.typists(100, user('me')).map(({ id }) => id), ['a', 'b']);
  presence.spoke(user('a'));
  assert.deepEqual(presence.typists(100, user('me')).map(({ id }) => id), ['b']);
  assert.deepEqual(presence.typists(6000, user('me')), []);
});

test('two people of one name are told apart', () => {
  const names = new Names();
  names.see(user('1', 'Anna'));
  assert.equal(names.shared('Anna'), false);
  names.see(user('1', 'Anna'));
  names.see(user('2', ' ａnna'));
  assert.equal(names.shared('Anna'), true);
});

test('two people whose names look alike are told apart', () => {
  const names = new Names();
  names.see(user('1', 'Anna'));
  names.see({ id: '2-wxyz', name: 'Аnna', look: 'anna' }); // the first letter is Cyrillic
  names.see(user('2-wxyz', 'Аnna')); // as a page knows itself, without the look
  assert.equal(names.shared('Anna'), true);
  assert.equal(names.shared('Аnna'), true);
  assert.equal(names.title({ id: '2-wxyz', name: 'Аnna' }), 'Аnna #wxyz');
  assert.equal(names.title(user('3', 'Ben')), 'Ben');
});

test('hues are spread', () => {
  const hues = new Set(Array.from({ length: 500 }, () => hueOf(newId(webcrypto))));
  assert.equal(hues.size, 12);
});

test('ids are what the server takes', () => {
  assert.match(newId(webcrypto), /^[A-Za-z0-9_-]{22}$/);
  assert.notEqual(newId(webcrypto), newId(webcrypto));
});

const at = (id, time, from = 'a') => ({ key: id, id, user: user(from), at: Date.parse(time) });
const kinds = (rows) => rows.map((row) => (row.kind === 'entry' ? row.key + (row.opens ? '*' : '') : row.kind));

test('rows are grouped by person and minute, and parted by days and gaps', () => {
  const items = [
    at('1', '2026-01-01T10:00:00Z'),
    at('2', '2026-01-01T10:00:30Z'),
    at('3', '2026-01-01T10:00:40Z', 'b'),
    at('4', '2026-01-01T10:02:00Z', 'b'),
    { key: 'gap 1', gap: 'epoch' },
    at('5', '2026-01-01T10:02:10Z', 'b'),
    at('6', '2026-01-03T10:02:10Z', 'b'),
  ];
  const rows = rowsOf(items, [], null, null, (ms) => Math.floor(ms / 86400000));
  assert.deepEqual(kinds(rows), ['day', '1*', '2', '3*', '4*', 'gap', '5*', 'day', '6*']);
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
});

test('the divider of what came while one was away opens a group of its own', () => {
  const items = [at('1', '2026-01-01T10:00:00Z'), at('2', '2026-01-01T10:00:30Z'), at('3', '2026-01-01T10:00:40Z')];
  const rows = rowsOf(items, [], null, { first: items[1], n: 2 });
  assert.deepEqual(kinds(rows), ['day', '1*', 'unread', '2*', '3']);
  assert.equal(rows[1].closes, true);
});

test('a day that goes on has one separator, whichever row comes first', () => {
  const items = [at('1', '2026-01-01T10:00:00Z'), at('2', '2026-01-01T11:00:00Z'), at('3', '2026-01-02T00:00:01Z')];
  const day = (ms) => new Date(ms).toISOString().slice(0, 10);
  const separators = (rows) => rows.filter(({ kind }) => kind === 'day').map(({ key }) => key);
  const whole = separators(rowsOf(items, [], null, null, day));
  assert.equal(whole.length, 2);
  assert.deepEqual(separators(rowsOf(items.slice(1), [], null, null, day)), whole); // the same rows: nothing is announced anew
});

test('a clock that goes back opens no day a second time', () => {
  const items = [at('1', '2026-01-01T23:59:59Z'), at('2', '2026-01-02T00:00:01Z'), at('3', '2026-01-01T23:59:59Z'), at('4', '2026-01-02T00:00:02Z')];
  const rows = rowsOf(items, [], null, null, (ms) => Math.floor(ms / 86400000));
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
  assert.deepEqual(rows.map(({ kind }) => kind).filter((kind) => kind === 'day').length, 2);
});

const numbered = (from, to) => Array.from({ length: to - from }, (_, i) => ({ key: from + i }));
const keys = (rows) => rows.map(({ key }) => key);

test('of many new rows some stand at once, from the reader’s outwards, and never with a hole', () => {
  const built = new Set(keys(numbered(100, 150)));
  const next = (rows, at) => {
    const now = portion(rows, at, built, 40);
    for (const { key } of now) built.add(key);
    return [now[0].key, now.at(-1).key];
  };
  const rows = numbered(0, 400);
  assert.deepEqual(next(rows, 120), [75, 164]); // above and below alike: whoever scrolls either way waits for it
  assert.deepEqual(next(rows, 120), [55, 184]);
  while (built.size < 400) next(rows, 120);
  assert.deepEqual(next(rows, 120), [0, 399]);
  assert.deepEqual(next(numbered(300, 500), 200), [460, 499]); // from the newest: what stood before would leave a hole
  assert.deepEqual(next(numbered(300, 500), 200), [420, 499]);
  assert.deepEqual(next(numbered(450, 550), 50), [450, 539]); // from what is drawn on: it stays
  assert.deepEqual(keys(portion(numbered(0, 3), 0, new Set(), 40)), [0, 1, 2]);
  assert.deepEqual(portion([], 0, new Set()), []);
});

test('an own message keeps its row when it becomes an entry', () => {
  const mine = { local: 'x', id: 'x', text: 'hi', at: 0, state: 'sending' };
  const [, before] = rowsOf([], [mine], user('me'));
  const [, after] = rowsOf([{ key: 'me x', id: 'x', user: user('me'), at: 5 }], [], user('me'));
  assert.equal(before.key, after.key);
  assert.deepEqual([before.kind, after.kind], ['pending', 'entry']);
});

test('the window follows the newest and stays where one reads', () => {
  const items = Array.from({ length: 1000 }, (_, i) => ({ key: i }));
  const window = new Window({ size: 100, most: 200, step: 50 });
  assert.deepEqual(window.range(items), { from: 900, to: 1000 });
  window.hold(items);
  items.push(...Array.from({ length: 300 }, (_, i) => ({ key: 1000 + i })));
  assert.deepEqual(window.range(items), { from: 900, to: 1100 });
  assert.equal(window.up(items), true);
  assert.deepEqual(window.range(items), { from: 850, to: 1050 });
  while (window.down(items));
  assert.deepEqual(window.range(items), { from: 1100, to: 1300 });
  window.first = items[0];
  assert.equal(window.up(items), false);
  items.splice(0, 10); // what was read has been dropped
  assert.deepEqual(window.range(items), { from: 0, to: 200 });
});

test('room names are checked as the server will', () => {
  for (const name of ['lobby', '한국어 방', 'a.b_c-d', '🎉', '...', '가'.normalize('NFD')]) assert.equal(problem(normal(name)), null, name);
  assert.equal(normal(' 가 '.normalize('NFD')), '가');
  for (const name of ['', '.', '..', 'a/b', 'a\u202eb', 'a\tb', 'x'.repeat(65), '😀'.repeat(51)]) assert.notEqual(problem(normal(name)), null, name);
});

test('one is called by one’s whole name, however it is written', () => {
  const calls = (name, text) => caller(name)(text);
  for (const text of ['anna?', 'Hi ANNA!', '@anna: look', 'ask Ａnna', '(Anna)']) assert.equal(calls('Anna', text), true, text);
  for (const text of ['annabel', 'joanna', 'anna_b', 'an na', '']) assert.equal(calls('Anna', text), false, text);
  for (const text of ['민지야', '@민지님', '민지는 어디?']) assert.equal(calls('민지', text), true, text);
  assert.equal(calls('A', 'A dog'), false); // too short to be called without a sign
  assert.equal(calls('A', '@A look'), true);
  assert.equal(calls('Mr. (X) [*]', 'dear mr. (x) [*]!'), true);
});

test('no name breaks what looks for it', () => {
  for (const name of ['', ' ', '\\', '[', '(?<', '$&', '👩‍👩‍👧', 'a-b', 'x/y']) caller(name)(`hello ${name} there`);
});

test('words: their number, their holes, and a language without plurals', () => {
  speak({ new: '{n} new message|{n} new messages', away: '{n} new', hello: '{a} & {b}' }, 'en');
  assert.equal(say('new', { n: 1 }), '1 new message');
  assert.equal(say('new', { n: 0 }), '0 new messages');
  assert.equal(say('new', { n: '50+' }), '50+ new messages');
  assert.equal(say('hello', { a: '{b}', b: '$&' }), '{b} & $&');
  assert.equal(say('nowhere'), 'nowhere');
  assert.equal(has('toString'), false);
  speak({ new: '새 메시지 {n}개' }, 'ko');
  assert.equal(say('new', { n: 1 }), '새 메시지 1개');
});

test('storage that refuses is empty', () => {
  const broken = kept(() => {
    throw new Error('SecurityError');
  });
  assert.equal(broken.get('x'), null);
  broken.set('x', 1);
  broken.set('x', null);
  assert.deepEqual(broken.keys(), []);
});

test('rooms are remembered, newest first, once, and not for ever', () => {
  const mine = store();
  for (let i = 0; i < 12; i++) remember(mine, `room ${i}`);
  remember(mine, 'room 9');
  assert.deepEqual(recent(mine).slice(0, 3), ['room 9', 'room 11', 'room 10']);
  assert.equal(recent(mine).length, 8);
  const odd = new Storage();
  odd.setItem('quartchat:rooms', '{"a": 1}');
  assert.deepEqual(recent(store(odd)), []);
});

test('what was removed keeps its row and its group', () => {
  const log = new Log();
  const of = (n, more) => ({ id: `i${n}`, position: `p${n}`, prev: n > 1 ? `p${n - 1}` : null, user: user('a'), message: `${n}`, time: '2026-01-01T00:00:00Z', ...more });
  log.begin([of(1), of(2), of(3)], 'p3');
  log.welcome({ resumed: true });
  const before = rowsOf(log.items, [], null).map(({ key, opens, closes }) => [key, opens, closes]);
  log.receive(of(4, { id: 'x', message: '', deletes: 'p2' }));
  assert.deepEqual(rowsOf(log.items, [], null).map(({ key, opens, closes }) => [key, opens, closes]), before);
  assert.deepEqual(log.items.map(({ deleted = false }) => deleted), [false, true, false]);
});
