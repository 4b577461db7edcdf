// A room's name is refused in the lobby as the server would refuse it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normal, problem } from '../../quartchat/static/core/names.js';

test('whatever shows something can be a name', () => {
  const names = ['a', '한국어 방', 'a  b', '방\u3000둘', '👩‍👩‍👧 🇰🇷', '❤️', '1️⃣', '👍🏽', '__proto__', '<b>', '..a', 'e\u0301', 'ไทย', 'हिन्दी', '100% #1?', 'می\u200cخواهم', 'ශ්\u200dරී', 'ᠠ\u180e', '🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}'];
  for (const name of names) assert.equal(problem(normal(name)), null, name);
});

test('what shows nothing, or turns its neighbours around, is refused', () => {
  const hidden = ['\u202e', '\u2067', '\u200b', '\u200d', '\ufeff', '\u00ad', '\u115f', '\u3164', '\u2800', '\ufffd', '\u00a0', '\u2003', '\u2028', '\ue000', '\0', '\n', '\ufe0f', '\u{e0101}'];
  for (const each of hidden) assert.equal(problem(`a${each}b`), 'room_characters', JSON.stringify(each));
  for (const name of ['.', '..', 'a/b', '\u0301a', '\u0e34', 'a\ud800']) assert.equal(problem(normal(name)), 'room_characters', JSON.stringify(name));
});

test('the length counts as the server counts it', () => {
  assert.equal(problem(''), 'room_empty');
  assert.equal(problem(normal(' \u3000 ')), 'room_empty');
  assert.equal(problem('👍'.repeat(50)), null);
  assert.equal(problem('👍'.repeat(51)), 'room_long');
  assert.equal(problem('a'.repeat(64)), null);
  assert.equal(problem('a'.repeat(65)), 'room_long');
});
