import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../../quartchat/static/core/chat.js';
import { Clock, counter, seeded, Server, Storage } from './world.js';

const NONE = { messages: [], position: null };

function join(server, clock, name, { page = NONE, storage = new Storage(), ids, random, tab = 't', ...rest } = {}) {
  const chat = new Chat({
    room: 'r',
    tab,
    me: { id: name, name },
    page,
    identify: async () => ({ id: name, name }),
    socket: 'ws://x/ws/chat/r/',
    storage,
    newId: ids ?? counter(`${name}-`),
    clock,
    random: random ?? (() => 0.5),
    WebSocket: server.socketClass(name),
    onChange: () => {},
    onMessage: () => {},
    ...rest,
  });
  chat.start();
  return chat;
}

const texts = (chat) => chat.log.items.filter((item) => !item.gap).map(({ text }) => text);
const pending = (chat) => chat.pending.map(({ text, state }) => `${text}:${state}`);
const gaps = (chat) => chat.log.items.filter((item) => item.gap).length;
const truth = (server) => server.entries.map(({ message }) => message);

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
  anna.retry(local);
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
  'a broker that does not answer': { unknown: 0.4, storedAnyway: 0.5 },
  'a rate limit': { limited: 0.4 },
  'everything at once': { loseOut: 0.03, loseIn: 0.05, cut: 0.04, deaf: 0.01, repeat: 0.2, unknown: 0.15, storedAnyway: 0.5, limited: 0.15 },
})) {
  test(`${name}: never twice, out of order or missing`, async () => {
    for (let seed = 1; seed <= 20; seed++) await conversation(seed, { ...faults });
  });
}

async function conversation(seed, faults) {
  const clock = new Clock();
  const random = seeded(seed);
  const server = new Server({ clock, random, faults });
  const written = { anna: [], ben: [] };
  const storages = { anna: new Storage(), ben: new Storage() };
  const open = (name, life) => {
    const page = { messages: server.entries.slice(-50), position: server.top };
    return join(server, clock, name, { page, storage: storages[name], random, ids: counter(`${name}-${life}-`) });
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
    await clock.run(random() * 400);
    for (const chat of Object.values(chats)) neverTwice(chat, seed);
  }
  for (const fault of Object.keys(faults)) server.faults[fault] = 0;
  await clock.run(240_000);
  for (const name of ['anna', 'ben']) {
    const chat = chats[name];
    const log = truth(server);
    const first = log.indexOf(texts(chat)[0]);
    assert.deepEqual(texts(chat), log.slice(Math.max(0, first)), `seed ${seed}: ${name} shows the log from ${first}`);
    assert.deepEqual(log.filter((text) => text.startsWith(name)), written[name], `seed ${seed}: ${name}'s own in order`);
    assert.deepEqual(pending(chat), [], `seed ${seed}: nothing left over`);
    assert.equal(gaps(chat), 0, `seed ${seed}: no reset where continuity was proved`);
  }
}

function neverTwice(chat, seed) {
  const bubbles = [...texts(chat), ...chat.pending.map(({ text }) => text)];
  assert.equal(new Set(bubbles).size, bubbles.length, `seed ${seed}: one bubble for each message`);
  const order = chat.log.items.map((item) => indexOf(item.position));
  assert.deepEqual(order, [...order].sort((a, b) => a - b), `seed ${seed}: in the server's order`);
}

const indexOf = (position) => Number(position.split('-')[1]);
