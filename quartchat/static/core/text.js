// What is inside a message: plain text and links. Tokens only; the page builds the elements.

const LINK = /\bhttps?:\/\/[^\s<>"]+/giu;

export function tokens(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const link = trimmed(match[0]);
    const href = safe(link);
    if (!href) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index) });
    found.push({ text: link, href });
    at = match.index + link.length;
  }
  if (at < text.length) found.push({ text: text.slice(at) });
  return found;
}

// A sentence's own punctuation does not belong to the link, nor does a bracket it did not open.
function trimmed(link) {
  for (;;) {
    const last = link.at(-1);
    const unopened = last === ')' && link.split('(').length < link.split(')').length;
    if (!unopened && !/[.,;:!?'"’”»…。、，！？\]}]/u.test(last)) return link;
    link = link.slice(0, -1);
  }
}

function safe(link) {
  try {
    const { protocol, href, hostname } = new URL(link);
    return hostname && (protocol === 'http:' || protocol === 'https:') ? href : null;
  } catch {
    return null;
  }
}

const EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|[\u200d\ufe0f\s])+$/u;

// A few emoji and nothing else are shown large.
export function onlyEmoji(text) {
  const bare = text.trim();
  return bare !== '' && Array.from(bare).length <= 12 && EMOJI.test(bare);
}
