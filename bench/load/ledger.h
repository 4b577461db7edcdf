/* Who has seen what. A talker numbers its messages 0, 1, 2, ... ; each receiver keeps one account a talker. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  bool begun;      /* a joiner's account begins with the first message it sees */
  uint32_t first;  /* the number it begins with */
  uint32_t next;   /* one past the highest number seen */
  uint32_t seen;   /* different numbers seen */
  uint64_t recent; /* bit d: number next-1-d was seen */
} account;

typedef enum { FRESH, LATE, REPEATED } verdict;

/* Enter one number. FRESH: higher than all before it. LATE: missed before, came behind a higher one. */
verdict account_enter(account *a, uint32_t number);

/* How many of the talker's `sent` messages this account should hold, and does not. */
uint32_t account_missing(const account *a, uint32_t sent);
