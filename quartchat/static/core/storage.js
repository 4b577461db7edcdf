// Storage that never throws, and the rooms that were visited last.

export const attempt = (act) => { try { return act(); } catch { return null; } };

export const kept = (storage) => ({
	get: (key) => attempt(() => JSON.parse(storage().getItem(key))),
	set: (key, value) => attempt(() => (value === null ? storage().removeItem(key) : storage().setItem(key, JSON.stringify(value)))),
	keys: () => attempt(() => Object.keys(storage())) ?? [],
});

const ROOMS = 'quartchat:rooms';

export const recent = (store) => [store.get(ROOMS)].flat().filter((room) => typeof room === 'string');

export const remember = (store, room) => store.set(ROOMS, [room, ...recent(store).filter((other) => other !== room)].slice(0, 8));
