#include "ledger.h"

verdict account_enter(account *a, uint32_t number) {
  if (!a->begun) {
    a->begun = true;
    a->first = a->next = number;
  }
  if (number >= a->next) {
    uint32_t shift = number - a->next + 1;
    a->recent = shift < 64 ? a->recent << shift | 1 : 1;
    a->next = number + 1;
    a->seen++;
    return FRESH;
  }
  uint32_t back = a->next - 1 - number;
  /* Further back than we remember: no server reorders that far, so it is a repeat. */
  if (number < a->first || back >= 64 || a->recent >> back & 1) return REPEATED;
  a->recent |= 1ull << back;
  a->seen++;
  return LATE;
}

uint32_t account_missing(const account *a, uint32_t sent) {
  if (!a->begun) return 0;
  uint32_t due = sent - a->first;
  return due > a->seen ? due - a->seen : 0;
}
