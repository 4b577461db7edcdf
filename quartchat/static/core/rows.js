// From the log to the rows of the page: which entries stand in the window, who opens a group, where a
// new day begins. Rows are {key, kind: 'day' | 'gap' | 'entry' | 'pending', item, opens, closes}.

const MINUTE = 60000;

export function rowsOf(items, pending, me, dayOf = (ms) => new Date(ms).toDateString()) {
  const rows = [];
  let day = null;
  let before = null;
  const place = (kind, key, item, user, at) => {
    const today = dayOf(at);
    if (today !== day) {
      rows.push({ kind: 'day', key: `day ${key}`, item: { at } });
      before = null;
    }
    day = today;
    const minute = Math.floor(at / MINUTE);
    const opens = !before || before.user !== user || before.minute !== minute;
    if (before) before.row.closes = opens;
    const row = { kind, key, item, opens, closes: true };
    rows.push(row);
    before = { user, minute, row };
  };
  for (const item of items) {
    if (item.gap) {
      rows.push({ kind: 'gap', key: item.key, item });
      before = null;
    } else {
      item.at ??= Date.parse(item.time);
      place('entry', item.key, item, item.user.id, item.at);
    }
  }
  for (const item of pending) place('pending', `pending ${item.local}`, item, me?.id, item.at);
  return rows;
}

// The part of a long log that the page holds. Who reads the newest has the last `size` items. Who went up
// has up to `most` items from `first` on, so that what arrives below does not push out what is read.
export class Window {
  constructor({ size = 200, most = 400, step = 100 } = {}) {
    Object.assign(this, { size, most, step });
    this.first = null; // null: follow the newest
  }

  range(items) {
    if (this.first === null) return { from: Math.max(0, items.length - this.size), to: items.length };
    const from = Math.max(0, items.indexOf(this.first)); // dropped meanwhile: the oldest there is
    return { from, to: Math.min(items.length, from + this.most) };
  }

  get follows() {
    return this.first === null;
  }

  hold(items) {
    this.first ??= items[this.range(items).from] ?? null;
  }

  follow() {
    this.first = null;
  }

  // Returns whether there was anything to go to.
  up(items) {
    const { from } = this.range(items);
    this.first = items[Math.max(0, from - this.step)] ?? null;
    return from > 0;
  }

  down(items) {
    const { from, to } = this.range(items);
    if (to < items.length) this.first = items[Math.min(from + this.step, items.length - this.size)];
    return to < items.length;
  }
}
