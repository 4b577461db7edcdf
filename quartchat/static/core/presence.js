// Who is here and who is typing. In rooms above 200 members the server sends only the count.

const TYPING_SHOWN = 5000; // ms; a typing frame comes at most every 3 s from one person
const LISTED = 200;
export const TYPING_EVERY = 3000;

export class Presence {
  constructor() {
    this.count = 0;
    this.members = new Map(); // id -> name
    this.typing = new Map(); // id -> {user, until}
  }

  welcome({ count = 0, members = [] }) {
    this.count = count;
    this.members = new Map(members.map(({ id, name }) => [id, name]));
    this.typing.clear();
  }

  change({ count, joined = [], left = [] }) {
    for (const { id, name } of joined) this.members.set(id, name);
    for (const { id } of left) {
      this.members.delete(id);
      this.typing.delete(id);
    }
    // The lists are left out above 200 people; who is there when it shrinks again is told anew.
    if (count > LISTED) this.members.clear();
    this.count = count ?? this.members.size;
  }

  // The roster as far as it is known; `others` counts those without a name here.
  roster(me) {
    const people = [...this.members].map(([id, name]) => ({ id, name, me: id === me?.id }));
    people.sort((a, b) => b.me - a.me || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
    return { people, others: Math.max(0, this.count - people.length) };
  }

  typed(user, now) {
    this.typing.set(user.id, { user, until: now + TYPING_SHOWN });
  }

  spoke(user) {
    this.typing.delete(user.id);
  }

  typists(now, me) {
    for (const [id, { until }] of this.typing) if (until <= now) this.typing.delete(id);
    return [...this.typing.values()].map(({ user }) => user).filter(({ id }) => id !== me?.id);
  }
}

// A number from 0 to 23 out of an id: the same in the page's template (room.html) and here.
export function hueOf(id) {
  let sum = 7;
  for (let i = 0; i < id.length; i++) sum = (sum * 31 + HASHED.indexOf(id[i])) % 9973;
  return sum % 24;
}
const HASHED = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

export const tagOf = (id) => id.slice(-4);

// Names that more than one id goes by, folded as an eye would: they are shown with their tag.
export class Names {
  constructor() {
    this.ids = new Map();
  }

  see({ id, name }) {
    const same = fold(name);
    if (!this.ids.has(same)) this.ids.set(same, new Set());
    this.ids.get(same).add(id);
  }

  shared(name) {
    return (this.ids.get(fold(name))?.size ?? 0) > 1;
  }
}

const folded = new Map(); // asked for with every row that is drawn
function fold(name) {
  if (folded.size > 2000) folded.clear();
  if (!folded.has(name)) folded.set(name, name.normalize('NFKC').toLowerCase().replace(/\s+/g, ''));
  return folded.get(name);
}
