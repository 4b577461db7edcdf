// Ids of messages and tabs: 128 random bits, URL-safe. crypto.randomUUID is not used because it is
// missing on plain http, where a chat on a home network lives.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function newId(crypto = globalThis.crypto) {
  const bytes = crypto.getRandomValues(new Uint8Array(22));
  return Array.from(bytes, (byte) => ALPHABET[byte & 63]).join('');
}
