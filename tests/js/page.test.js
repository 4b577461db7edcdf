// The small pure parts of the page: people, rows, text, names.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { newId } from '../../quartchat/static/core/ids.js';
import { normal, problem } from '../../quartchat/static/core/names.js';
import { hueOf, Names, Presence } from '../../quartchat/static/core/presence.js';
import { rowsOf, Window } from '../../quartchat/static/core/rows.js';
import { onlyEmoji, tokens } from '../../quartchat/static/core/text.js';

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

test('hues are spread', () => {
  const hues = new Set(Array.from({ length: 500 }, () => hueOf(newId(webcrypto))));
  assert.equal(hues.size, 24);
});

test('ids are what the server takes', () => {
  assert.match(newId(webcrypto), /^[A-Za-z0-9_-]{22}$/);
  assert.notEqual(newId(webcrypto), newId(webcrypto));
});

const at = (id, time, from = 'a') => ({ key: id, id, user: user(from), time });
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
  const rows = rowsOf(items, [], null, (ms) => Math.floor(ms / 86400000));
  assert.deepEqual(kinds(rows), ['day', '1*', '2', '3*', '4*', 'gap', '5*', 'day', '6*']);
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
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

const parts = (text) => tokens(text).map((token) => (token.href ? `<${token.text}>` : token.text));

test('links are found and their sentence is left out of them', () => {
  assert.deepEqual(parts('see https://example.org/a_(b). Yes'), ['see ', '<https://example.org/a_(b)>', '. Yes']);
  assert.deepEqual(parts('(http://x.kr/한글?q=1)'), ['(', '<http://x.kr/한글?q=1>', ')']);
  assert.deepEqual(parts('https://a.b https://c.d!'), ['<https://a.b>', ' ', '<https://c.d>', '!']);
});

test('nothing but http and https becomes a link', () => {
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'https://', 'xhttps://a', '<img src=x onerror=alert(1)>', 'http://[::1']) {
    assert.deepEqual(tokens(text), [{ text }]);
  }
});

test('no text is lost between tokens', () => {
  for (const text of ['', ' ', 'a\nb', 'https://a.b...', '...https://a.b']) {
    assert.equal(tokens(text).map((token) => token.text).join(''), text);
  }
});

test('messages of emoji alone are known as such', () => {
  for (const text of ['👍', '👩‍👩‍👧 🎉', '🇰🇷', '❤️']) assert.equal(onlyEmoji(text), true, text);
  for (const text of ['', ' ', 'ok 👍', '1', '가', '👍'.repeat(40)]) assert.equal(onlyEmoji(text), false, text);
});

test('room names are checked as the server will', () => {
  for (const name of ['lobby', '한국어 방', 'a.b_c-d', '🎉', '...', '가'.normalize('NFD')]) assert.equal(problem(normal(name)), null, name);
  assert.equal(normal(' 가 '.normalize('NFD')), '가');
  for (const name of ['', '.', '..', 'a/b', 'a\u202eb', 'a\tb', 'x'.repeat(65), '😀'.repeat(51)]) assert.notEqual(problem(normal(name)), null, name);
});
