import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../../quartchat/static/core/chat.js';
import { Clock, counter, seeded, Server, Storage, store } from './world.js';

const NONE = { messages: [], position: null };

function join(server, clock, name, { page = NONE, storage = new Storage(), ids, random, tab = 't', ...rest } = {}) {
  const chat = new Chat({
    room: 'r',
    tab,
    me: { id: name, name },
    page,
    identify: async () => ({ id: name, name }),
    socket: 'ws://x/ws/chat/r/',
    store: store(storage),
    newId: ids ?? counter(`${name}-`),
    clock,
    random: random ?? (() => 0.5),
    WebSocket: server.socketClass(name),
    onChange: () => {},
    onMessage: () => {},
    ...rest,
  });
  chat.connection.start();
  return chat;
}

const texts = (chat) => chat.log.items.filter((item) => !item.gap).map(({ text }) => text);
const pending = (chat) => chat.pending.map(({ text, state }) => `${text}:${state}`);
const gaps = (chat) => chat.log.items.filter((item) => item.gap).length;
const truth = (server) => server.entries.filter(({ deletes }) => !deletes).map(({ message }) => message);

test('a message stands at once as sending and then once as an entry', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  anna.say('early');
  assert.deepEqual(pending(anna), ['early:sending']);
  await clock.run(1000);
  anna.say('later');
  assert.deepEqual(pending(anna), ['later:sending']);
  await clock.run(1000);
  assert.deepEqual(pending(anna), []);
  assert.deepEqual(texts(anna), ['early', 'later']);
  assert.deepEqual(anna.outbox.entries, []);
});

test('the other one sees it; own and foreign messages have one order', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  const ben = join(server, clock, 'ben');
  await clock.run(1000);
  for (let i = 0; i < 5; i++) {
    anna.say(`a${i}`);
    ben.say(`b${i}`);
  }
  await clock.run(2000);
  assert.deepEqual(texts(anna), texts(ben));
  assert.deepEqual(texts(anna).filter((text) => text.startsWith('a')), ['a0', 'a1', 'a2', 'a3', 'a4']);
});

test('an acked message waits as sent until the log holds it', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(1000);
  anna.say('one');
  const [{ id }] = anna.outbox.entries;
  anna.on_ack({ id, position: 'p' });
  assert.deepEqual(pending(anna), ['one:sent']);
  await clock.run(1000);
  assert.deepEqual(pending(anna), []);
  assert.deepEqual(texts(anna), ['one']);
});

test('a reloaded page sends what was left unacked, with the same id, and shows it once', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const storage = new Storage();
  const before = join(server, clock, 'anna', { storage });
  await clock.run(1000);
  before.say('stored, but the ack is lost');
  before.say('never sent');
  server.post({ id: 'anna', name: 'anna' }, before.outbox.entries[0].id, 'stored, but the ack is lost');
  before.connection.stop('closed');
  const page = { messages: server.entries.slice(), position: server.top };
  const after = join(server, clock, 'anna', { storage, page, ids: counter('later-') });
  assert.deepEqual(pending(after), ['never sent:sending']);
  await clock.run(2000);
  assert.deepEqual(texts(after), ['stored, but the ack is lost', 'never sent']);
  assert.deepEqual(truth(server), texts(after));
});

test('a refused message says so, does not hold up the next, and is a new one when tried again', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(1000);
  const { id, local } = anna.say('refused');
  anna.on_nack({ id, code: 'forbidden', detail: '' });
  server.cutAll();
  anna.say('next');
  assert.deepEqual(pending(anna), ['refused:failed', 'next:sending']);
  await clock.run(3000);
  assert.deepEqual(texts(anna), ['next']);
  assert.deepEqual(pending(anna), ['refused:failed']);
  anna.write('retry', local);
  await clock.run(1000);
  assert.deepEqual(texts(anna), ['next', 'refused']);
  assert.deepEqual(pending(anna), []);
});

test('a page made for somebody else stops and sends nothing', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(1000);
  server.cutAll(4401);
  anna.say('not as anybody');
  await clock.run(120_000);
  assert.ok(anna.stopped);
  assert.deepEqual(pending(anna), ['not as anybody:failed']);
  assert.deepEqual(truth(server), []);
  assert.equal(server.sockets.size, 0);
});

test('a welcome for another identity stops the page too', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const chat = join(server, clock, 'anna', { WebSocket: server.socketClass('mallory') });
  chat.say('mine');
  await clock.run(60_000);
  assert.ok(chat.stopped);
  assert.deepEqual(truth(server), []);
});

test('who has no identity yet gets one, and what was written meanwhile goes out', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  let asked = 0;
  const identify = async () => {
    asked++;
    if (asked === 1) throw new Error('503');
    return { id: 'guest', name: 'Merry Otter' };
  };
  const chat = join(server, clock, 'guest', { me: null, identify });
  chat.say('hello');
  await clock.run(5000);
  assert.equal(asked, 2);
  assert.deepEqual(texts(chat), ['hello']);
});

test('a late answer about who one is changes nothing', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const answers = [];
  const identify = () => new Promise((answer) => answers.push(answer));
  const chat = join(server, clock, 'second', { me: null, identify });
  chat.say('one bubble');
  await clock.run(30_000); // nobody answers in time, so it is asked again
  assert.ok(answers.length > 1);
  answers.at(-1)({ id: 'second', name: 'Second' });
  await clock.run(1000);
  answers[0]({ id: 'first', name: 'First' });
  await clock.run(1000);
  assert.equal(chat.me.id, 'second');
  chat.say('still the same');
  assert.equal(chat.outbox.entries.length, 1);
  await clock.run(1000);
  assert.deepEqual(server.entries.map(({ user }) => user.id), ['second', 'second']);
  assert.deepEqual(pending(chat), []);
});

test('an empty room rendered with a position is resumed from it', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const page = { messages: [], position: server.top };
  for (let i = 0; i < 80; i++) server.post({ id: 'ben', name: 'ben' }, `i${i}`, `m${i}`);
  const anna = join(server, clock, 'anna', { page });
  await clock.run(1000);
  assert.deepEqual(texts(anna), truth(server));
  assert.equal(gaps(anna), 0);
});

test('a page that comes back knows when it has all that it missed', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna', { onMessage: () => tops.push(anna.top) });
  const tops = [];
  server.post({ id: 'ben', name: 'ben' }, 'i0', 'm0');
  await clock.run(1000);
  server.up = false;
  server.cutAll();
  for (let i = 1; i < 4; i++) server.post({ id: 'ben', name: 'ben' }, `i${i}`, `m${i}`);
  server.up = true;
  await clock.run(40_000);
  assert.deepEqual(tops, [null, server.top, server.top, null]);
  server.cutAll();
  await clock.run(40_000);
  assert.equal(anna.top, null); // nothing was missed
});

test('the first message of an empty room is all that there was to miss', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(1000);
  assert.equal(anna.top, server.top); // a place, and no message that stands there
  server.post({ id: 'ben', name: 'ben' }, 'i0', 'm0');
  await clock.run(1000);
  assert.deepEqual(texts(anna), ['m0']);
  assert.equal(anna.top, null);
});

test('a message that is removed is wiped on every page, and on those that come later', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  const heard = [];
  const ben = join(server, clock, 'ben', { onMessage: ({ id }) => heard.push(id) });
  await clock.run(500);
  for (const text of ['one', 'two', 'three']) anna.say(text);
  await clock.run(1000);
  server.remove({ id: 'ben', name: 'ben' }, server.entries[1].position);
  await clock.run(500);
  for (const chat of [anna, ben]) {
    assert.deepEqual(texts(chat), ['one', '', 'three']);
    assert.equal(chat.log.items[1].deleted, true);
    assert.equal(chat.log.head, server.top);
  }
  assert.equal(heard.length, 3); // nothing new was said
  anna.say('four');
  await clock.run(500);
  const later = join(server, clock, 'cleo');
  await clock.run(500);
  for (const chat of [anna, ben, later]) assert.deepEqual(texts(chat), ['one', '', 'three', 'four']);
  assert.deepEqual(pending(anna), []);
});

test('a page that was away while a message was removed hears of it on its return', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(500);
  for (const text of ['one', 'two']) anna.say(text);
  await clock.run(500);
  server.up = false;
  server.cutAll();
  server.remove({ id: 'ben', name: 'ben' }, server.entries[0].position);
  server.up = true;
  await clock.run(40_000);
  assert.deepEqual(texts(anna), ['', 'two']);
  assert.equal(anna.top, null);
  assert.equal(gaps(anna), 0);
});

test('a page that is closed on knows why', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(500);
  for (const socket of server.sockets) socket.onclose({ code: 1008, reason: 'banned' });
  anna.say('unheard');
  await clock.run(60_000);
  assert.deepEqual(anna.connection.state, { name: 'stopped', code: 1008, reason: 'banned' });
  assert.deepEqual(pending(anna), ['unheard:failed']);
});

test('another epoch: a divider, the shown stays, the new follows', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(500);
  anna.say('before');
  await clock.run(500);
  server.up = false;
  server.cutAll(1012);
  server.epoch = 2;
  server.entries = [];
  await clock.run(5000);
  server.up = true;
  await clock.run(30_000);
  anna.say('after');
  await clock.run(1000);
  assert.deepEqual(anna.log.items.map((item) => item.gap ?? item.text), ['before', 'epoch', 'after']);
});

test('entries that come back after a roll-back are not shown twice', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(500);
  for (let i = 0; i < 6; i++) server.post({ id: 'ben', name: 'ben' }, `i${i}`, `m${i}`);
  await clock.run(500);
  server.rollBack(2);
  server.post({ id: 'ben', name: 'ben' }, 'new', 'new');
  server.post({ id: 'ben', name: 'ben' }, 'i5', 'm5');
  await clock.run(500);
  const shown = anna.log.items.map((item) => item.gap ?? item.text);
  assert.deepEqual(shown, ['m0', 'm1', 'm2', 'm3', 'm4', 'epoch', 'new', 'm5']);
});

test('a ping that names an unseen entry brings the page back for it', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  server.post({ id: 'ben', name: 'ben' }, 'i0', 'm0');
  await clock.run(500);
  server.faults.loseOut = 1;
  server.post({ id: 'ben', name: 'ben' }, 'i1', 'm1');
  server.faults.loseOut = 0;
  for (const socket of server.sockets) socket.raw({ type: 'ping', position: server.top });
  await clock.run(20_000);
  assert.deepEqual(texts(anna), ['m0', 'm1']);
  assert.ok(server.seen.some(({ type }) => type === 'pong'));
});

test('a frame too big for the server is not sent for ever', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(500);
  anna.say('huge');
  server.cutAll(1009);
  await clock.run(60_000);
  assert.deepEqual(pending(anna), ['huge:failed']);
});

test('a server without its broker is not passed off as a connection', async () => {
  const clock = new Clock();
  const server = new Server({ clock });
  const anna = join(server, clock, 'anna');
  await clock.run(500);
  for (const socket of server.sockets) socket.raw({ type: 'status', connected: false });
  await clock.run(100);
  assert.equal(anna.trouble, true);
  for (const socket of server.sockets) socket.raw({ type: 'status', connected: true });
  await clock.run(100);
  assert.equal(anna.trouble, false);
  server.faults.unknown = 1;
  anna.say('one');
  await clock.run(100);
  assert.equal(anna.trouble, true);
  server.faults.unknown = 0;
  await clock.run(1000);
  assert.equal(anna.trouble, false);
  assert.deepEqual(texts(anna), ['one']);
});

// The promise: whatever the link does, in the end every page shows the server's log, nothing twice, missing
// or swapped, and each person's messages in the order of their writing.
for (const [name, faults] of Object.entries({
  'a clean link': {},
  'lost acks and entries': { loseOut: 0.1, loseIn: 0.1 },
  'connections cut': { cut: 0.08 },
  'connections that go deaf': { deaf: 0.02 },
  'repeated frames': { repeat: 0.5 },
  'frames that come late': { late: 0.02, cut: 0.02 },
  'a broker that does not answer': { unknown: 0.4, storedAnyway: 0.5 },
  'a rate limit': { limited: 0.4 },
  'everything at once': { loseOut: 0.03, loseIn: 0.05, cut: 0.04, deaf: 0.01, repeat: 0.2, unknown: 0.15, storedAnyway: 0.5, limited: 0.15 },
})) {
  test(`${name}: never twice, out of order or missing`, async () => {
    const seeds = name === 'everything at once' ? 100 : 30;
    for (let seed = 1; seed <= seeds; seed++) await conversation(seed, { ...faults });
  });
}

async function conversation(seed, faults) {
  const clock = new Clock();
  const random = seeded(seed);
  const server = new Server({ clock, random, faults });
  const written = { anna: [], ben: [] };
  const removed = new Set();
  const storages = { anna: new Storage(), ben: new Storage() };
  const open = (name, life) => {
    // As the server makes it: tombstones are no rows.
    const messages = server.entries.slice(-50).filter(({ deletes }) => !deletes).map((entry) => ({ ...entry }));
    return join(server, clock, name, { page: { messages, position: server.top }, storage: storages[name], random, ids: counter(`${name}-${life}-`) });
  };
  const chats = { anna: open('anna', 0), ben: open('ben', 0) };
  for (let step = 0; step < 60; step++) {
    for (const name of ['anna', 'ben']) {
      if (random() < 0.5) {
        written[name].push(`${name} ${step}`);
        chats[name].say(`${name} ${step}`);
      }
      if (random() < 0.03) {
        chats[name].connection.stop('reloaded');
        chats[name] = open(name, step + 1);
      }
    }
    if (random() < 0.05 && faults.cut) server.cutAll(1012);
    if (random() < 0.08) {
      const there = server.entries.filter(({ deletes, deleted }) => !deletes && !deleted);
      const target = there[Math.floor(random() * there.length)];
      if (target) {
        removed.add(target.message);
        server.remove({ id: 'owner', name: 'owner' }, target.position);
      }
    }
    await clock.run(random() * 400);
    for (const chat of Object.values(chats)) neverTwice(chat, seed);
  }
  for (const fault of Object.keys(faults)) server.faults[fault] = 0;
  await clock.run(240_000);
  for (const name of ['anna', 'ben']) {
    const chat = chats[name];
    const log = truth(server);
    const shown = texts(chat);
    const ids = (entries) => entries.filter(({ gap, deletes }) => !gap && !deletes).map(({ user, id }) => `${user.id} ${id}`);
    const first = ids(server.entries).indexOf(ids(chat.log.items)[0]);
    assert.deepEqual(shown, log.slice(Math.max(0, first)), `seed ${seed}: ${name} shows the log from ${first}`);
    const kept = written[name].filter((text) => !removed.has(text));
    assert.deepEqual(log.filter((text) => text.startsWith(name)), kept, `seed ${seed}: ${name}'s own in order`);
    assert.deepEqual(pending(chat), [], `seed ${seed}: nothing left over`);
    assert.equal(gaps(chat), 0, `seed ${seed}: no reset where continuity was proved`);
  }
}

// One browser: tabs, one jar of cookies, one storage. People log in and out, answers that set the cookie come late,
// pages were made before the last login, links are cut. docs/two-people.md tells the story.
test('two people in tabs of one browser never become each other', async () => {
  const ends = { stored: 0, kept: 0 };
  for (let seed = 1; seed <= 200; seed++) await oneJar(seed, ends);
  assert.ok(ends.stored > 1000 && ends.kept > 1000, `both happened: ${JSON.stringify(ends)}`);
});

async function oneJar(seed, ends) {
  const clock = new Clock();
  const random = seeded(seed);
  const faults = { cut: 0.03, late: 0.02, deaf: 0.01, unknown: 0.05, storedAnyway: 0.5 };
  const server = new Server({ clock, random, faults });
  const storage = new Storage();
  const names = counter('guest-');
  let cookie = null;
  const page = () => ({ messages: server.entries.slice(-50), position: server.top });
  const after = (ms) => new Promise((done) => clock.after(ms, done));

  async function identify() {
    await after(random() * 5000);
    const known = cookie;
    const id = known ?? names();
    await after(random() * (random() < 0.2 ? 40_000 : 500));
    if (random() < 0.1) throw new Error('503');
    if (!known) cookie = id; // only the answer that makes somebody sets a cookie, and it may come late
    return { id, name: id };
  }

  // The cookie is read with the handshake; a page made for another one is closed with 4401.
  function Socket(url, protocols) {
    const you = cookie ?? names();
    const link = new (server.socketClass(you))(url, protocols);
    if (new URL(url).searchParams.get('as') !== you) link.open = () => link.die(4401);
    return link;
  }

  let life = 0;
  const open = (id) => {
    const me = id && { id, name: id };
    return join(server, clock, 'tab', { me, identify, storage, page: page(), random, tab: `t${++life}`, ids: counter(`m${life}-`), WebSocket: Socket });
  };
  const tabs = [open(null), open(null), open(null)];
  const written = [];
  for (let step = 0; step < 40; step++) {
    const n = Math.floor(random() * tabs.length);
    const [chat, dice, person] = [tabs[n], random(), `person-${Math.floor(random() * 2)}`];
    if (dice < 0.5) {
      const text = `text ${written.length}`;
      written.push({ text, chat, shown: chat.me?.id });
      chat.say(text);
    } else if (dice < 0.58) cookie = person;
    else if (dice < 0.62) cookie = null;
    else if (dice < 0.66) clock.after(random() * 10_000, () => (cookie = person)); // an answer under way
    else if (dice < 0.8 && chat.me) { // who has no name yet has nothing to be mistaken for
      chat.connection.stop('reloaded');
      tabs[n] = open(random() < 0.2 ? person : cookie); // the page itself may be an old answer
    } else if (dice < 0.85) server.cutAll(1012);
    await clock.run(random() * 2000);
  }
  for (const fault of Object.keys(faults)) server.faults[fault] = 0;
  await clock.run(240_000);
  for (const { text, chat, shown = chat.me?.id } of written) {
    const entries = server.entries.filter(({ message }) => message === text);
    assert.ok(entries.length < 2, `seed ${seed}: ${text} stands there once`);
    ends[entries.length ? 'stored' : 'kept']++;
    if (entries.length) assert.equal(entries[0].user.id, shown, `seed ${seed}: ${text} is under the name its tab showed`);
    else {
      const mine = [...storage.items].filter(([key, value]) => key.startsWith(`quartchat:outbox:${shown}:`) && value.includes(`"${text}"`));
      assert.equal(mine.length, 1, `seed ${seed}: ${text} is kept for who wrote it, for nobody else`);
      if (tabs.includes(chat)) assert.ok(pending(chat).includes(`${text}:failed`), `seed ${seed}: ${text} is shown as not sent`);
    }
  }
}

function neverTwice(chat, seed) {
  // Those that were removed have no text.
  const bubbles = [...texts(chat), ...chat.pending.map(({ text }) => text)].filter(Boolean);
  assert.equal(new Set(bubbles).size, bubbles.length, `seed ${seed}: one bubble for each message`);
  const order = chat.log.items.map((item) => indexOf(item.position));
  assert.deepEqual(order, [...order].sort((a, b) => a - b), `seed ${seed}: in the server's order`);
}

const indexOf = (position) => Number(position.split('-')[1]);
